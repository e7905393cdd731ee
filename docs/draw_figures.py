"""Draws docs/figures/*.png: where each algorithm may move a point.

    python docs/draw_figures.py

"Images" of two pixels are points of a plane. A small network is trained on
two classes of such points; then every algorithm prepares one pair with the
library's own code, and the figures show what came out: the boxes in which the
perturbations live and the points that the network would be trained on. One
hidden layer of the network has two units, which make a second plane.
"""

import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from matplotlib import patches

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup import training
from keras_mixup.attacks import PGD
from keras_mixup.training import regularized
from keras_mixup.training import stages

EPS = 0.12
PAIR = np.array([[0.22, 0.30], [0.78, 0.62]], "float32")
IMAGES = tf.constant(PAIR.reshape(2, 1, 2, 1))
WEIGHT = 0.62
BLUE, ORANGE, GREY, GREEN = "#0072b2", "#d55e00", "#777777", "#009e73"
FOLDER = pathlib.Path(__file__).parent / "figures"
ATTACK = PGD(ThreatModel("linf", EPS), EPS / 4, num_steps=20)


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
        keras.layers.Dense(2, activation="tanh", name="stage_1"),
        keras.layers.Dense(16, activation="tanh"),
        keras.layers.Dense(2),
    ]
    classifier = keras.Sequential(layers)
    model = training.ERM(classifier)
    model.compile(keras.optimizers.Adam(0.005))
    model.fit(points, labels, batch_size=50, epochs=45, verbose=0)
    return classifier


def prepare(model):
    """Returns the batch that the algorithm makes of the pair."""
    pairs = {"permutation": tf.constant([1, 0])}
    pairs["mix_weight"] = tf.constant([WEIGHT, 1.0 - WEIGHT])
    drawn = model.draw(2, tf.constant([1, 2]))
    for name in drawn:
        if isinstance(drawn[name], dict):
            drawn[name] = pairs
        elif name in pairs:
            drawn[name] = pairs[name]
    return model.prepare_batch(IMAGES, tf.eye(2), drawn)


def point(values):
    """Returns the first row of a batch as (x, y)."""
    return np.asarray(values)[0].ravel()


def panel(title, boxes=(), line=None, found=(), **more):
    """Returns what `draw` shows: boxes, a segment, stars."""
    return {"title": title, "boxes": boxes, "line": line, "found": found} | more


# === What is in each figure ===


def perturbations(classifier):
    """The adversarially optimized mixup paper's four algorithms."""
    learned = training.AdversarialMixup(classifier, ATTACK, kappa=0.5)
    batch = prepare(learned)
    ends = np.stack([point(batch["left"]), point(batch["right"])])
    found = [point(batch["images"])]
    return [
        adversarial(classifier)[0],
        *mix_and_attack(classifier)[:2],
        panel("AdversarialMixup", PAIR, ends, found),
    ]


def adversarial(classifier):
    """Adversarial training and TRADES: one image at a time."""
    batch = prepare(training.AdversarialTraining(classifier, ATTACK))
    worst, box = point(batch["images"]), [PAIR[0]]
    model = training.TRADES(classifier, ATTACK)
    logits = classifier(IMAGES)
    away = point(
        model._climb({"images": IMAGES, "attack_seed": (1, 2)}, logits)
    )
    return [
        panel("AdversarialTraining", box, found=[worst], names=1),
        panel("1:1, clean_weight=1", box, found=[worst, PAIR[0]], names=1),
        panel("TRADES", box, [PAIR[0], away], [PAIR[0]], names=1),
    ]


def mix_and_attack(classifier):
    """The fixed orders of mixing and attacking."""
    middle = WEIGHT * PAIR[0] + (1.0 - WEIGHT) * PAIR[1]
    first = prepare(training.MixThenAttack(classifier, ATTACK))
    single = prepare(training.AdversarialTraining(classifier, ATTACK))
    ends = np.asarray(single["images"]).reshape(2, 2)
    iat = training.InterpolatedAdversarialTraining(classifier, ATTACK)
    both = prepare(iat)
    mixed = [point(both["images"])]
    halves = [*mixed, point(both["clean_images"])]
    return [
        panel("MixThenAttack", [middle], PAIR, [point(first["images"])]),
        panel("AttackThenMix", PAIR, ends, mixed),
        panel(
            "InterpolatedAdversarialTraining", PAIR, ends, halves, second=PAIR
        ),
    ]


def mixing(classifier):
    """Mixup in the plane of the pixels and in that of a hidden stage."""
    batch = prepare(training.Mixup(classifier))
    encode, _ = stages.split_at_stage(classifier, "stage_1")
    hidden = np.asarray(encode(IMAGES, training=False))
    middle = WEIGHT * hidden[0] + (1.0 - WEIGHT) * hidden[1]
    return [
        panel("Mixup", line=PAIR, found=[point(batch["images"])]),
        panel(
            'ManifoldMixup at "stage_1"',
            line=hidden,
            found=[middle],
            centres=hidden,
        ),
    ]


def baselines(classifier):
    """A hidden stage's box, and two looks at the loss along a line."""
    latent = training.LatentAdversarialTraining(
        classifier, ATTACK, "stage_1", 0.15, 0.02
    )
    encode, _ = stages.split_at_stage(classifier, "stage_1")
    hidden = np.asarray(encode(IMAGES, training=False))
    radius = 0.15 * np.abs(hidden[0] - hidden[1])
    worst = point(prepare(latent)["features"])
    llr = training.LocalLinearityRegularization(classifier, ATTACK)
    offset = prepare(llr)["adversarial_images"] - IMAGES
    _, slope, _ = regularized.input_gradient(classifier, IMAGES, tf.eye(2))
    direction = 0.2 * ops.steepest_direction("l2", tf.sign(slope))
    return [
        panel(
            "LatentAdversarialTraining",
            hidden[:1],
            found=[worst],
            centres=hidden,
            radius=radius,
        ),
        {"title": "LocalLinearityRegularization", "along": offset},
        {"title": "CurvatureRegularization", "along": direction, "far": True},
    ]


