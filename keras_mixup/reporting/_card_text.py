"""The robustness card in Markdown."""

from keras_mixup import _tables
from keras_mixup.evaluation.labels import column_label
from keras_mixup.evaluation.labels import p_text
from keras_mixup.evaluation.labels import percent
from keras_mixup.evaluation.labels import row_label
from keras_mixup.evaluation.records import Column
from keras_mixup.evaluation.records import Row
from keras_mixup.reporting import detectors
from keras_mixup.reporting.comparison import CLAIMS
from keras_mixup.reporting.comparison import SINGLE
from keras_mixup.threat import budget_text

CAUTION = (
    "The adaptive accuracy is an upper bound: a better attack can only lower "
    "it. Mixup Inference gains accuracy against attackers who ignore it. An "
    "independent re-evaluation (Tramer et al., 2020) attacked through the "
    "defence and found no gain over the undefended network. VarMI has not "
    "been re-evaluated independently. An oblivious accuracy is no robustness: "
    "it shows the cost of not knowing the defence."
)
_NONE = "not measured"


def to_markdown(card):
    """Returns a card of `robustness_cards` as Markdown; ends in a newline."""
    name = row_label(Row(card["model"], card["defence"]))
    parts = [f"# Robustness card: {name}\n"]
    for attacked in card["attacked"]:
        parts.append(f"- {_statement(card, attacked)}")
    parts.append("")
    lines = [("", "accuracy", "95 % interval", "majority vote", "examples")]
    lines += [("clean", *_cells(card["clean"]))]
    for attacked in card["attacked"]:
        budget = budget_text((attacked["norm"], attacked["eps"]))
        for key, text in (
            ("oblivious", "attack ignores the defence"),
            ("adaptive_worst_case", "attack goes through the defence"),
            ("undefended", "the same attacks, without the defence"),
        ):
            bare = card["defence"] == "none"
            if bare and key != "adaptive_worst_case":
                continue
            text = "under attack" if bare else text
            cells = _cells(attacked[key])
            lines.append((f"{text} ({budget})", *cells))
    found = (
        lines,
        *map(_over_eps, card.get("over_eps", ())),
        *_detectors(card.get("detectors")),
        [("attack", *_EFFORT), *_efforts(card)],
        [("red flag", ""), *card["red_flags"].items()],
        [("", ""), *_facts(card)],
    )
    parts += map(_tables.to_markdown, found)
    return "\n".join([*parts, f"{CAUTION}\n"])


def _detectors(found):
    return [detectors.lines(found)] if found else []


def _over_eps(curve):
    """The table of one curve: a column for each radius."""
    points = curve["points"]
    radii = (f"{point['eps']:.4g}" for point in points)
    lines = [(f"accuracy over eps, {curve['norm']}", "clean", *radii, "area")]
    for kind, area in curve["area"].items():
        shares = [curve["clean"], *(point[kind] for point in points), area]
        if any(point[kind] is not None for point in points):
            cells = (_NONE if s is None else percent(s) for s in shares)
            lines.append((kind, *cells))
    return lines


def _statement(card, attacked):
    budget = budget_text((attacked["norm"], attacked["eps"]))
    found = attacked["adaptive_worst_case"]
    if found is None:
        return (
            f"{budget}: no adaptive attack was run. Robustness was not "
            "measured."
        )
    text = f"{budget}: {percent(found['accuracy'])} accuracy {_how(found)}"
    if card["defence"] != "none":
        text += _comparison(attacked)
    text = f"{text}."
    flags = "; ".join(attacked["red_flags"])
    if flags:
        text = f"{text} Red flags: {flags}. A better attack may lower it."
    return f"{text} {SINGLE}" if attacked["single_adaptive_attack"] else text


def _comparison(attacked):
    if attacked["difference"] is None:
        return "; the undefended model was not measured beside it"
    gain = 100 * attacked["difference"]
    error = 100 * attacked["difference_error"]
    error = f"± {error:.1f}, {p_text(attacked['difference_p'])}"
    text = f", {gain:+.1f} points ({error}) beside the undefended model"
    if attacked["claim"] == "gain":
        return f"{text}, {CLAIMS['gain']}"
    return f"{text}: {CLAIMS[attacked['claim']]}"


def _how(found):
    if found["worst_case"]:
        return "in the worst case over all attacks, per example"
    return f"under {found['attack']}, the worst single attack"


def _cells(found):
    if found is None:
        return _NONE, "", "", ""
    low, high = found["interval"]
    seeds = found["num_seeds"]
    seeds = f", {seeds} draws each" if seeds > 1 else ""
    vote = percent(found["majority_vote"]) if seeds else ""
    return (
        percent(found["accuracy"]),
        f"{100 * low:.1f} to {100 * high:.1f} %",
        vote,
        f"{found['num_examples']}{seeds}",
    )


_EFFORT = ("accuracy", "examples", "gradient passes", "queries")


def _efforts(card):
    for attacked in card["attacked"]:
        for attack in attacked["attacks"]:
            column = Column(
                attack["attack"],
                attack["knowledge"],
                attacked["norm"],
                attacked["eps"],
            )
            yield (
                column_label(column),
                percent(attack["accuracy"]),
                str(attack["num_examples"]),
                f"{attack['gradient_passes']:g}",
                f"{attack['queries']:g}",
            )


def _facts(card):
    seeds = card["seeds"]
    for kind in ("attack", "evaluation", "selection"):
        yield f"{kind} seeds", _listed(seeds.get(kind))
    yield "pool", _listed(card["pool_split"])
    for name, value in (card["defence_settings"] or {}).items():
        yield f"defence: {name}", str(value)
    yield "classifier fingerprint", card["classifier_fingerprint"] or "unknown"
    for name, version in card["versions"].items():
        yield name, str(version)


def _listed(values):
    if not values:
        return "none"
    if isinstance(values, str):
        return values
    return ", ".join(map(str, values))
