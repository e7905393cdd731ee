"""Python as users write it, for mypy, which `make lint` runs; nobody calls it.

A right use gives no error. A wrong one has to give one: mypy refuses a
`type: ignore` that nothing needs.
"""

import numpy as np

import keras_mixup
from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import models
from keras_mixup import runs
from keras_mixup import training


def margin(labels, logits):
    """A loss of the user's own."""
    return logits - labels


def right(images: np.ndarray, labels: list[int]) -> float:
    """Ways that the docs show."""
    model = models.SmallConvNet((8, 8, 1), 10, mean=[0.3], std=(0.4,))
    threat = ThreatModel("linf", "8/255")
    attack = attacks.PGD(threat, step_size="2/255", num_steps=10, loss=margin)
    steps: int = attack.num_steps
    found = attack(model, images, labels, seed=0)
    attacks.AutoAttack(threat, version="fast").evaluate(model, images, labels)

    pool = inference.SamplePool(images, labels)
    defence = inference.MixupInferenceOL(model, pool, ("uniform", 0.4, 0.6))
    records = evaluation.evaluate(
        {"plain": model, "defended": defence},
        [
            evaluation.AttackSpec("pgd", attack, "oblivious"),
            ("adaptive", attacks.MixupInferenceAttack(threat), "adaptive"),
        ],
        images,
        labels,
        eval_seeds=range(3),
    )
    hit: bool = records[0].hit

    algorithm = training.Mixup(model, alpha=1.0, seed=3)
    algorithm.compile("adam", weight_average=training.EMA())
    training.fit_resumable(
        algorithm, data.load_arrays("digits"), "runs/mine", epochs=steps
    )
    whole_run(runs.TrainSettings(epochs=3, eps="8/255"))
    return hit * metrics.robust_accuracy(labels, found.success)


def whole_run(settings: runs.TrainSettings) -> str:
    """A function of the user's own that takes settings."""
    with runs.Stop(max_minutes=5) as stop:
        trained = runs.train(settings, "runs/mine", stop=stop, progress=print)
    told = runs.EvaluateSettings(attacks="clean,pgd")
    result = runs.evaluate(told, trained.run_dir)
    part = runs.evaluate(told, "runs/mine", shard="1/2")
    return f"{result.comparisons[0].claim} {part.shard} {settings.epochs + 1}"


def wrong(model: models.ForeignClassifier, threat: ThreatModel) -> None:
    """One error in each line."""
    attacks.PGD(threat, num_steps="ten")  # type: ignore[arg-type]
    attacks.PGD(threat, num_step=10)  # type: ignore[call-arg]
    ThreatModel("l1", 0.1)  # type: ignore[arg-type]
    training.Mixup(model, alpha=None)  # type: ignore[arg-type]
    inference.MixupInferenceOL(model, "pool")  # type: ignore[arg-type]
    models.SmallConvNet(8, 10)  # type: ignore[arg-type]
    runs.train({"epochs": 3}, "runs/mine")  # type: ignore[arg-type]
    data.load_arrays("digits", num_examples="all")  # type: ignore[arg-type]
    metrics.robust_accuracy([1], [1]).mean()  # type: ignore[attr-defined]
    _ = runs.trian  # type: ignore[attr-defined]
    _ = training.BestClassifier  # type: ignore[attr-defined]
    _ = keras_mixup.PGD  # type: ignore[attr-defined]