FIGURES = {
    "perturbations": perturbations,
    "adversarial_training": adversarial,
    "mix_and_attack": mix_and_attack,
    "mixup": mixing,
    "baselines": baselines,
}


# === Drawing ===


def background(axis, network, low, high):
    """Colours a plane by the network's probability of class 1."""
    across, up = np.meshgrid(
        *(
            np.linspace(a, b, 120, dtype="float32")
            for a, b in zip(low, high, strict=True)
        )
    )
    logits = network(np.stack([across, up], -1).reshape(-1, 2))
    chance = tf.nn.softmax(logits).numpy()[:, 1].reshape(across.shape)
    axis.contourf(across, up, chance, 20, cmap="RdBu_r", alpha=0.28)
    axis.contour(across, up, chance, [0.5], colors=GREY, linewidths=1)
    axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def draw(axis, classifier, shown):
    """Draws one panel, in the plane of the pixels or of a hidden stage."""
    if "along" in shown:
        draw_loss(axis, classifier, shown)
        return
    centres, radius = shown.get("centres", PAIR), shown.get("radius", EPS)
    if "centres" in shown:
        _, decode = stages.split_at_stage(classifier, "stage_1")
        low, high = centres.min(0) - 0.25, centres.max(0) + 0.25
        background(axis, lambda x: decode(x, training=False), low, high)
        axis.set(xlabel="unit 1", ylabel="unit 2")
    else:
        pixels = keras.layers.Reshape((1, 2, 1))
        background(axis, lambda x: classifier(pixels(x)), (0, 0), (1, 1))
        axis.set(xticks=[0, 1], yticks=[0, 1])
        axis.set_xlabel("pixel 1", labelpad=-8)
        axis.set_ylabel("pixel 2", labelpad=-8)
    axis.set(title=shown["title"])
    axis.set_box_aspect(1)
    draw_marks(axis, shown, centres, radius)


def draw_marks(axis, shown, centres, radius):
    """Draws boxes, segments, the pair and the points trained on."""
    for centre in shown["boxes"]:
        corner, size = np.asarray(centre) - radius, 2 * np.ones(2) * radius
        box = patches.Rectangle(corner, *size, fill=False)
        box.set(linestyle="--", edgecolor="black", linewidth=1.1)
        axis.add_patch(box)
    for line in (shown.get("second"), shown["line"]):
        if line is not None:
            axis.plot(*np.asarray(line).T, "o-", color=BLUE, markersize=4)
    names = ("$x_i$", "$x_j$") if "centres" not in shown else ("$h_i$", "$h_j$")
    for name, place in zip(
        names[: shown.get("names", 2)], centres, strict=False
    ):
        axis.plot(*place, "o", color="black", markersize=5, zorder=3)
        offset = (-15, -3) if name == names[0] else (6, 4)
        axis.annotate(name, place, offset, textcoords="offset points")
    for star in shown["found"]:
        axis.plot(*star, "*", color=ORANGE, markersize=13, zorder=4)


def draw_loss(axis, classifier, shown):
    """Draws the first image's loss along a line, and its tangents."""
    share = np.linspace(0.0, 1.25, 80, dtype="float32")
    offset = shown["along"][:1]

    def at(place):
        images = IMAGES[:1] + np.float32(place) * offset
        label = tf.constant([[1.0, 0.0]])
        losses, slope, _ = regularized.input_gradient(classifier, images, label)
        return float(losses[0]), float(tf.reduce_sum(slope * offset))

    losses = [at(t)[0] for t in share]
    axis.plot(share, losses, color="black", label="loss")
    places = (0.0, 1.0) if shown.get("far") else (0.0,)
    for place, color in zip(places, (BLUE, GREEN), strict=False):
        height, slope = at(place)
        axis.plot(
            share,
            height + (share - place) * slope,
            color=color,
            label=f"tangent at {'x' if not place else 'x + h z'}",
        )
    if not shown.get("far"):
        flat, top = sum(at(0.0)), at(1.0)[0]
        axis.plot([1, 1], [flat, top], color=ORANGE, linewidth=3)
        place = (1.02, (flat + top) / 2)
        axis.annotate("g(δ*)", place, fontsize=9)
    end = "x + h z" if shown.get("far") else "x + δ*"
    axis.set(title=shown["title"], xticks=[0, 1], xticklabels=["x", end])
    margin = 0.25 * (max(losses) - min(losses))
    axis.set_ylim(min(losses) - margin, max(losses) + margin)
    axis.set_ylabel("loss")
    axis.set_box_aspect(1)
    axis.legend(loc="upper left", fontsize=8)


def main():
    """Draws every figure and prints where they lie."""
    classifier = toy_classifier()
    FOLDER.mkdir(exist_ok=True)
    for name, content in FIGURES.items():
        panels = content(classifier)
        size = (3.25 * len(panels), 3.5)
        figure, axes = plt.subplots(
            1, len(panels), figsize=size, layout="constrained"
        )
        for axis, shown in zip(axes, panels, strict=True):
            draw(axis, classifier, shown)
        figure.savefig(FOLDER / f"{name}.png", dpi=110)
        plt.close(figure)
        print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
