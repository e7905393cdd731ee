"""Names on the command line -> classes, imported when they are asked for.

Adding an attack, algorithm, defence or model is one line here.
"""

import difflib
import importlib
import inspect

from keras_mixup import _checks

MODELS = {
    "small_convnet": "keras_mixup.models:SmallConvNet",
    "preact_resnet18": "keras_mixup.models:PreActResNet18",
    "resnet34": "keras_mixup.models:ResNet34",
    "resnet50": "keras_mixup.models:ResNet50",
    "mixup_inference_resnet50": "keras_mixup.models:MixupInferenceResNet50",
    "wide_resnet34": "keras_mixup.models:WideResNet34",
}
ALGORITHMS = {
    "erm": "keras_mixup.training:ERM",
    "mixup": "keras_mixup.training:Mixup",
    "adversarial_training": "keras_mixup.training:AdversarialTraining",
    "interpolated_adversarial_training": (
        "keras_mixup.training:InterpolatedAdversarialTraining"
    ),
    "mix_then_attack": "keras_mixup.training:MixThenAttack",
    "attack_then_mix": "keras_mixup.training:AttackThenMix",
    "adversarial_mixup": "keras_mixup.training:AdversarialMixup",
    "trades": "keras_mixup.training:TRADES",
    "manifold_mixup": "keras_mixup.training:ManifoldMixup",
    "latent_adversarial_training": (
        "keras_mixup.training:LatentAdversarialTraining"
    ),
    "local_linearity_regularization": (
        "keras_mixup.training:LocalLinearityRegularization"
    ),
    "curvature_regularization": "keras_mixup.training:CurvatureRegularization",
    "var_erm": "keras_mixup.training:VarERM",
    "var_mixup": "keras_mixup.training:VarMixup",
    "var_interpolated_adversarial_training": (
        "keras_mixup.training:VarInterpolatedAdversarialTraining"
    ),
}
ATTACKS = {
    "pgd": "keras_mixup.attacks:PGD",
    "apgd": "keras_mixup.attacks:APGD",
    "targeted_apgd": "keras_mixup.attacks:TargetedAPGD",
    "autoattack": "keras_mixup.attacks:AutoAttack",
    "fab": "keras_mixup.attacks:FAB",
    "targeted_fab": "keras_mixup.attacks:TargetedFAB",
    "square": "keras_mixup.attacks:Square",
    "spsa": "keras_mixup.attacks:SPSA",
    "cleverhans_pgd": "keras_mixup.attacks:CleverHansPGD",
    "cleverhans_spsa": "keras_mixup.attacks:CleverHansSPSA",
    "mixup_inference_attack": "keras_mixup.attacks:MixupInferenceAttack",
    "averaged_attack": "keras_mixup.attacks:AveragedAttack",
}
DEFENCES = {
    "mixup_inference_ol": "keras_mixup.inference:MixupInferenceOL",
    "mixup_inference_pl": "keras_mixup.inference:MixupInferencePL",
    "mixup_inference_combined": "keras_mixup.inference:MixupInferenceCombined",
    "gaussian_noise": "keras_mixup.inference:GaussianNoiseInference",
    "random_rotation": "keras_mixup.inference:RandomRotationInference",
    "random_resize_pad": "keras_mixup.inference:RandomResizePadInference",
    "random_crop_resize": "keras_mixup.inference:RandomCropResizeInference",
    "var_mixup_inference": "keras_mixup.inference:VarMixupInference",
}


def check_name(table, kind, name):
    """Returns `name` if `table` has it; imports nothing.

    Args:
        table: one of `MODELS`, `ALGORITHMS`, `ATTACKS`, `DEFENCES`.
        kind: str, what the names are, such as "model".
        name: str.

    Raises:
        ValueError: for an unknown name; the text lists the known ones.
    """
    near = difflib.get_close_matches(str(name), table, n=1, cutoff=0.5)
    hint = f'Did you mean "{near[0]}"?' if near else ""
    known = ", ".join(table)
    _checks.check(name in table, kind, f"one of {known}", name, hint=hint)
    return name


def find(table, kind, name):
    """Returns the class called `name`; arguments and errors as `check_name`."""
    check_name(table, kind, name)
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def build_model(name, input_shape, num_classes, **options):
    """Returns the classifier `name`; `options` go to its constructor."""
    model = find(MODELS, "model", name)
    return _call(model, name, (input_shape, num_classes), options)


def build_algorithm(name, classifier, **options):
    """Returns the training algorithm `name` around `classifier`."""
    algorithm = find(ALGORITHMS, "algorithm", name)
    return _call(algorithm, name, (classifier,), options)


def build_attack(name, threat, **options):
    """Returns the attack `name` under the threat model `threat`.

    For "averaged_attack" the first argument is the attack that it averages.
    """
    return _call(find(ATTACKS, "attack", name), name, (threat,), options)


# What the tables of the MI paper call an algorithm.
_PAPER_NAMES = {
    "mixup": "mixup",
    "interpolated_adversarial_training": "iat",
}


def paper_settings(config, image_size):
    """Returns the MI paper's settings of every defence for a run.

    Args:
        config: dict, the training run's flags; may lack anything.
        image_size: int, the images' side.

    Returns:
        dict class name -> arguments. Where the paper's tables have no row for
        the run's data set or algorithm, that of mixup on CIFAR-10 stands in.
    """
    from keras_mixup import inference

    dataset = config.get("dataset")
    dataset = dataset if dataset == "cifar100" else "cifar10"
    training = _PAPER_NAMES.get(config.get("algorithm"), "mixup")
    fallback = inference.paper_settings("cifar10", "mixup", image_size)
    own = inference.paper_settings(dataset, training, image_size)
    return {**fallback, **own}


def build_defence(name, classifier, pool=None, **options):
    """Returns the defence `name` around `classifier`.

    Args:
        name: str, a key of `DEFENCES`.
        classifier: keras.Model, images -> logits.
        pool: `SamplePool`; handed on to the defences that take one.
        **options: the defence's other constructor arguments.

    Raises:
        ValueError: unknown name or option, or a pool is needed and missing.
    """
    defence = find(DEFENCES, "defence", name)
    if "pool" not in _parameters(defence):
        return _call(defence, name, (classifier,), options)
    _checks.check(pool is not None, "pool", f"a SamplePool for {name}", pool)
    if "vae" in options:
        # A keras model before the pool: VarMI's order of arguments.
        arguments = (classifier, options.pop("vae"), pool)
    else:
        arguments = (classifier, pool)
    return _call(defence, name, arguments, options)


def accepts(table, kind, name, option):
    """Whether the constructor of `name` takes the argument `option`."""
    return option in _parameters(find(table, kind, name))


def requires(table, kind, name, option):
    """Whether the constructor of `name` needs the argument `option`."""
    parameter = _parameters(find(table, kind, name)).get(option)
    return parameter is not None and parameter.default is parameter.empty


def _parameters(target):
    if not inspect.isclass(target):
        return inspect.signature(target).parameters
    # Not of the class: with older Keras that is `__new__`'s *args, **kwargs.
    found = dict(inspect.signature(target.__init__).parameters)
    found.pop("self")
    return found


def _call(target, name, arguments, options):
    """Calls `target`; an option it does not take is named with those it does.

    An option that is None was not given: the constructor's default holds.
    """
    given = {key: value for key, value in options.items() if value is not None}
    taken = _parameters(target)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in taken.values())
    known = ", ".join(list(taken)[len(arguments) :])
    for key in given:
        okay = open_ended or key in taken
        _checks.check(okay, "option", f"one of {known} for {name}", key)
    return target(*arguments, **given)
