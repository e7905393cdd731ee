"""Draws docs/figures/perturbations.png: where each algorithm may move a point.

    python docs/draw_figures.py

"Images" of two pixels are points of a plane. A small network is trained on
two classes of such points; then every algorithm prepares one pair with the
library's own code, and the figure shows what came out: the boxes in which the
perturbations live and the point that the network would be trained on.
"""

import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from matplotlib import patches

from keras_mixup import ThreatModel
from keras_mixup import training
from keras_mixup.attacks import PGD

EPS = 0.12
PAIR = np.array([[0.22, 0.30], [0.78, 0.62]], "float32")
WEIGHT = 0.62
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
TARGET = pathlib.Path(__file__).parent / "figures" / "perturbations.png"


def toy_classifier():
    """Returns a network on the plane, trained on two curved classes."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    points = random.uniform(size=(400, 1, 2, 1)).astype("float32")
    across, up = points[:, 0, 0, 0], points[:, 0, 1, 0]
    labels = (across + 0.35 * np.sin(5.0 * up) > 0.65).astype("int32")
    layers = [
        keras.Input((1, 2, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(32, activation="tanh"),
        keras.layers.Dense(2),
    ]
    classifier = keras.Sequential(layers)
    model = training.ERM(classifier)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(points, labels, batch_size=50, epochs=60, verbose=0)
    return classifier


def prepare(model, **draws):
    """Returns the batch that the algorithm makes of the pair."""
    images = tf.constant(PAIR.reshape(2, 1, 2, 1))
    pairs = {"permutation": tf.constant([1, 0])}
    pairs["mix_weight"] = tf.constant([WEIGHT, 1.0 - WEIGHT])
    drawn = model.draw(2, tf.constant([1, 2]))
    for name in drawn:
        if isinstance(drawn[name], dict):
            drawn[name] = pairs
        elif name in pairs:
            drawn[name] = pairs[name]
    drawn.update(draws)
    return model.prepare_batch(images, tf.eye(2), drawn)


def point(values):
    """Returns the first row of a batch as (x, y)."""
    return np.asarray(values)[0].ravel()


def panels(classifier):
    """Yields (title, boxes, ends of the line, the trained point)."""
    attack = PGD(ThreatModel("linf", EPS), EPS / 4, num_steps=20)
    middle = WEIGHT * PAIR[0] + (1.0 - WEIGHT) * PAIR[1]
    batch = prepare(training.AdversarialTraining(classifier, attack))
    yield "AdversarialTraining", [PAIR[0]], None, point(batch["images"])
    batch = prepare(training.MixThenAttack(classifier, attack))
    yield "MixThenAttack", [middle], PAIR, point(batch["images"])
    batch = prepare(training.AttackThenMix(classifier, attack))
    mixed = point(batch["images"])
    single = prepare(training.AdversarialTraining(classifier, attack))
    ends = np.asarray(single["images"]).reshape(2, 2)
    yield "AttackThenMix", PAIR, ends, mixed
    learned = training.AdversarialMixup(classifier, attack, kappa=0.5)
    batch = prepare(learned)
    ends = np.stack([point(batch["left"]), point(batch["right"])])
    yield "AdversarialMixup", PAIR, ends, point(batch["images"])


def draw(axis, classifier, title, boxes, ends, found):
    """Draws one panel over the network's probability of class 1."""
    grid = np.linspace(0.0, 1.0, 120, dtype="float32")
    across, up = np.meshgrid(grid, grid)
    plane = np.stack([across, up], -1).reshape(-1, 1, 2, 1)
    logits = classifier.predict(plane, batch_size=4096, verbose=0)
    chance = tf.nn.softmax(logits).numpy()[:, 1].reshape(across.shape)
    axis.contourf(across, up, chance, 20, cmap="RdBu_r", alpha=0.28)
    axis.contour(across, up, chance, [0.5], colors=GREY, linewidths=1)
    for centre in boxes:
        corner = np.asarray(centre) - EPS
        box = patches.Rectangle(corner, 2 * EPS, 2 * EPS, fill=False)
        box.set(linestyle="--", edgecolor="black", linewidth=1.1)
        axis.add_patch(box)
    if ends is not None:
        axis.plot(*np.asarray(ends).T, color=BLUE, linewidth=1.4, zorder=2)
        axis.plot(*np.asarray(ends).T, "o", color=BLUE, markersize=4)
    shown = PAIR[:1] if ends is None else PAIR
    names = ("$x_i$", "$x_j$")
    for name, place in zip(names, shown, strict=False):
        axis.plot(*place, "o", color="black", markersize=5, zorder=3)
        offset = (-13, -3) if name == "$x_i$" else (6, 4)
        axis.annotate(name, place, offset, textcoords="offset points")
    axis.plot(*found, "*", color=ORANGE, markersize=13, zorder=4)
    axis.set(title=title, xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axis.set(xticks=[0, 1], yticks=[0, 1])
    axis.set_xlabel("pixel 1", labelpad=-8)
    axis.set_ylabel("pixel 2", labelpad=-8)


def main():
    """Draws the figure and prints where it lies."""
    classifier = toy_classifier()
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.7), layout="constrained")
    for axis, panel in zip(axes, panels(classifier), strict=True):
        draw(axis, classifier, *panel)
    TARGET.parent.mkdir(exist_ok=True)
    figure.savefig(TARGET, dpi=110)
    print(TARGET)


if __name__ == "__main__":
    main()
