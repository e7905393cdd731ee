"""Loads an exported model with TensorFlow alone, and classifies three digits.

    python examples/load_export.py saved_models/digits

Neither keras_mixup nor Keras takes part: the SavedModel carries the network,
the pool of Mixup Inference and the drawing of its partners. To show it, both
are hidden from this process. Given a model's folder, it loads the newest
version in it, as TensorFlow Serving does.
"""

import contextlib
import importlib.machinery
import os
import pathlib
import sys

HIDDEN = ("keras", "keras_mixup")


class _Finder(importlib.machinery.PathFinder):
    """Python's own finder, blind to `HIDDEN`."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.split(".")[0] in HIDDEN:
            return None
        return super().find_spec(fullname, path, target)


@contextlib.contextmanager
def start_up_notices_hidden():
    """Turns TensorFlow's notices away, which no setting silences."""
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


# An editable installation of keras_mixup adds a finder of its own.
sys.meta_path[:] = [
    _Finder if finder is importlib.machinery.PathFinder else finder
    for finder in sys.meta_path
    if "editable" not in str(finder)
]
with start_up_notices_hidden():
    import numpy as np
    import tensorflow as tf

    tf.config.list_physical_devices()

# Three images of the digits test split, 8x8 pixels of 0 to 16.
DIGITS = {
    6: """
         0  0  0 12 13  0  0  0
         0  0  5 16  8  0  0  0
         0  0 13 16  3  0  0  0
         0  0 14 13  0  0  0  0
         0  0 15 12  7  2  0  0
         0  0 13 16 13 16  3  0
         0  0  7 16 11 15  8  0
         0  0  1  9 15 11  3  0
    """,
    9: """
         0  0 11 12  0  0  0  0
         0  2 16 16 16 13  0  0
         0  3 16 12 10 14  0  0
         0  1 16  1 12 15  0  0
         0  0 13 16  9 15  2  0
         0  0  0  3  0  9 11  0
         0  0  0  0  9 15  4  0
         0  0  9 12 13  3  0  0
    """,
    2: """
         0  0  0  1 14 14  3  0
         0  0  0 10 11 13  8  0
         0  0  0  7  0 13  8  0
         0  0  0  0  7 15  1  0
         0  4  8 12 15  4  0  0
         0  6 16 16  6  0  0  0
         0  0  2 12 12  4  2  0
         0  0  0  1 13 16  5  0
    """,
}


def read_digits():
    """Returns float32 images [3, 8, 8, 1] in [0, 1] and their labels."""
    rows = [text.split() for text in DIGITS.values()]
    images = np.array(rows, "float32").reshape(-1, 8, 8, 1) / 16.0
    return tf.constant(images), list(DIGITS)


def newest_version(folder):
    """Returns `folder` if it is a version, else the largest one in it."""
    folder = pathlib.Path(folder)
    if (folder / "saved_model.pb").is_file():
        return folder
    found = [path for path in folder.glob("*") if path.name.isdigit()]
    if not found:
        sys.exit(f"error: {folder} holds no exported version")
    return max(found, key=lambda path: int(path.name))


def main():
    """Prints what the defended and the bare signature say."""
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/load_export.py FOLDER")
    folder = newest_version(sys.argv[1])
    # Keep the root: signatures of a collected one lose their variables.
    root = tf.saved_model.load(str(folder))
    images, labels = read_digits()
    defended = root.signatures["serving_default"](image=images)
    logits = root.signatures["undefended"](image=images)["logits"]
    foreign = set(HIDDEN) & set(sys.modules)
    print(f"{folder}: {', '.join(sorted(root.signatures))}")
    print(f"TensorFlow {tf.__version__}, imported beside it: {foreign or '-'}")
    print("true label  defended (probability)  undefended")
    for row, label in enumerate(labels):
        guess = int(defended["label"][row])
        probability = float(defended["probabilities"][row, guess])
        bare = int(tf.argmax(logits[row]))
        print(f"{label:10d}  {guess:8d} ({probability:11.2f})  {bare:10d}")
    if foreign:
        sys.exit("error: the export is not independent of keras_mixup")


if __name__ == "__main__":
    main()
