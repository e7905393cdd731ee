"""Tables and curves from the lines of `benchmarks.adaptive`."""

import numpy as np

from keras_mixup.evaluation import figures

# Not part of the worst case: an attacker who is told the draws is another.
_TOLD = "fixed_draws"


def table(lines):
    """Returns a Markdown table: a row per attack, a column per model.

    The last column holds an attack's passes and queries per image, where it
    goes through a defence.
    """
    lines = [line for line in lines if line["part"] == "table"]
    columns = {pair: _cells(lines, *pair) for pair in _pairs(lines)}
    attacks = list(dict.fromkeys(line["attack"] for line in lines))
    spent = {
        line["attack"]: f"{line['passes'] + line['queries']:,}"
        for line in lines
    }
    count = min(_count(cells["clean"]) for cells in columns.values())
    titles = [" ".join(pair).replace(" none", "") for pair in columns]
    head = [f"accuracy (%), n = {count}", *titles, "passes"]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for attack in attacks:
        cells = [_percent(cells.get(attack)) for cells in columns.values()]
        rows.append([attack, *cells, spent[attack]])
    chosen = [
        {k: v for k, v in cells.items() if k != _TOLD}
        for cells in columns.values()
    ]
    rows.append(["worst", *[_percent(worst(own)) for own in chosen], ""])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def curve_table(lines):
    """Returns a Markdown table of the curves over draws and steps."""
    rows = ["| classifier | at inference | steps x draws | accuracy |"]
    rows.append("|---|---|---|---:|")
    for line in lines:
        if line["part"] != "table":
            mean = 100 * np.mean(line["scored"])
            names = line["classifier"], line["defence"], line["attack"]
            rows.append(f"| {' | '.join(names)} | {mean:.1f} |")
    return "\n".join(rows)


def worst(cells):
    """P(correct) of each example under the attack chosen on other draws.

    Args:
        cells: dict attack -> lines of its batches, equal examples.

    Returns:
        the lines of the worst case.
    """
    groups = list(cells.values())
    count = min(len(group) for group in groups)
    selected, scored = (
        np.stack(
            [
                np.concatenate([line[key] for line in group[:count]])
                for group in groups
            ]
        )
        for key in ("selected", "scored")
    )
    # Ties fall to the attack that is the strongest on the whole.
    order = np.argsort(selected.mean(axis=1), kind="stable")
    chosen = order[np.argmin(selected[order], axis=0)]
    return [{"scored": scored[chosen, np.arange(scored.shape[1])].tolist()}]


def figure(lines):
    """Returns PNG bytes: accuracy over draws and over steps."""
    from matplotlib.figure import Figure

    theme = figures.THEMES["light"]
    canvas = Figure(figsize=(8.4, 3.2), layout="constrained")
    axes = canvas.subplots(1, 2, sharey=True)
    for axis, part in zip(axes, ("draws", "steps"), strict=True):
        chosen = [line for line in lines if line["part"] == part]
        names = _pairs(chosen)
        for colour, pair in zip(theme["lines"], names, strict=False):
            own = [line for line in chosen if _pair(line) == pair]
            place = int(part == "draws")
            at = [int(line["attack"].split("x")[place]) for line in own]
            mean = [100 * np.mean(line["scored"]) for line in own]
            label = ", ".join(pair)
            axis.plot(at, mean, "o-", color=colour, label=label, linewidth=1.8)
        axis.set_xscale("log")
        axis.set_xticks(sorted({*at}), [str(value) for value in sorted({*at})])
        axis.minorticks_off()
        axis.set_xlabel(f"{part} of the attack", color=theme["muted"])
        axis.grid(True, color=theme["grid"])
        axis.spines[["top", "right"]].set_visible(False)
    # The axes share it; the limit is set when everything is drawn.
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("accuracy (%)", color=theme["muted"])
    axes[0].legend(frameon=False, fontsize=9)
    return figures.to_png(canvas)


def _cells(lines, classifier, defence):
    """Returns dict attack -> its lines, by batch."""
    cells = {}
    for line in sorted(lines, key=lambda line: line["batch"]):
        if _pair(line) == (classifier, defence):
            cells.setdefault(line["attack"], []).append(line)
    return cells


def _count(lines):
    return sum(len(line["scored"]) for line in lines)


def _percent(lines):
    if lines is None:
        return ""
    scored = np.concatenate([line["scored"] for line in lines])
    return f"{100 * scored.mean():.1f}"


def _pair(line):
    return line["classifier"], line["defence"]


def _pairs(lines):
    return list(dict.fromkeys(map(_pair, lines)))
