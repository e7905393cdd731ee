"""The papers' tables: their numbers, and commands that are accepted."""

import pathlib
import re
import shlex

import pytest

from keras_mixup import reproduce
from keras_mixup import runs
from keras_mixup.cli import evaluate
from keras_mixup.cli import train
from keras_mixup.reproduce import catalogue

ROOT = pathlib.Path(__file__).parents[2]
PAPERS = ROOT.parent / "shared" / "papers"
ENTRIES = {
    name: entry
    for name, entry in reproduce.entries().items()
    if isinstance(entry, reproduce.Entry)
}
# Their numbers stand in running text, in another order.
PARAGRAPHS = ("varmixup/manifold_mixup", "varmixup/variat")
VAR_MI = ["VarMixup + VarMI", "adv-VarMixup + adv-VarMI"]
PROGRAMS = {
    "train": (train, runs.TrainSettings),
    "evaluate": (evaluate, runs.EvaluateSettings),
}


def parse(command):
    console, program, *arguments = shlex.split(command)
    assert console == "keras-mixup"
    module, settings = PROGRAMS[program]
    flags = module.make_flags().parse([program, *arguments])
    return flags.settings(settings)


def number(entry, row, column):
    (found,) = (r for r in ENTRIES[entry].rows if r.label == row)
    return found.published[column]


@pytest.mark.parametrize(
    ("entry", "row", "column", "expected"),
    [
        ("mixup_inference/table2", "Interpolated AT + MI-OL", 1, (64.5,)),
        ("mixup_inference/table2", "Mixup", 4, (1.0, None, True)),
        ("mixup_inference/table3", "Mixup + MI-Combined", 6, (26.7,)),
        ("varmixup/table2_cifar", "VarMixup + VarMI", 0, (66.84, 1.08)),
        ("varmixup/table2_others", "IAT + MI", 3, (18.08, 0.34)),
        ("varmixup/table3", "adv-VarERM", 1, (89.89, 0.12)),
        ("varmixup/table4", "MT", 2, (21.55, 0.37)),
        ("varmixup/table5", "AT", 5, (53.6,)),
        ("adversarial_mixup/table1", "Ours", 3, (48.7,)),
        ("adversarial_mixup/table3", "Baseline", 2, (51.99,)),
    ],
)
def test_numbers_typed_from_the_papers(entry, row, column, expected):
    found = number(entry, row, column)._replace(digits=None)
    assert found == catalogue.Published(*expected)


def test_what_the_papers_leave_out_is_none():
    assert number("varmixup/table2_cifar", "LLR", 2) is None
    assert number("varmixup/table2_others", "TRADES", 0) is None


@pytest.mark.parametrize("name", PARAGRAPHS)
def test_every_number_of_a_paragraph_stands_in_the_paper(name):
    """A row of its own has all of its numbers in lines of few others."""
    path = PAPERS / "varmixup.txt"
    if not path.is_file():
        pytest.skip("The papers' texts are not here.")
    lines = [
        set(re.findall(r"\d+\.\d+", line))
        for line in path.read_text("utf-8").splitlines()
        if "achieve" in line
        or "obtain" in line
        or "Manifold Mixup with" in line
    ]
    for row in ENTRIES[name].rows[:2]:
        wanted = {f"{cell.value:g}" for cell in row.published if cell}
        assert wanted <= set().union(*lines), row.label


def test_numbers_of_figures_stand_in_the_paper():
    path = PAPERS / "varmixup.txt"
    if not path.is_file():
        pytest.skip("The papers' texts are not here.")
    text = path.read_text("utf-8")
    for name, figure in reproduce.entries().items():
        if isinstance(figure, reproduce.Figure):
            for value in figure.published.values():
                assert re.search(rf"\b{value:g}\b", text), (name, value)
                assert re.search(rf"\b{value:g}\b", figure.said)


@pytest.mark.parametrize("name", [n for n in ENTRIES if n not in PARAGRAPHS])
def test_every_number_stands_in_the_paper(name):
    """A line of the paper has a row's numbers, in their order."""
    paper = name.partition("/")[0]
    path = PAPERS / f"{paper}.txt"
    if not path.is_file():
        pytest.skip("The papers' texts are not here.")
    lines = [
        re.findall(r"\d+\.\d+|(?:≤|\\leq|<) ?1(?!\d)", line)
        for line in path.read_text("utf-8").splitlines()
    ]
    known = [
        [float(cell) if "." in cell else "<=1" for cell in line]
        for line in lines
    ]
    for row in ENTRIES[name].rows:
        wanted = []
        for cell in filter(None, row.published):
            wanted.append("<=1" if cell.at_most else cell.value)
            wanted += [] if cell.std is None else [cell.std]
        assert wanted in known, row.label


