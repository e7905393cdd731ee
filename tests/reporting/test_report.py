import base64
import json
import pathlib
import re
import sys

import numpy as np
import pytest

from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup.reporting import figures
from keras_mixup.reporting import pictures as pictures_lib
from keras_mixup.reporting import report

# The run was cut short while it wrote its last line.
torn = pytest.mark.filterwarnings("ignore:.*incomplete last line")


def record(example, model, defence, attack, knowledge, right, seed):
    attacked = knowledge != "none"
    return evaluation.Record(
        *(example, 3, model, defence, attack, knowledge),
        norm="linf" if attacked else None,
        eps=0.1 if attacked else None,
        attack_seed=0 if attacked else None,
        eval_seed=seed,
        prediction=3 if right else 1,
        loss=1.0,
        gradient_passes=10 * attacked,
        queries=0,
        pool_split=None,
    )


def some_records():
    right = {
        ("none", "clean"): 4,
        ("none", "pgd"): 1,
        ("MI-OL", "clean"): 4,
        ("MI-OL", "pgd"): 3,
        ("MI-OL", "eot"): 1,
    }
    kinds = {"clean": "none", "pgd": "oblivious", "eot": "adaptive"}
    return [
        record(i, "m<x>", defence, attack, kinds[attack], i < count, seed)
        for (defence, attack), count in right.items()
        for seed in ([None] if defence == "none" else [0, 1])
        for i in range(4)
    ]


def some_pictures(channels=1, mixed=True):
    rng = np.random.default_rng(0)
    clean = rng.uniform(0.2, 0.8, (3, 6, 6, channels))
    change = 0.1 * np.sign(rng.normal(size=clean.shape))
    none = np.zeros((0, 6, 6, channels))
    return pictures_lib.Pictures(
        clean=clean,
        adversarial=clean + change,
        mixed=0.5 * clean if mixed else none,
        labels=np.array([0, 1, 2]),
        clean_predictions=np.array([0, 1, 2]),
        adversarial_predictions=np.array([0, 2, 1]),
        defended_predictions=np.array([0, 1, 1] if mixed else [], int),
        attack="pgd",
        defence="MI-OL" if mixed else "none",
    )


METRICS = [
    {"epoch": e, "step": 10 * e, "loss": 1 / e, "val_accuracy": 1 - 0.5 / e}
    for e in range(1, 5)
]


def fill(folder):
    evaluation.write_records(folder / "records.jsonl", some_records())
    fair = attacks.Facts(knows_draws=False)._asdict()
    told = {"columns": {"eot, adaptive, linf 0.1": {"facts": fair}}}
    (folder / "evaluation.json").write_text(json.dumps(told))
    pictures_lib.write_pictures(folder / "pictures.npz", some_pictures())
    lines = "".join(json.dumps(row) + "\n" for row in METRICS)
    (folder / "metrics.jsonl").write_text(lines + '{"epoch": 5, "lo')
    settings = {"flags": {"eps": "8/255", "dataset": "digits"}, "n": 4}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


@torn
def test_report_is_one_file_without_outside_resources(tmp_path):
    fill(tmp_path)
    before = {p.name for p in tmp_path.iterdir()}
    path = pathlib.Path(report.write_report(tmp_path, title="A & B"))
    assert {p.name for p in tmp_path.iterdir()} == before | {"report.html"}
    text = path.read_text()
    assert "http://" not in text and "https://" not in text
    assert not re.search(r"<(link|iframe|object)\b|<script [^>]*src", text)
    sources = re.findall(r'(?:src|srcset|href)="([^"]*)"', text)
    table = [s for s in sources if s.startswith("data:text/csv;base64,")]
    assert len(sources) == 7 and len(table) == 1
    pngs = [s for s in sources if s.startswith("data:image/png;base64,")]
    assert len(pngs) == 6  # Three pictures, light and dark.
    lines = base64.b64decode(table[0].partition(",")[2]).decode().splitlines()
    assert lines[0].startswith("model,defence,attack,knowledge,norm,eps,accu")
    assert (
        lines[1].startswith("m<x>,none,clean,none,,,1.0,") and len(lines) == 6
    )
    assert "<h1>A &amp; B</h1>" in text


@torn
def test_report_holds_numbers_caveat_and_settings(tmp_path):
    text = pathlib.Path(report.write_report(fill(tmp_path))).read_text()
    assert re.search('<td class="oblivious"[^>]*>75.0 ± 0.0</td>', text)
    assert re.search('<td class="adaptive"[^>]*>25.0 ± 0.0</td>', text)
    assert "No gain beyond chance (+0.0" in text
    assert "oblivious attacker does not know the defence" in text
    setting = ">flags.<wbr>dataset</td><td[^>]*>digits</td>"
    assert re.search(setting, text)
    assert ">tensorflow</td>" in text
    assert "m&lt;x&gt;" in text and "m<x>" not in text


