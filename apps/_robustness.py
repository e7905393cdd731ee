"""What apps.evaluate adds to the records: worst case, red flags, the card."""

import hashlib
import pathlib

from apps import _common
from apps import _evaluation_settings

RED_FLAGS = "red_flags.json"
_PROBED_IMAGES = 16


def complete_seeds(flags):
    """Gives the worst case its ten evaluation seeds unless some are given.

    Raises:
        UsageError: for fewer than ten, or no selection seeds.
    """
    if not flags.worst_case:
        return
    if not flags["eval_seeds"].present:
        flags["eval_seeds"].value = list(range(10))
    if len(flags.eval_seeds) < 10:
        raise _common.UsageError(
            "--worst_case is scored on ten or more --eval_seeds. Received: "
            f"{len(flags.eval_seeds)}"
        )
    seeds = flags.selection_seeds
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise _common.UsageError(
            "--selection_seeds must be different whole numbers >= 0. "
            f"Received: {seeds}"
        )


def worst_case_part(flags, parts):
    """Returns (specs, examples) of the worst case, or None.

    All attacks that see at least as many examples as the adaptive ones do,
    on those examples.

    Args:
        flags: the parsed flag values.
        parts: list of (specs, examples), the slow attacks apart.
    """
    if not flags.worst_case:
        return None
    adaptive = [
        examples
        for specs, examples in parts
        if any(spec.knowledge == "adaptive" for spec in specs)
    ]
    known = adaptive or [examples for _, examples in parts]
    # Averaged SPSA may see fewer than the other adaptive ones.
    shared = max(known, key=lambda examples: len(examples.labels))
    specs = [
        spec
        for own, examples in parts
        for spec in own
        if set(shared.example_ids) <= set(examples.example_ids)
    ]
    return specs, shared


def describe_worst_case(flags, part):
    """Returns what evaluation.json holds of the worst case, {} without one.

    Its records belong to the list of attacks and the selection seeds.
    """
    from keras_mixup.evaluation import specs as specs_lib

    if part is None:
        return {}
    return {
        f"{found.column[2]} {found.column[3]:.6g}": {
            "attacks": [spec.name for spec in found.specs],
            "selection_seeds": list(flags.selection_seeds),
        }
        for found in specs_lib.worst_case_specs(part[0])
    }


def probe(flags, models, specs, image_set):
    """Asks each model for red flags; those asked before are not asked again.

    Args:
        flags: the parsed flag values.
        models: dict name -> model.
        specs: list of `AttackSpec`.
        image_set: the examples.
    """
    from keras_mixup import data
    from keras_mixup.evaluation import red_flags
    from keras_mixup.evaluation import specs as specs_lib

    path = pathlib.Path(flags.run_dir) / RED_FLAGS
    known = red_flags.read(path)
    adaptive = [spec for spec in specs if spec.knowledge == "adaptive"]
    # One attack is run; a recipe rather than all of AutoAttack.
    adaptive.sort(key=lambda spec: not hasattr(spec.attack, "recipe"))
    count = min(_PROBED_IMAGES, len(image_set.labels))
    shown = data.class_balanced_subset(image_set, count, flags.seed)
    for name, model in models.items():
        if name in known:
            continue
        attack = None
        if adaptive:
            attack = specs_lib.attack_for(adaptive[0], model)
        known[name] = red_flags.probe(
            model,
            shown.images,
            shown.labels,
            attack=attack,
            seed=flags.attack_seed,
            name=name,
        )
        red_flags.write(path, known)


def write_cards(flags, classifier_path, settings, run):
    """Writes robustness_card.json and .md from all records of the folder.

    Args:
        flags: the parsed flag values.
        classifier_path: path of the .keras file.
        settings: dict, what evaluation.json holds.
        run: dict, from `_common.describe_run`.
    """
    from keras_mixup import evaluation
    from keras_mixup.evaluation import red_flags

    run_dir = pathlib.Path(flags.run_dir)
    records = evaluation.read_records(run_dir / _evaluation_settings.RECORDS)
    worst = settings.get("worst_case", {}).values()
    cards = evaluation.card.robustness_cards(
        records,
        classifier_sha256=hashlib.sha256(
            classifier_path.read_bytes()
        ).hexdigest(),
        defences=settings["defences"],
        selection_seeds=sorted(
            {seed for part in worst for seed in part["selection_seeds"]}
        ),
        versions=run["versions"],
        probed=red_flags.read(run_dir / RED_FLAGS),
    )
    return evaluation.card.write_cards(run_dir, cards)


def show(run_dir):
    """Prints worst case and red flags of a run folder."""
    from keras_mixup import evaluation
    from keras_mixup.evaluation import red_flags
    from keras_mixup.evaluation import worst_case_table

    records = evaluation.read_records(run_dir / _evaluation_settings.RECORDS)
    worst = worst_case_table.rows(records)
    if worst:
        print("\nWorst case over the attacks, per example (percent):")
        print(worst_case_table.to_text(worst))
    found = red_flags.from_records(records)
    probed = red_flags.read(run_dir / RED_FLAGS)
    found += [flag for flags in probed.values() for flag in flags]
    if not found:
        print(f"\nRed flags: none of the {len(red_flags.NAMES)} looked for.")
        return
    print("\nRed flags:")
    for flag in found:
        print(f"- {flag.name}. {flag.text}")
