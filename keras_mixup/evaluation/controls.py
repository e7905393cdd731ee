"""Controls: how much of a defence's effect something simpler has as well.

Mixup Inference shrinks the perturbation by lambda and moves the input towards
other images. The undefended classifier under a perturbation of lambda eps
shows what a smaller perturbation alone is worth; mixing with one fixed image,
the pool's mean, what shrinking alone is worth.
"""

from keras_mixup import ops
from keras_mixup.attacks.scaled import scaled
from keras_mixup.inference.mean_image import MeanImageShrinkage


def mix_weights(defences):
    """Returns the expected lambda of each defence that mixes with a pool.

    Args:
        defences: iterable of defences; MI-Combined counts by its MI-OL.

    Returns:
        dict lambda -> defence, each lambda once.
    """
    found = {}
    for defence in defences:
        weight = getattr(defence, "mix_weight", None)
        weight = getattr(defence, "ol_weight", weight)
        if weight is not None and getattr(defence, "pool", None) is not None:
            found.setdefault(round(ops.mean_mix_weight(weight), 6), defence)
    return found


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