@torn
def test_without_matplotlib_the_report_says_how_to_get_pictures(
    tmp_path, monkeypatch
):
    for name in [m for m in sys.modules if m.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = pathlib.Path(report.write_report(fill(tmp_path))).read_text()
    assert "<img" not in text
    assert "pip install matplotlib" in text
    assert re.search('<td class="adaptive"[^>]*>25.0 ± 0.0</td>', text)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        figures.training_curves(METRICS)


def test_the_report_says_what_each_part_of_an_attack_broke(tmp_path):
    records = [record(0, "net", "none", "autoattack", "adaptive", True, None)]
    path = tmp_path / "records.jsonl"
    evaluation.write_records(str(path), records)
    assert (
        "each part"
        not in pathlib.Path(report.write_report(tmp_path)).read_text()
    )
    parts = [["apgd-ce", True, 9, 2, [9, 0, 0]], ["square", False, 7, 1, None]]
    told = {"autoattack, adaptive, linf 0.1": {"net": {"none": [None, parts]}}}
    text = json.dumps({"evidence": told})
    (tmp_path / "evaluation.json").write_text(text)
    text = pathlib.Path(report.write_report(tmp_path)).read_text("utf-8")
    assert "What each part of an attack broke" in text
    row = re.search(r"<tr>(?:(?!</tr>).)*square.*?</tr>", text, re.S).group()
    assert re.findall(r">(no|7|1)<", row) == ["no", "7", "1"]


def test_training_alone_is_reported_and_nothing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither records.jsonl nor"):
        report.write_report(tmp_path)
    (tmp_path / "metrics.jsonl").write_text(json.dumps(METRICS[0]) + "\n")
    text = pathlib.Path(report.write_report(tmp_path)).read_text()
    assert "<h2>Training</h2>" in text and "<h2>Accuracy</h2>" not in text


def test_pictures_round_trip(tmp_path):
    written = some_pictures(channels=3)
    path = tmp_path / "pictures.npz"
    pictures_lib.write_pictures(path, written)
    read = pictures_lib.read_pictures(path)
    for name in written._fields:
        np.testing.assert_array_equal(
            getattr(read, name), getattr(written, name)
        )
    assert read.attack == "pgd" and isinstance(read.attack, str)
    with pytest.raises(ValueError, match="of one shape"):
        pictures_lib.write_pictures(path, written._replace(clean=np.ones(3)))


def test_grid_rows_stretch_the_perturbation_and_mark_errors():
    rows, captions = pictures_lib.grid_rows(some_pictures())
    assert [title.split("\n")[0] for title in rows] == [
        "clean",
        "perturbation",
        "adversarial",
        "what the defence",
    ]
    stretched = rows["perturbation\n(x 5)"]
    # A change of +-0.1 everywhere becomes black and white.
    np.testing.assert_allclose(np.abs(stretched - 0.5), 0.5)
    adversarial = next(v for k, v in captions.items() if "adversarial" in k)
    assert adversarial == ["0 ✓", "2 ✗ (true 1)", "1 ✗ (true 2)"]
    without, _ = pictures_lib.grid_rows(some_pictures(mixed=False))
    assert len(without) == 3


def test_bar_lengths_are_the_accuracies():
    figure = figures.accuracy_bars(some_records())
    (axis,) = figure.axes
    widths = [bar.get_width() for bar in axis.patches if bar.get_width()]
    assert sorted(widths) == [25.0, 25.0, 75.0, 100.0, 100.0]
    texts = [text.get_text() for text in axis.texts]
    assert texts.count("25.0") == 2
    # A place for each number alone, and an empty one after each row.
    centres = [bar.get_y() + bar.get_height() / 2 for bar in axis.patches]
    assert {round(c, 6) for c in centres if c == c} == {0.0, 1.0, 3.0, 4.0, 5.0}


def test_missing_adaptive_number_is_written_into_the_chart():
    records = [r for r in some_records() if r.knowledge != "adaptive"]
    figure = figures.accuracy_bars(records)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("not measured") == 1


def test_controls_at_another_radius_take_no_place_among_the_defences():
    control = [
        r._replace(eps=r.eps / 2)
        for r in some_records()
        if r.defence == "none" and r.eps is not None
    ]
    plain, more = (
        figures.accuracy_bars(records).axes[0]
        for records in (some_records(), [*some_records(), *control])
    )
    columns = len({(r.attack, r.knowledge) for r in control})
    for before, after in zip(plain.get_ylim(), more.get_ylim(), strict=True):
        assert after - before == (columns if before > 0 else 0)
    texts = [text.get_text() for text in more.texts]
    assert "not measured" not in texts


def test_curves_draw_the_logged_values_only():
    figure = figures.training_curves(METRICS, theme="dark")
    loss, accuracy = (axis.lines[0].get_xydata() for axis in figure.axes)
    np.testing.assert_allclose(loss, [[e, 1 / e] for e in range(1, 5)])
    np.testing.assert_allclose(accuracy[-1], [4, 0.875])
    assert figures.training_curves([{"epoch": 1, "step": 3}]) is None


def test_png_is_a_picture_and_themes_differ():
    grids = [
        figures.to_png(
            figures.image_grid({"a": some_pictures(3).clean}, theme=theme), 60
        )
        for theme in ("light", "dark")
    ]
    assert all(png.startswith(b"\x89PNG") for png in grids)
    assert grids[0] != grids[1]
