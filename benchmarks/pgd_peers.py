"""PGD by us, by cleverhans and by ART, on one Keras model in one run.

    python -m benchmarks.pgd_peers --classifier=runs/at/final.keras \
        --dataset=digits --eps=0.2 --step_size=0.05 --threads=1

Same images, labels, steps and start (the clean image), so that the images
made, too, may be compared. Each time is taken alternately, in seconds of the
process: other work on the machine does not count. ART's own call looks at the
labels' accuracy before and after; ours and cleverhans' are checked calls.
"""

import time

import keras
import numpy as np

from benchmarks import program
from benchmarks import timing
from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup.data import pipeline

FLAGS = program.Flags(__doc__)
FLAGS.string("classifier", None, "File of a trained classifier.")
FLAGS.of_training("dataset", "data_dir", "norm", eps="8/255")
FLAGS.integer("num_examples", 500, "Test images, class-balanced.", minimum=1)
FLAGS.number("step_size", "2/255", "Step in the same unit.")
FLAGS.integer("num_steps", 50, "Steps.", minimum=1)
FLAGS.integer("rounds", 5, "Counted rounds.", minimum=1)
FLAGS.string("json", None, "Also write the figures to this file.")
FLAGS.runtime()
INSTALL = "pip install adversarial-robustness-toolbox  (make referee does it)"


def main(flags):
    """Prints the table of the three."""
    if not flags.classifier:
        raise ValueError("--classifier=FILE is needed.")
    program.prepare(flags)
    rows = compare(flags)
    print("| PGD by | accuracy % | differing images | CPU s | ratio |")
    print("|---|---:|---:|---:|---:|")
    for row in rows:
        print(
            f"| {row['name']} | {row['accuracy']:.1f} | {row['apart']} | "
            f"{row['seconds']:.2f} | {row['ratio']:.2f} |"
        )
    program.write_figures(FLAGS, flags, rows=rows)


def compare(flags):
    """Returns one dict per implementation, ours first."""
    classifier = keras.saving.load_model(flags.classifier, compile=False)
    examples = data.load_arrays(
        flags.dataset, "test", flags.data_dir, num_examples=flags.num_examples
    )
    images = pipeline.as_float(examples.images)
    labels = np.asarray(examples.labels, "int32")
    functions = makers(flags, classifier, images, labels)
    seconds = timing.interleaved(
        functions, flags.rounds, warm_up=1, clock=time.process_time
    )
    made = {name: function() for name, function in functions.items()}
    ours = made["keras_mixup"]
    return [
        {
            "name": name,
            "accuracy": 100.0 * accuracy(classifier, found, labels),
            "apart": int((np.abs(found - ours) > 1e-4).any((1, 2, 3)).sum()),
            "seconds": float(np.median(seconds[name])),
            "ratio": timing.median_ratio(seconds[name], seconds["keras_mixup"]),
        }
        for name, found in made.items()
    ]


def accuracy(classifier, images, labels):
    """Returns the share of images that are predicted right."""
    logits = classifier.predict(images, batch_size=250, verbose=0)
    return float((logits.argmax(axis=-1) == labels).mean())


def makers(flags, classifier, images, labels):
    """Returns {name: callable that returns adversarial images}."""
    threat = ThreatModel(flags.norm, flags.eps)
    settings = (threat, flags.step_size, flags.num_steps)
    ours = attacks.PGD(*settings, random_start=False)
    theirs = attacks.CleverHansPGD(*settings, random_start=False)

    def ask(attack):
        return attack(classifier, images, labels, seed=0).images.numpy()

    art = art_attack(flags, classifier, len(images))
    return {
        "keras_mixup": lambda: ask(ours),
        "cleverhans": lambda: ask(theirs),
        "ART": lambda: art.generate(images, labels),
    }


def art_attack(flags, classifier, batch_size):
    """Returns ART's PGD on the model, with equal settings.

    Raises:
        ImportError: without ART; the text says how to install it.
    """
    try:
        from art.attacks import evasion
        from art.estimators import classification
    except ImportError as error:
        raise ImportError(f"The comparison needs {INSTALL}.") from error
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    wrapped = classification.TensorFlowV2Classifier(
        lambda images, **options: classifier(images, training=False),
        nb_classes=classifier.output_shape[-1],
        input_shape=classifier.input_shape[1:],
        loss_object=loss,
        clip_values=(0.0, 1.0),
    )
    return evasion.ProjectedGradientDescentTensorFlowV2(
        wrapped,
        norm=np.inf if flags.norm == "linf" else 2,
        eps=flags.eps,
        eps_step=flags.step_size,
        max_iter=flags.num_steps,
        num_random_init=0,
        batch_size=batch_size,
        verbose=False,
    )


if __name__ == "__main__":
    program.run(main, FLAGS)
