"""The table of all algorithms: complete, resumable, never mixed."""

import json

import numpy as np
import pytest

from benchmarks import additions
from benchmarks import algorithms
from benchmarks import family
from benchmarks import program
from keras_mixup import runs
from keras_mixup import training
from keras_mixup.reproduce import own
from keras_mixup.reproduce import planning


def run(path, *flags):
    argv = [
        "algorithms",
        f"--results={path}",
        "--seeds=0",
        "--num_train=40",
        "--num_test=20",
        "--epochs=2",
        "--batch_size=20",
        "--width=2",
        "--num_steps=1",
        "--test_steps=1,2",
        *flags,
    ]
    return program.exit_code(algorithms.main, algorithms.FLAGS, argv)


def test_every_algorithm_of_the_package_has_a_row():
    used = {member.algorithm for member in family.MEMBERS.values()}
    package = {
        value
        for name, value in vars(training).items()
        if isinstance(value, type)
        and issubclass(value, training.Algorithm)
        # Those that need a trained autoencoder are compared elsewhere.
        and not name.startswith(("Var", "MMD"))
    }
    # Those with an autoencoder have a table of their own.
    latent = {kind for kind in package if "vae" in kind.argument_names()}
    assert package - used - latent == {training.Algorithm}


@pytest.mark.parametrize("name", family.MEMBERS)
def test_a_member_has_the_settings_of_a_run(name):
    """A run's settings say the same as the constructor's arguments."""
    flags = algorithms.FLAGS.parse(["", "--num_steps=3", "--eps=0.2"])
    member = family.MEMBERS[name]
    settings = algorithms.settings_of(flags, member, 1, 7)
    assert settings.algorithm == member.algorithm.registered_name
    own = member.arguments(3, 0.2, (8, 8, 1), 35)
    assert {key: getattr(settings, key) for key in own} == own
    given = (settings.num_steps, settings.eps) == (3, 0.2)
    assert given == member.attacked


def jobs_of_additions(row, *flags):
    """The settings of the training and of the evaluation of a row."""
    values = additions.FLAGS.parse(["", *flags, "--seeds=4"])
    (entry,) = own.entries(additions.entry(values))
    plan = planning.plan(entry, own.scale(additions.scale(values)))
    return [job.settings for job in plan.jobs_of(row)]


# Those of the program that measured the numbers of BENCHMARKS.md.
TOLD = {"dataset": "digits", "epochs": 60, "seed": 4}
ATTACK = {"eps": 0.1, "step_size": 0.05, "num_steps": 5}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            "AOM + SWA",
            {
                "algorithm": "adversarial_mixup",
                "weight_average": "swa",
                **ATTACK,
            },
        ),
        ("RegMixup", {"algorithm": "regmixup"}),
        (
            "AT on few images + extra",
            {
                "algorithm": "adversarial_training",
                "num_train": 300,
                "extra_dataset": "digits",
                "extra_share": 0.5,
                **ATTACK,
            },
        ),
    ],
)
def test_an_addition_has_the_settings_of_the_recorded_numbers(row, expected):
    trained, attacked = jobs_of_additions(row)
    made = runs.TrainSettings(**trained)
    assert made == runs.TrainSettings(**{**TOLD, **expected})
    assert runs.EvaluateSettings(**attacked) == runs.EvaluateSettings(
        weights="last",
        attacks=("clean", "pgd", "autoattack"),
        adaptive_examples=200,
        eps=0.1,
        step_size=0.025,
        pgd_steps=(20,),
        defences=(),
        probe=False,
    )


def test_additions_on_cifar10_take_the_flags_of_their_file():
    file = "--flagfile=benchmarks/cifar10_additions.flags"
    trained, attacked = jobs_of_additions("AT on few images", file)
    names = ("num_train", "optimizer", "drops", "width", "num_validation")
    assert [trained[name] for name in names] == [
        *(2000, "yogi", (0.7, 0.9)),
        *(8, 0),
    ]
    assert attacked["num_examples"] == 1000
    assert trained["step_size"] == 2 * attacked["step_size"] == 4 / 255


