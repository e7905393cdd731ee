"""The 1,797 handwritten digits that scikit-learn carries."""

import numpy as np

from keras_mixup.data import splits
from keras_mixup.data.specs import ImageSet

_NUM_TEST = 500


def read_digits(split):
    """Returns the `"train"` (1,297) or `"test"` (500) split as an `ImageSet`.

    Images are float32 [n, 8, 8, 1] with values k/16; ids are scikit-learn's
    rows. The set has no official test split, so a fixed stratified one is cut.
    """
    # Imported here: scikit-learn alone takes a second to load.
    from sklearn import datasets

    bunch = datasets.load_digits()
    images = (bunch.images[..., None] / 16.0).astype(np.float32)
    labels = bunch.target.astype(np.int32)
    ids = np.arange(len(labels), dtype=np.int64)
    chosen = splits.stratified_choice(labels, ids, _NUM_TEST, "digits/test")
    wanted = chosen if split == "test" else ~chosen
    return splits.take(ImageSet(images, labels, ids), np.flatnonzero(wanted))
