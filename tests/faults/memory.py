"""Memory over many steps, batches and calls."""

import functools
import json
import os

import forked

# What may come on top after the first tenth, in MiB.
MOST = 32


def cases():
    """Yields (name, function of a folder)."""
    for name, function in (
        ("2,000 train steps", _steps),
        ("200 evaluation batches", _batches),
        ("1,000 attack calls, each with a function of its own", _calls),
    ):
        yield name, functools.partial(_measured, function=function)


def _resident():
    """MiB of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _measured(folder, function):
    found = folder / "found.json"

    def run():
        sizes = function(folder)
        found.write_text(json.dumps(sizes))
        return 0

    child = forked.Child(folder / "log", run)
    assert child.wait(3600.0) == 0, child.text[-2000:]
    sizes = json.loads(found.read_text())
    grown = sizes[-1] - sizes[len(sizes) // 10]
    note = f"{grown:+.0f} MiB after the first tenth"
    held = int(grown < MOST)
    return {"tried": 1, "held": held, "lost": 1 - held, "note": note}


def _images(count):
    import numpy as np

    images = np.random.default_rng(0).uniform(size=(count, 8, 8, 1))
    return images.astype("float32"), np.arange(count) % 3


def _steps(folder):
    import keras

    from keras_mixup import models
    from keras_mixup import training

    sizes = []
    model = training.Mixup(models.SmallConvNet((8, 8, 1), 3, width=2))
    model.compile("sgd")
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_, **__: sizes.append(_resident())
    )
    model.fit(*_images(160), 16, epochs=200, callbacks=[note], verbose=0)
    return sizes


def _batches(folder):
    from keras_mixup import ThreatModel
    from keras_mixup import attacks
    from keras_mixup import evaluation
    from keras_mixup import models

    sizes = []
    attack = attacks.PGD(ThreatModel("linf", 0.1), 0.05, 2)
    evaluation.evaluate(
        {"model": models.SmallConvNet((8, 8, 1), 3, width=2)},
        [("pgd", attack, "oblivious")],
        *_images(1600),
        batch_size=8,
        records_path=str(folder / "records.jsonl"),
        verbose=False,
        stop=lambda: sizes.append(_resident()),
    )
    return sizes


def _calls(folder):
    import warnings

    from keras_mixup import ThreatModel
    from keras_mixup import attacks
    from keras_mixup import models

    warnings.simplefilter("ignore")
    attack = attacks.PGD(ThreatModel("linf", 0.1), 0.05, 1)
    model = models.SmallConvNet((8, 8, 1), 3, width=2)
    images, labels = _images(8)
    sizes = []
    for _ in range(1000):
        attack(lambda x: model(x), images, labels, seed=0)
        sizes.append(_resident())
    return sizes
