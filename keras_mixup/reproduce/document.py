"""A page as blocks, in Markdown and in HTML of one self-contained file."""

import base64
import html
import io
import string
from typing import NamedTuple

from keras_mixup import _tables
from keras_mixup.reporting._page import PAGE

_DOTS_PER_INCH = 80
_COLOURS = 64


class Heading(NamedTuple):
    """A heading of the second level."""

    text: str


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Table(NamedTuple):
    """A table.

    Attributes:
        header: tuple of str.
        rows: list of tuples of cells: a str, a `Link`, or a tuple of str, of
            which the first is the main one and the others stand below it;
            an empty first one makes all others equal.
        numbers: bool, whether all columns but the first are numbers.
    """

    header: tuple
    rows: list
    numbers: bool = False


class Code(NamedTuple):
    """Lines of commands, folded in HTML.

    Attributes:
        title: str.
        lines: list of str.
    """

    title: str
    lines: list


def small_png(figure):
    """Returns a matplotlib figure on white as PNG bytes of few colours."""
    from PIL import Image

    from keras_mixup.studies import drawing

    figure.set_facecolor("white")
    png = drawing.to_png(figure, _DOTS_PER_INCH, transparent=False)
    # A drawing has few colours: the file is a quarter then.
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS)
    made = io.BytesIO()
    image.save(made, "PNG", optimize=True)
    return made.getvalue()


class Picture(NamedTuple):
    """A picture: inside the HTML, a file of its own beside the Markdown.

    Attributes:
        name: str, the file's name without its suffix.
        svg: str, its content.
        text: str, what it shows.
    """

    name: str
    svg: str
    text: str


class Drawing(NamedTuple):
    """A drawing in pixels: inside the HTML, a file beside the Markdown.

    Attributes:
        name: str, the file's name without its suffix.
        png: bytes, its content.
        text: str, what it shows.
    """

    name: str
    png: bytes
    text: str


class Link(NamedTuple):
    """A link to another page.

    Attributes:
        text: str.
        name: str, the page's file without its suffix.
    """

    text: str
    name: str


def to_markdown(title, blocks):
    """Returns the page in GitHub's Markdown."""
    parts = [f"# {title}", *map(markdown, blocks)]
    return "\n\n".join(parts) + "\n"


def to_html(title, blocks):
    """Returns the page as one HTML file without outside resources."""
    body = "\n".join(map(_html, blocks))
    return string.Template(PAGE).substitute(
        title=html.escape(title), body=f"<style>{_STYLE}</style>\n{body}"
    )


_STYLE = (
    # Eight columns of numbers fit.
    "body { max-width: 78rem; } p { max-width: 58rem; }"
    ".accuracy th, .accuracy td { vertical-align: top; padding: .35rem .5rem; }"
    ".accuracy td { font-weight: 600; }"
    # The row's name stays in sight where the table is wider than the screen.
    ".accuracy tbody th { position: sticky; left: 0; min-width: 6.5rem; "
    "background: var(--ground); }"
    ".accuracy td small, .plain td small { display: block; font-weight: 400; "
    "color: var(--muted); }"
    ".plain td, .plain th { vertical-align: top; min-width: 5rem; }"
    ".plain td:last-child { min-width: 12rem; }"
    # Drawn on white. On a small screen it is moved below the finger.
    ".drawing { margin: 1rem 0; } .drawing img { display: block; "
    "max-width: max(100%, 44rem); background: #fff; }"
    "pre { overflow-x: auto; background: var(--panel); padding: .7rem; "
    "font-size: .8rem; }"
)


def markdown(block):
    """Returns a block in GitHub's Markdown, a str."""
    if isinstance(block, Heading):
        return f"## {block.text}"
    if isinstance(block, Text):
        return block.text
    if isinstance(block, Picture):
        return f"![{block.text}]({block.name}.svg)"
    if isinstance(block, Drawing):
        return f"{block.text}:\n\n![{block.text}]({block.name}.png)"
    if isinstance(block, Code):
        lines = "\n".join(block.lines)
        return f"{block.title}:\n\n```\n{lines}\n```"
    rows = [[_cell(cell) for cell in row] for row in block.rows]
    rule = "---:" if block.numbers else "---"
    return _tables.to_markdown([block.header, *rows], rule).rstrip()


def _cell(cell):
    if isinstance(cell, Link):
        return f"[{cell.text}]({cell.name}.md)"
    if isinstance(cell, str):
        return cell
    first, *others = cell
    others = "; ".join(filter(None, others))
    return f"{first} ({others})" if first and others else first or others


def _html(block):
    if isinstance(block, Heading):
        return f"<h2>{html.escape(block.text)}</h2>"
    if isinstance(block, Text):
        return f"<p>{html.escape(block.text)}</p>"
    if isinstance(block, Picture):
        return f"<figure>{block.svg}</figure>"
    if isinstance(block, Drawing):
        text = html.escape(block.text)
        data = base64.b64encode(block.png).decode()
        return (
            f'<figure class="drawing"><figcaption>{text}</figcaption><img '
            f'alt="{text}" src="data:image/png;base64,{data}"></figure>'
        )
    if isinstance(block, Code):
        lines = html.escape("\n".join(block.lines))
        title = html.escape(block.title)
        return (
            f"<details><summary>{title}</summary><pre>{lines}</pre></details>"
        )
    kind = "accuracy" if block.numbers else "plain"
    head = "".join(
        f'<th scope="col"{_CLASS if i == 0 else ""}>{html.escape(name)}</th>'
        for i, name in enumerate(block.header)
    )
    body = "\n".join(f"<tr>{_html_row(row)}</tr>" for row in block.rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr>'
        f"</thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


_CLASS = ' class="model"'


def _html_row(row):
    first, *others = row
    cells = "".join(f"<td>{_html_cell(cell)}</td>" for cell in others)
    return f'<th scope="row"{_CLASS}>{_html_cell(first)}</th>{cells}'


def _html_cell(cell):
    if isinstance(cell, Link):
        name = html.escape(cell.name)
        # The name breaks behind the slash where the screen is narrow.
        text = html.escape(cell.text).replace("/", "/<wbr>")
        return f'<a href="{name}.html">{text}</a>'
    if isinstance(cell, str):
        return html.escape(cell)
    first, *others = cell
    others = filter(None, others)
    below = "".join(f"<small>{html.escape(text)}</small>" for text in others)
    return f"{html.escape(first)}{below}"
