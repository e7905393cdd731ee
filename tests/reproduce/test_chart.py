"""The chart of a table."""

import xml.etree.ElementTree as tree

from keras_mixup.reproduce import chart

SPACE = "{http://www.w3.org/2000/svg}"


def circles(svg, kind):
    found = tree.fromstring(svg).iter(f"{SPACE}circle")
    return [float(c.get("cx")) for c in found if c.get("class") == kind]


def test_points_lie_where_their_numbers_are():
    columns = [
        ("clean", [(100.0, 99.0, 100.0, 50.0), (None, None, None, 25.0)]),
        (
            "a rather long title",
            [(0.0, 0.0, 3.0, None), (50.0, None, None, 0.0)],
        ),
    ]
    svg = chart.draw(["A & B", "C"], columns)
    own, paper = circles(svg, "own")[:-1], circles(svg, "paper")[:-1]
    first, panel = 250, 120
    second = first + panel + 26
    assert own == [first + panel, second, second + panel / 2]
    assert paper == [first + panel / 2, first + panel / 4, second]
    texts = [t.text for t in tree.fromstring(svg).iter(f"{SPACE}text")]
    assert "A & B" in texts and "a rather long" in texts and "title" in texts
