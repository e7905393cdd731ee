"""Rows of text as tables: for a terminal and in Markdown."""


def to_columns(lines, align=str.ljust):
    """Returns rows of str in aligned columns, a list of str.

    Args:
        lines: list of equally long sequences of str.
        align: callable that pads all columns but the first, such as
            `str.rjust`.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            (align if i else str.ljust)(cell, width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def to_markdown(lines, rule="---"):
    """Returns a table in Markdown, a line per row.

    Args:
        lines: list of equally long sequences of str, the header first.
        rule: str, the rule below all columns but the first.
    """
    header, *body = lines
    rules = ["---", *[rule] * (len(header) - 1)]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n"
        for line in (header, rules, *body)
    )
