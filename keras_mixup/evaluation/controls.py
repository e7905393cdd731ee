"""Controls: how much of a defence's effect something simpler has as well.

Mixup Inference shrinks the perturbation by lambda and moves the input towards
other images. The undefended classifier under a perturbation of lambda eps
shows what a smaller perturbation alone is worth; mixing with one fixed image,
the pool's mean, what shrinking alone is worth.
"""

from keras_mixup.attacks.scaled import scaled
from keras_mixup.inference.mean_image import MeanImageShrinkage
from keras_mixup.inference.mean_image import mix_weights


def shrinkage_models(models):
    """Returns dict label -> `MeanImageShrinkage`, one per lambda.

    Args:
        models: dict name -> model, as for `evaluate`.
    """
    found = {}
    for weight, defence in mix_weights(models.values()).items():
        classifier, pool = defence.classifier, defence.pool
        shape = getattr(classifier, "input_shape", (None,))[1:]
        # A pool may hold latent codes instead of images.
        if tuple(shape) == tuple(pool.sample_shape):
            control = MeanImageShrinkage(classifier, pool, weight)
            found[f"mean-image shrinkage {weight:g}"] = control
    return found


def reduced_specs(attacks, factor):
    """Returns the attacks with radius and step multiplied by `factor`.

    For the undefended classifier alone: the control that shrinks the
    perturbation and nothing else.

    Args:
        attacks: list of `AttackSpec`.
        factor: float in [0, 1].
    """
    return [
        spec._replace(
            attack=scaled(spec.attack, factor),
            undefended=scaled(spec.undefended, factor),
        )
        for spec in attacks
        if spec.attack is not None and not spec.knows_draws
    ]