@pytest.mark.parametrize("name", ENTRIES)
def test_every_row_has_commands_that_are_accepted(name):
    entry = ENTRIES[name]
    for row in entry.rows:
        assert len(row.published) == len(entry.columns)
        commands = entry.commands(row)
        trained, scored = {}, set()
        for command in commands:
            settings = parse(command)
            run_dir = re.search(r"--run_dir=(\S+)", command).group(1)
            if command.startswith("keras-mixup train"):
                trained[run_dir] = settings
                # What a run reads was trained by an earlier command.
                assert settings.vae is None or settings.vae in trained
            else:
                scored.add(trained[run_dir].dataset)
        pairs = zip(entry.columns, row.published, strict=True)
        assert scored == {
            c.dataset
            for c, n in pairs
            if n is not None or c.dataset in row.ours
        }


def test_commands_of_a_row_train_once_and_evaluate_as_the_columns_say():
    entry = reproduce.find("mixup_inference/table2")
    (row,) = (r for r in entry.rows if r.label == "Interpolated AT + MI-OL")
    run_dir = "--run_dir=runs/iat_cifar10"
    flags = "--flagfile=mixup_inference"
    assert entry.commands(row) == [
        f"keras-mixup train {flags}/iat_cifar10.flags --data_dir=DIR {run_dir}",
        f"keras-mixup evaluate {flags}/evaluate.flags "
        f"--defences=mixup_inference_ol {run_dir}",
        f"keras-mixup evaluate {flags}/evaluate.flags "
        "--defences=mixup_inference_ol --targeted=random --noadaptive "
        f"{run_dir}",
    ]
    transfer = reproduce.find("varmixup/table3")
    (row,) = (r for r in transfer.rows if r.label == "VarMixup + VarMI")
    first, second, *_ = transfer.commands(row)
    assert "vae_tiny_imagenet" in first and "transfer_varmixup" in second


@pytest.mark.parametrize(
    ("name", "papers"),
    [
        ("table2_cifar", ["VarMixup", *VAR_MI]),
        ("table3", ["VarMixup", *VAR_MI]),
        ("table4", ["VarMixup", "adv-VarMixup"]),
        ("table5", VAR_MI),
        ("fig1", ["VarMixup", VAR_MI[0]]),
        ("manifold_mixup", ["VarMixup", VAR_MI[0]]),
        ("variat", ["VarIAT", "VarIAT + VarMI"]),
    ],
)
def test_rows_of_ours_are_the_papers_by_another_autoencoder(name, papers):
    entry = reproduce.find(f"varmixup/{name}")
    ours = {row.label: row for row in entry.rows if row.ours}
    rows = {row.label: row for row in entry.rows}
    assert len(ours) == len(papers) and "(linear path)" in entry.note
    for label in papers:
        network, plus, defence = label.partition(" + ")
        row = ours[f"{network} (linear path){plus}{defence}"]
        assert not any(row.published)
        assert entry.measured_on(row) == ("cifar10",)
        first, second, *scored = entry.commands(row)
        assert "/linear_vae" in first and "linear_" in second
        plain = [command.replace("linear_", "") for command in (first, second)]
        assert entry.commands(rows[label])[:2] == plain
        assert rows[label].settings == row.settings and scored


def test_a_row_is_measured_where_the_paper_has_a_number():
    entry = reproduce.find("varmixup/table2_cifar")
    (row,) = (r for r in entry.rows if r.label == "LLR")
    assert entry.measured_on(row) == ("cifar10",)


def test_the_text_is_the_table():
    entry = reproduce.find("varmixup/table2_cifar")
    text = entry.text
    assert "| LLR | 54.95 | 86.83 | - | - |" in text
    assert "| Mixup + MI | 25.76 ± 1.12 | 86.84 ± 1.05 |" in text
    assert "| cifar10, PGD-10 | cifar10, clean |" in text
    mixup = reproduce.find("mixup_inference/table2").text
    assert "| Mixup | 93.8 | 3.6 | 3.2 | 3.1 | <= 1 |" in mixup


def test_an_unknown_entry_and_an_unreadable_cell_are_named():
    with pytest.raises(ValueError, match='mean "mixup_inference/table2"'):
        reproduce.find("mixup_inference/tabel2")
    with pytest.raises(ValueError, match="`cell` must be a number"):
        catalogue.published("93.8 n/a")
