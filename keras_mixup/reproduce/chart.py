"""A chart of a table: our numbers and the paper's, a panel for each column."""

import html

_LABELS = 250
_PANEL = 120
_GAP = 26
_ROW = 20
_HEAD = 40
_TICKS = 28
_LEGEND = 26
# Panels side by side: what fits beside the labels on a page.
_ABREAST = 4
_WRAP = 16
_STYLE = (
    "text { font: 12px system-ui, sans-serif; fill: #1f2430; }"
    ".grid { stroke: #d9dde4; } .own { stroke: #0072b2; fill: #0072b2; }"
    ".paper { stroke: #d55e00; fill: none; stroke-width: 1.6; }"
    ".tick { font-size: 10px; fill: #5b6472; }"
    "@media (prefers-color-scheme: dark) { text { fill: #e8eaf0; }"
    ".grid { stroke: #3a4150; } .own { stroke: #56b4e9; fill: #56b4e9; }"
    ".tick { fill: #a2abba; } }"
)


def draw(labels, columns):
    """Returns an SVG picture, a str.

    Args:
        labels: list of str, the rows.
        columns: list of (title, values). `values` has for each row (ours,
            low, high, the paper's) in percent, each None where there is none.
    """
    groups = [
        columns[start : start + _ABREAST]
        for start in range(0, len(columns), _ABREAST)
    ]
    abreast = min(len(columns), _ABREAST)
    width = _LABELS + abreast * (_PANEL + _GAP)
    step = _HEAD + len(labels) * _ROW + _TICKS
    height = len(groups) * step + _LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<style>{_STYLE}</style>",
    ]
    for place, group in enumerate(groups):
        parts.append(f'<g transform="translate(0 {place * step})">')
        parts += [*_group(labels, group), "</g>"]
    known = any(v[3] is not None for _, values in columns for v in values)
    parts += list(_legend(height))[: None if known else 2]
    return "\n".join([*parts, "</svg>"])


def _group(labels, columns):
    for row, label in enumerate(labels):
        yield _text(_LABELS - 10, _middle(row) + 4, label, "end")
    for place, (title, values) in enumerate(columns):
        yield from _panel(place, title, values, len(labels))


def _panel(place, title, values, num_rows):
    left = _LABELS + place * (_PANEL + _GAP)
    bottom = _HEAD + num_rows * _ROW
    for line, text in enumerate(_wrapped(title)):
        yield _text(left + _PANEL / 2, 14 + 14 * line, text, "middle")
    for tick in (0, 50, 100):
        x = left + _PANEL * tick / 100
        yield (
            f'<line class="grid" x1="{x:g}" y1="{_HEAD}" x2="{x:g}" '
            f'y2="{bottom}"/>'
        )
        yield _text(x, bottom + 12, str(tick), "middle", "tick")
    for row, (own, low, high, paper) in enumerate(values):
        y = _middle(row)
        if low is not None and high is not None:
            x1, x2 = (left + _PANEL * v / 100 for v in (low, high))
            yield (
                f'<line class="own" x1="{x1:.1f}" y1="{y}" x2="{x2:.1f}" '
                f'y2="{y}"/>'
            )
        for value, kind in ((own, "own"), (paper, "paper")):
            if value is not None:
                x = left + _PANEL * value / 100
                yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y}" r="4"/>'


def _legend(height):
    y = height - 8
    yield f'<circle class="own" cx="{_LABELS + 4}" cy="{y - 4}" r="4"/>'
    yield _text(_LABELS + 14, y, "ours, 95 % interval", "start")
    yield f'<circle class="paper" cx="{_LABELS + 154}" cy="{y - 4}" r="4"/>'
    yield _text(_LABELS + 164, y, "the paper", "start")


def _middle(row):
    return _HEAD + _ROW * row + _ROW // 2


def _wrapped(title):
    """One or two lines."""
    if len(title) <= _WRAP or " " not in title:
        return [title]
    place = title.rfind(" ", 0, _WRAP)
    return [title[:place], title[place + 1 :]]


def _text(x, y, text, anchor, kind=""):
    kind = f' class="{kind}"' if kind else ""
    return (
        f'<text{kind} x="{x:g}" y="{y:g}" text-anchor="{anchor}">'
        f"{html.escape(text)}</text>"
    )
