"""Sentences on what the numbers of a table are of, and what they hide."""

from keras_mixup.reproduce import jobs
from keras_mixup.reproduce import planning

_SCORED = {
    "last": "Scored are the networks of the last epoch.",
    "best": "Scored are the networks of the best epoch on validation images, "
    "by robust accuracy where the training attacks, else by clean accuracy.",
}


def sentences(found):
    """Yields the sentences, each a str.

    Args:
        found: `pages.Results`.
    """
    plan = found.plan
    counts = [m.num_examples for m in found.measured.values()]
    attacks = [j.settings for j in plan.jobs if j.kind == jobs.EVALUATE]
    eps = {own["eps"] for own in attacks if "eps" in own}
    if plan.entry.transfer:
        own = plan.scale.stand_in("tiny_imagenet", True)
        yield f"The autoencoders are of {plan.scale.told.get(own, own)}."
    if any(counts):
        radii = ", ".join(map(_radius, sorted(eps)))
        attacked = f", attacked within eps {radii}" if eps else ""
        yield f"Measured on {max(filter(None, counts))} images{attacked}."
    scored = dict.fromkeys(own.get("weights", "best") for own in attacks)
    yield from (_SCORED[weights] for weights in scored)
    for row in plan.entry.rows:
        bare = planning.network_of(row)
        if bare != row.label and _same_answers(found, row.label, bare):
            yield (
                f"{row.label} is right on the same images as {bare} in every "
                "column: the defence changed nothing."
            )


def _same_answers(found, row, other):
    """Whether two rows are right on the same images in every column."""
    places = range(len(found.plan.columns))
    pairs = [
        (found.measured.get((row, i)), found.measured.get((other, i)))
        for i in places
    ]
    pairs = [(a, b) for a, b in pairs if a is not None and b is not None]
    return bool(pairs) and all(
        a.answers and a.answers == b.answers for a, b in pairs
    )


def _radius(eps):
    """Of 8/255 "8/255", of 0.1 "0.1"."""
    levels = eps * 255
    if abs(levels - round(levels)) < 1e-6:
        return f"{levels:.0f}/255"
    return f"{eps:.4g}"
