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


def test_many_columns_take_several_lines_of_a_page():
    columns = [
        (f"column {i}", [(10.0 * i, None, None, None)]) for i in range(9)
    ]
    svg = tree.fromstring(chart.draw(["row"], columns))
    assert float(svg.get("width")) < 850  # Beside the margins of a page.
    groups = list(svg.iter(f"{SPACE}g"))
    assert [len(list(g.iter(f"{SPACE}circle"))) for g in groups] == [4, 4, 1]
    for group in groups:
        assert "row" in [t.text for t in group.iter(f"{SPACE}text")]
    moved = [g.get("transform").split()[1].rstrip(")") for g in groups]
    assert float(moved[0]) == 0 and float(moved[2]) == 2 * float(moved[1])
    height = float(svg.get("height"))
    assert height > float(moved[2]) + float(moved[1])
