"""Tables of a page: sortable, and cards on a small screen."""

import base64
import html
import re


def table(header, lines, kinds=None, groups=(), style="plain"):
    """Returns a table as an HTML fragment.

    The page's script sorts it by a click on a heading. On a small screen every
    row is a card that names its columns.

    Args:
        header: sequence of str, the headings of the columns.
        lines: iterable of sequences of str, as many as headings.
        kinds: sequence of str, a CSS class for each column; None for none. In
            a column of class `"model"` are the headings of the rows.
        groups: sequence of (title, span), headings above those of the columns
            after the first.
        style: str, the CSS classes of the table.
    """
    kinds = kinds or ("",) * len(header)
    above = [title for title, span in groups for _ in range(span)]
    above = ["", *above] if above else [""] * len(header)
    labels = [
        f"{name}, {group}" if group else name
        for name, group in zip(header, above, strict=True)
    ]
    spans = "".join(
        f'<th colspan="{span}" scope="colgroup">{html.escape(title)}</th>'
        for title, span in groups
    )
    top = f"<tr><td></td>{spans}</tr>\n" if groups else ""
    head = "".join(
        f'<th scope="col"{_class(kind)}>{html.escape(name)}</th>'
        for name, kind in zip(header, kinds, strict=True)
    )
    body = "\n".join(
        f"<tr>{''.join(map(_cell, line, kinds, labels))}</tr>" for line in lines
    )
    return (
        f'<div class="scroll"><table class="{style} cards sortable">\n'
        f"<thead>{top}<tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def details(title, body, opened=False):
    """Returns a section that a click on its title, a str, opens."""
    attribute = " open" if opened else ""
    summary = f"<summary>{html.escape(title)}</summary>"
    return f"<details{attribute}>{summary}{body}</details>"


def download(name, text, title):
    """Returns a link that saves `text` as the file `name`; all are str."""
    data = base64.b64encode(text.encode()).decode()
    return (
        f'<p><a download="{html.escape(name)}" '
        f'href="data:text/csv;base64,{data}">{html.escape(title)}</a></p>'
    )


def breakable(name):
    """Returns an escaped name that may break after its dots and underlines."""
    return re.sub(r"([._/])(?=\w)", r"\1<wbr>", html.escape(name))


def _class(*kinds):
    shown = " ".join(kind for kind in kinds if kind)
    return f' class="{shown}"' if shown else ""


def _cell(text, kind, label):
    if kind == "model":
        return f'<th scope="row" class="model">{breakable(text)}</th>'
    name = html.escape(label)
    if kind == "name":
        return f'<td class="name" data-label="{name}">{breakable(text)}</td>'
    missing = "missing" if text in ("not measured", "–") else ""
    classes = _class(kind, missing)
    return f'<td{classes} data-label="{name}">{html.escape(text)}</td>'
