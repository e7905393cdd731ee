"""The reconstructions of autoencoders, against PCA with as many components.

    python -m benchmarks.vae --dataset=digits --vaes=runs/digits-vae,\
runs/digits-vae_adversarial --classifier=runs/digits-erm/classifier.keras
    python -m benchmarks.vae --dataset=cifar10 --data_dir=DIR --vaes=...

PCA (scikit-learn) is fitted on the training images of the first autoencoder's
run; its reconstructions are clipped to [0, 1], which helps it. All numbers
are of the test split:

PSNR: mean over the images of -10 log10(mean squared error), reconstructions
from the mean code. Accuracy: of the classifier on the reconstructions.
Attacked PSNR: decode(mean of x + delta) against x, delta found by sign
ascent on that error. Bend: root mean square of decode((z_i + z_j) / 2) minus
the mean of both decoded images, in % of the root mean square distance of the
two images: 0 would make VarMixup mixup of reconstructions. Spread: standard
deviation of the mean codes over the images, mean over the entries. The prior
has 1; what is missing is the noise of q(z|x), which blurs.

--picture draws pairs of test images, mixed from one to the other: the first
row of each pair mixes pixels, the others the codes of the autoencoders in
their order.
"""

import pathlib

import numpy as np
import tensorflow as tf

from benchmarks import program
from keras_mixup import ops
from keras_mixup.runs import autoencoder
from keras_mixup.studies import autoencoder as pictures

FLAGS = program.Flags(__doc__)
FLAGS.of_training("dataset", "data_dir")
FLAGS.string_list("vaes", "", "Run folders or files of autoencoders.")
FLAGS.string("classifier", None, "A classifier.keras, for the accuracies.")
FLAGS.integer("num_examples", None, "Test images; all.", minimum=2)
FLAGS.integer("attacked", 500, "How many are attacked.", minimum=1)
FLAGS.number("eps", "8/255", "Radius of the attack on reconstructions.")
FLAGS.integer("num_steps", 10, "Its steps, of eps / 4.", minimum=1)
FLAGS.string("picture", None, "Also draw interpolations, to this .png file.")
FLAGS.integer("pairs", 3, "How many pairs it shows.", minimum=1)
FLAGS.string("json", None, "Also write the rows to this file.")
FLAGS.runtime()
_COLUMNS = {
    "psnr": "PSNR, dB",
    "accuracy": "accuracy, %",
    "attacked": "attacked PSNR, dB",
    "bend": "bend, %",
    "spread": "spread",
}


def main(flags):
    """Measures and prints the table."""
    if not flags.vaes:
        raise ValueError("--vaes=PATH is needed.")
    files = [autoencoder.file_of(path) for path in flags.vaes]
    program.prepare(flags)
    from keras_mixup import data

    options = {"data_dir": flags.data_dir}
    train = data.as_float(
        data.load_arrays(flags.dataset, "train", **options).images
    )
    test = data.load_arrays(
        flags.dataset, "test", num_examples=flags.num_examples, **options
    )
    images, labels = data.as_float(test.images), test.labels
    answer = _classifier(flags.classifier)
    rows, sizes = [], set()
    print(f"{flags.dataset}, {len(labels)} test images, eps {flags.eps:.4f}\n")
    print(f"| | {' | '.join(_COLUMNS.values())} |")
    print(f"|---|{'---:|' * len(_COLUMNS)}", flush=True)

    def add(name, restored, **more):
        row = {"name": name, "psnr": float(np.mean(ops.psnr(images, restored)))}
        if answer is not None:
            hits = np.argmax(answer(restored), axis=-1) == labels
            row["accuracy"] = float(100.0 * np.mean(hits))
        rows.append({**row, **more})
        _print(rows[-1])

    add("images as they are", images)
    vaes = {str(file): autoencoder.load(str(file)) for file in files}
    for name, vae in vaes.items():
        if vae.latent_size not in sizes:
            sizes.add(vae.latent_size)
            components = f"PCA, {vae.latent_size} components"
            add(components, pca(train, images, vae.latent_size))
        some = images[: flags.attacked]
        attacked = attacked_psnr(vae, some, flags.eps, flags.num_steps)
        more = {"bend": bend(vae, images), "spread": spread(vae, images)}
        add(name, _restore(vae, images), attacked=attacked, **more)
    if flags.picture:
        grid = mixed(list(vaes.values()), images[: 2 * flags.pairs])
        pictures.write_grid(pathlib.Path(flags.picture), grid)
    program.write_figures(FLAGS, flags, rows=rows)


