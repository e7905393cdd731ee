"""--controls: what simpler things than a defence achieve under its attacks."""


def models(flags, defences):
    """Returns dict label -> mean-image shrinkage, one per lambda, or {}.

    Args:
        flags: the parsed flag values.
        defences: dict label -> defence.
    """
    from keras_mixup.evaluation import controls

    return controls.shrinkage_models(defences) if flags.controls else {}


def reduced_parts(flags, defences, parts):
    """Returns the parts again with attacks of lambda eps, one set per lambda.

    They are for the undefended classifier alone.

    Args:
        flags: the parsed flag values.
        defences: dict label -> defence.
        parts: list of (specs, examples).
    """
    from keras_mixup.evaluation import controls

    if not flags.controls:
        return []
    weights = controls.mix_weights(defences.values())
    return [
        (reduced, examples)
        for weight in weights
        for specs, examples in parts
        if (reduced := controls.reduced_specs(specs, weight))
    ]
