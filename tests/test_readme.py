"""The code that README shows is the code that is run here."""

import importlib
import pathlib
import re
import runpy

import numpy as np
import pytest
import tensorflow as tf
from absl import flags as absl_flags

from keras_mixup import runs
from keras_mixup import training
from keras_mixup.evaluation import record_flags
from keras_mixup.evaluation import red_flags

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
FIRST, ADVERSARIAL, ATTACK, RUNS = re.findall(
    r"```python\n(.*?)```", README, re.S
)
FIT = "model.fit(images[:1500], labels[:1500], batch_size=50, epochs=20)"


@pytest.fixture
def run(tmp_path):
    def run(*blocks):
        """Runs code blocks as one script; returns its variables."""
        script = tmp_path / "readme.py"
        script.write_text("\n".join(blocks))
        return runpy.run_path(str(script))

    return run


def shortened(block):
    assert FIT in block
    return block.replace(FIT, FIT.replace("epochs=20", "epochs=2"))


# After the example, tf.data and one-hot labels.
TF_DATA = """
import tensorflow as tf
hot = tf.one_hot(labels, 10)
data = tf.data.Dataset.from_tensor_slices((images, hot))
# 1,500 in batches of 64: the last one is shorter.
model.fit(data.take(1500).batch(64), epochs=1)
"""


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The variables of the example, of its attack and of `TF_DATA`."""
    script = tmp_path_factory.mktemp("readme") / "readme.py"
    imports = ADVERSARIAL.split("\n\n")[0]
    blocks = [shortened(FIRST), imports, ATTACK, TF_DATA]
    script.write_text("\n".join(blocks))
    return runpy.run_path(str(script))


def test_the_example_trains_defends_and_is_attacked(example):
    found = example
    log_probabilities = found["log_probabilities"].numpy()
    assert log_probabilities.shape == (297, 10)
    np.testing.assert_allclose(np.exp(log_probabilities).sum(-1), 1, atol=1e-5)
    right = log_probabilities.argmax(-1) == found["labels"][1500:]
    # Chance is 0.1; two epochs of the example reach about 0.6.
    assert right.mean() > 0.3
    assert found["result"].success.shape == (50,)


def test_whole_runs_are_python_calls(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = run(RUNS)
    assert found["trained"].epochs == 2
    assert (tmp_path / "runs" / "from_python" / "report.html").is_file()
    assert "fgsm" in capsys.readouterr().out


def test_the_adversarial_line_takes_its_place(run):
    before, after = FIRST.split("model = Mixup(classifier, alpha=1.0)\n")
    found = run(before, ADVERSARIAL, shortened(after))
    assert type(found["model"]) is training.InterpolatedAdversarialTraining
    assert int(found["model"].step) == 60


def test_tf_data_and_one_hot_labels_work_as_well(example):
    found = example
    assert isinstance(found["data"], tf.data.Dataset)
    # Two epochs of 30 steps before it, then 24.
    assert int(found["model"].step) == 84
    # One trace for integer labels, one for one-hot: none for a short batch.
    assert found["model"].traces["train"] == 2


GIVEN = """
from keras_mixup import data, inference, models

few = data.load_arrays("digits", "test", num_examples=20)
images, labels = few.images, few.labels
classifier = models.SmallConvNet((8, 8, 1), 10, width=4)
# As if it were trained.
classifier.layers[-1].bias.assign([0.1] * 10)
pool = inference.SamplePool(images, labels, dtype="float32")
defence = inference.MixupInferenceOL(classifier, pool, num_draws=2)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("docs/*.md")), ids=lambda p: p.stem
)
def test_the_code_of_a_page_runs(page, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)
    # Needs the unpacked folder, which tests/data makes up.
    blocks = [b for b in blocks if "tiny-imagenet-200" not in b]
    monkeypatch.syspath_prepend(tmp_path)
    for block in [b for b in blocks if own_file(b)]:
        (tmp_path / own_file(block)).write_text(block)
        blocks.remove(block)
    if blocks or page.stem in CHECKS:
        found = run(GIVEN, *blocks)
        CHECKS.get(page.stem, lambda found, folder: None)(found, tmp_path)


def check_evaluation(found, folder):
    """What the page says of its own example."""
    page = (ROOT / "docs/evaluation.md").read_text("utf-8")
    files = re.findall(r"^\| (\w+\.[a-z]+)(?:, \.(\w+))? \|", page, re.M)
    assert len(files) == 6
    for name, other in files:
        path = folder / "runs" / "mine" / name
        assert path.is_file() and (
            not other or path.with_suffix(f".{other}").is_file()
        )
    # The file beside the records refuses another attack of that name.
    assert "columns, pgd, oblivious" in found["refusal"]
    assert '"num_steps": 10' in found["refusal"].split("Received")[0]
    assert '"num_steps": 1,' in found["refusal"].split("Received")[1]
    rows = re.findall(r"^\| ([^|]+) \| (yes)? ?\| (yes)? ?\|", page, re.M)
    assert [row[0] for row in rows] == list(red_flags.NAMES)
    in_records = {name for name, recorded, _ in rows if recorded}
    in_models = {name for name, _, asked in rows if asked}
    # What attacks say of their gradients is kept beside the records.
    told = {"zero or NaN gradients"}
    assert in_records == set(record_flags.RULES) | told
    # No attack was given whose ball could be looked at.
    asked = in_models - {"eps not respected"}
    assert found["asked"].looked_for == asked
    assert found["shown"].looked_for == {
        "adaptive weaker than oblivious",
        "randomised model under a deterministic attack",
        *told,
    }
    not_looked_for = set(red_flags.NAMES) - asked - found["shown"].looked_for
    assert not_looked_for == {
        name
        for name, status in found["status"].items()
        if status == "not looked for"
    }
    check_comparison(found)