def pca(train, images, components):
    """Returns scikit-learn's reconstructions of `images`, clipped.

    Args:
        train: float32 [N, H, W, C], what it is fitted on.
        images: float32 [M, H, W, C].
        components: int.
    """
    from sklearn import decomposition

    solver = "full" if train[0].size <= 1000 else "covariance_eigh"
    model = decomposition.PCA(components, svd_solver=solver)
    model.fit(train.reshape(len(train), -1))
    codes = model.transform(images.reshape(len(images), -1))
    restored = model.inverse_transform(codes).clip(0.0, 1.0)
    return restored.reshape(images.shape).astype("float32")


def attacked_psnr(vae, images, eps, num_steps, batch_size=100):
    """Returns the PSNR in dB of reconstructions of attacked images.

    Args:
        vae: `models.MMDVAE`.
        images: float32 [N, H, W, C].
        eps: float, radius in L-infinity.
        num_steps: int, of size eps / 4, from a random start.
        batch_size: int.
    """
    from keras_mixup import ThreatModel
    from keras_mixup import attacks
    from keras_mixup import training

    threat = ThreatModel("linf", eps)
    attack = attacks.PGD(threat, step_size=eps / 4, num_steps=num_steps)
    perturb = training.MMDVAETraining(vae, attack=attack).perturb
    run = tf.function(perturb, autograph=False, reduce_retracing=True)
    values = []
    for start in range(0, len(images), batch_size):
        clean = tf.constant(images[start : start + batch_size])
        found = run(clean, ops.fold_in(ops.seed_pair(0), start))
        values.append(ops.psnr(clean, vae(found)).numpy())
    return float(np.mean(np.concatenate(values)))


def bend(vae, images):
    """Returns how far decoding is from linear, in %; see the module's text."""
    first, second = images[0::2], images[1::2]
    count = min(len(first), len(second), 1000)
    codes = [vae.encode(v[:count])[0] for v in (first, second)]
    middle = vae.decode((codes[0] + codes[1]) / 2.0)
    mean = (vae.decode(codes[0]) + vae.decode(codes[1])) / 2.0
    off = np.sqrt(np.mean((middle - mean) ** 2))
    apart = np.sqrt(np.mean((first[:count] - second[:count]) ** 2))
    return float(100.0 * off / apart)


def spread(vae, images):
    """Returns the mean deviation of the mean codes; see the module's text."""
    codes = vae.encode(images[:1000])[0].numpy()
    return float(np.mean(np.std(codes, axis=0)))


def mixed(vaes, images):
    """Returns rows of images: pairs, mixed as pixels and by each autoencoder.

    Args:
        vaes: list of `models.MMDVAE`.
        images: float32 [2 N, H, W, C], N pairs.

    Returns:
        list of N (1 + len(vaes)) float32 [9, H, W, C].
    """
    found = [pictures.interpolations(vae, images) for vae in vaes]
    rows = []
    for place in range(0, len(images), 2):
        rows.append(found[0][place + 1])
        rows += [own[place] for own in found]
    return rows


def _restore(vae, images):
    run = tf.function(vae, autograph=False, reduce_retracing=True)
    parts = np.array_split(images, max(1, len(images) // 250))
    return np.concatenate([run(tf.constant(part)).numpy() for part in parts])


def _classifier(path):
    if path is None:
        return None
    import keras

    model = keras.saving.load_model(path, compile=False)
    return lambda images: model.predict(images, batch_size=250, verbose=0)


def _print(row):
    values = [row.get(name) for name in _COLUMNS]
    cells = ["" if v is None else f"{v:.2f}" for v in values]
    cells[0] = cells[0] if row["psnr"] < 99.0 else ""
    print(f"| {row['name']} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    program.run(main, FLAGS)
