"""Rows of text as tables, against tables written by hand."""

from keras_mixup import _tables

LINES = [("name", "n"), ("a", "10"), ("long name", "5")]


def test_columns_are_as_wide_as_their_longest_cell():
    assert _tables.to_columns(LINES) == [
        "name       n",
        "a          10",
        "long name  5",
    ]
    assert _tables.to_columns(LINES, str.rjust) == [
        "name        n",
        "a          10",
        "long name   5",
    ]


def test_markdown_escapes_bars_and_has_a_rule_per_column():
    text = _tables.to_markdown([("a|b", "n"), ("x", "1")], "---:")
    assert text == "| a\\|b | n |\n| --- | ---: |\n| x | 1 |\n"
