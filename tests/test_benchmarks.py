"""The comparisons of training rows: complete, and of the recorded settings."""

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
        f"--results_dir={path}",
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
    member = family.MEMBERS[name]
    trained, _ = jobs_of(algorithms, member.title, "--num_steps=3", "--eps=0.2")
    settings = runs.TrainSettings(**trained)
    assert settings.algorithm == member.algorithm.registered_name
    # Five epochs of 17 batches, over which CURE's distance grows.
    own = member.arguments(3, 0.2, (8, 8, 1), 85)
    assert {key: getattr(settings, key) for key in own} == own
    assert (settings.seed, settings.epochs, settings.dataset) == (
        *(4, 100),
        "digits",
    )
    assert settings.optimizer == runs.TrainSettings().optimizer
    given = (settings.num_steps, settings.eps) == (3, 0.2)
    assert given == member.attacked


def jobs_of(bench, row, *flags):
    """The settings of the training and of the evaluations of a row."""
    values = bench.FLAGS.parse(["", *flags, "--seeds=4"])
    (entry,) = own.entries(bench.entry(values))
    plan = planning.plan(entry, own.scale(bench.scale(values)))
    return [job.settings for job in plan.jobs_of(row)]


def jobs_of_additions(row, *flags):
    return jobs_of(additions, row, *flags)


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


def test_algorithms_on_cifar10_take_the_flags_of_their_file():
    file = "--flagfile=benchmarks/cifar10.flags"
    trained, short, long = jobs_of(
        algorithms, "AT, averaged weights", file, "--num_validation=0"
    )
    names = ("num_train", "optimizer", "drops", "weight_average")
    assert [trained[name] for name in names] == [
        *(5000, "yogi", (0.7, 0.9), "ema")
    ]
    assert trained["step_size"] == 2 * short["step_size"] == 4 / 255
    assert (short["num_examples"], short["pgd_steps"]) == (1000, (20,))
    assert (long["num_examples"], long["pgd_steps"]) == (300, (100,))


def test_algorithms_have_the_numbers_of_the_paper_beside_theirs():
    entry = algorithms.entry(algorithms.FLAGS.parse([""]))
    rows = {row.label: row for row in entry.rows}
    shown = [number.value for number in rows["AT"].published]
    assert shown == [83.3, 50.2, 49.8]
    assert rows["TRADES, beta 6"].published == ()


def test_a_row_that_the_algorithms_lack_is_refused_in_one_line(
    tmp_path, capsys
):
    assert run(tmp_path / "r", "--rows=ERN") == 2
    assert 'Did you mean "ERM"?' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_two_algorithms_are_trained_and_attacked(tmp_path, capsys):
    assert run(tmp_path, "--rows=ERM;AT") == 0
    lines = capsys.readouterr().out.splitlines()
    (header,) = [li for li in lines if li.startswith("|  |")]
    assert header == "|  | clean | PGD-1 | PGD-2 |"
    (row,) = [li for li in lines if li.startswith("| AT |")]
    assert "paper 83.3" in row and "not yet" not in row
    pages = {path.name for path in (tmp_path / "algorithms_digits").iterdir()}
    assert "comparisons-algorithms.md" in pages


@pytest.mark.slow
@pytest.mark.parametrize("name", family.MEMBERS)
def test_every_member_trains(name, tmp_path):
    assert run(tmp_path, f"--rows={family.MEMBERS[name].title}") == 0