def test_additions_without_autoattack_leave_its_column_out():
    values = additions.FLAGS.parse(["", "--num_strong=0"])
    entry = additions.entry(values)
    assert [column.label for column in entry.columns] == ["clean", "PGD-20"]
    _, attacked = jobs_of_additions("AT", "--num_strong=0")
    assert attacked["attacks"] == ("clean", "pgd")


def test_a_row_that_the_additions_lack_is_refused_in_one_line(tmp_path, capsys):
    argv = ["additions", f"--results_dir={tmp_path}/r", "--rows=AT + SVA"]
    assert program.exit_code(additions.main, additions.FLAGS, argv) == 2
    assert 'Did you mean "AT + SWA"?' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_a_file_is_refused_in_one_line(capsys):
    assert program.exit_code(algorithms.main, algorithms.FLAGS, ["table"]) == 2
    assert "error: " in capsys.readouterr().err


def test_a_finished_row_is_kept_and_a_missing_one_is_made(tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    assert run(path, "--algorithms=erm") == 0
    (first,) = map(json.loads, path.read_text().splitlines())
    first["clean"] = 12.5  # would be lost if the row were made again
    path.write_text(json.dumps(first) + "\n")
    assert run(path, "--algorithms=erm,at") == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["algorithm"] for row in rows] == ["erm", "at"]
    assert rows[0] == first
    assert 0.0 <= rows[1]["long"] <= rows[1]["clean"] <= 100.0
    table = capsys.readouterr().out.splitlines()[-2:]
    assert table[0].startswith("| ERM | 0 + 1 | 12.5 |")
    assert table[1].startswith("| AT | 1 + 1 |")
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


def test_rows_of_other_settings_are_refused(tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"settings": {"epochs": 3}}) + "\n")
    assert run(path) == 2
    assert "holds rows of other settings" in capsys.readouterr().err


def test_the_table_gives_mean_and_deviation(tmp_path):
    keys = ("clean", "short", "long", "cpu_seconds", "wall_seconds")
    rows = [
        {"algorithm": "trades", **dict.fromkeys(keys, value)}
        for value in (1.0, 2.0, 3.0)
    ]
    flags = algorithms.FLAGS.parse(["", "--num_steps=7"])
    last = algorithms.table(rows, flags).splitlines()[-1]
    cells = "2.0 ± 1.0 | 2.0 ± 1.0 | 2.0 ± 1.0 | 2.00 | 2.00"
    assert last == f"| TRADES, beta 6 | 7 + 2 | {cells} | - |"
    rows = [{**row, "algorithm": "at"} for row in rows]
    last = algorithms.table(rows, flags).splitlines()[-1]
    assert last == f"| AT | 7 + 1 | {cells} | 83.3 / 50.2 / 49.8 |"


def test_accuracies_are_those_of_the_images(tmp_path):
    """Judged on a net whose answers and their change are known."""
    import keras

    from keras_mixup import ThreatModel
    from keras_mixup import attacks
    from keras_mixup.data.specs import ImageSet

    # The logits are (x, 1 - x): class 0 above one half.
    inputs = keras.Input((1, 1, 1))
    x = keras.layers.Flatten()(inputs)
    outputs = keras.layers.Concatenate()(
        [x, keras.layers.Rescaling(-1.0, 1.0)(x)]
    )
    images = np.array([0.9, 0.55, 0.45, 0.1, 0.2], "float32")
    image_set = ImageSet(
        images.reshape(-1, 1, 1, 1), np.array([0, 0, 1, 1, 0]), np.arange(5)
    )
    attack = attacks.PGD(ThreatModel("linf", 0.1), 0.1, 3)
    model = keras.Model(inputs, outputs)
    found = algorithms.accuracies(model, attack, image_set, batch_size=2)
    assert found == (80.0, 40.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", family.MEMBERS)
def test_every_member_trains(name, tmp_path):
    assert run(tmp_path / "rows.jsonl", f"--algorithms={name}") == 0