def check_comparison(found):
    """The lowest attack of each model, and their difference."""
    left = {}
    for record in found["records"]:
        if record.knowledge != "none":
            cell = left.setdefault((record.defence, record.column), [])
            cell.append(record.prediction == record.label)
    lowest = {
        defence: min(np.mean(v) for (d, _), v in left.items() if d == defence)
        for defence in ("none", "MI-OL")
    }
    (defended,) = (c for c in found["compared"] if c.row.defence == "MI-OL")
    assert defended.adaptive.accuracy == pytest.approx(lowest["MI-OL"])
    assert defended.undefended.accuracy == pytest.approx(lowest["none"])
    gain = lowest["MI-OL"] - lowest["none"]
    assert defended.difference == pytest.approx(gain)


def check_inference(found, folder):
    """A foreign defence goes through attack, report and export."""
    mine, records = found["mine"], found["records"]
    source = (folder / "my_defence.py").read_text()
    assert len(source[source.index("class ") :].splitlines()) <= 10
    assert (folder / "own" / "report.html").is_file()
    columns = {r.column.attack: r.column.knowledge for r in records}
    expected = {"clean": "none", "pgd": "oblivious", "eot": "adaptive"}
    assert columns == expected
    assert all(r.gradient_passes > 0 for r in records if r.attack == "eot")
    images, seeds = found["images"][:3], tf.constant([[1, 2], [3, 4], [5, 6]])
    (version,) = (folder / "saved_models" / "mine").iterdir()
    served = tf.saved_model.load(str(version)).signatures["seeded"]
    answers = served(image=tf.constant(images), seed=seeds)["probabilities"]
    np.testing.assert_allclose(answers, np.exp(mine(images, seeds)), atol=1e-5)
    # The formula, draw by draw.
    factor = mine.draw(images, seeds)["factor"].numpy()
    assert factor.min() >= 0.8 and factor.max() < 1.2
    inputs = np.einsum("bn,bhwc->nbhwc", factor, images)
    logits = found["classifier"](inputs.reshape(-1, 8, 8, 1))
    mean = tf.nn.softmax(logits).numpy().reshape(8, 3, 10).mean(axis=0)
    np.testing.assert_allclose(answers, mean, atol=1e-5)
    assert found["through_mean"].gradients.rows == 20


def check_own(found, folder):
    """The network of the page, on images of the page's kind."""
    page = (ROOT / "docs/own.md").read_text("utf-8")
    assert "--model=mynet:Net" in page
    net = importlib.import_module("mynet").Net((8, 8, 1), 3)
    assert net(np.zeros((2, 8, 8, 1), "float32")).shape == (2, 3)


CHECKS = {
    "evaluation": check_evaluation,
    "inference": check_inference,
    "own": check_own,
}


def own_file(block):
    """The name of the file that a block is, by its first line, or None."""
    found = re.match(r"# (\w+\.py)\n", block)
    return found and found[1]


PAGES = [
    *(ROOT / name for name in ("README.md", "BUILD.md", "BENCHMARKS.md")),
    *sorted(ROOT.glob("docs/*.md")),
]


def test_links_lead_somewhere():
    assert len(PAGES) > 5
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_links_within_a_page_name_a_heading():
    links = 0
    for page in PAGES:
        text = page.read_text("utf-8")
        # GitHub's rule: lower case, no punctuation, hyphens for spaces.
        headings = {
            re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.M)
        }
        for anchor in re.findall(r"\]\(#([^)]+)\)", text):
            assert anchor in headings, f"{page.name}: #{anchor}"
            links += 1
    assert links > 10


def commands():
    """The commands that the pages show, without the words before apps."""
    for page in PAGES:
        text = page.read_text("utf-8").replace("\\\n", " ")
        start = r"^(?:python -m apps\.|keras-mixup (?!COMMAND))"
        for line in re.findall(rf"{start}(.*)$", text, re.M):
            yield page.name, line


SETTINGS = {
    "evaluate": runs.EvaluateSettings,
    "export": runs.ExportSettings,
    "train": runs.TrainSettings,
}


def test_shown_commands_are_understood():
    shown = list(commands())
    assert len(shown) >= 3
    for page, line in shown:
        command, *flags = line.partition("#")[0].split()
        module = importlib.import_module(f"keras_mixup.cli.{command}")
        try:
            parsed = module.make_flags().parse([command, *flags])
            if command in SETTINGS:
                parsed.settings(SETTINGS[command])
        except (absl_flags.Error, OSError, ValueError) as error:
            pytest.fail(f"{page}: {line}: {error}")
