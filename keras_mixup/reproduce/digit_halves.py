"""Two halves of the digits by class, for the transfer of autoencoders.

VarMixup's Table 3 takes an autoencoder of other images than the classifier's.
Here one half of the classes stands for the first and the other half for the
second.
"""

import numpy as np

from keras_mixup import data

_HALF = 5


def low():
    """Returns the digits 0 to 4, a dict of arrays x_train, y_train, ...."""
    return _half(lambda labels: labels < _HALF, 0)


def high():
    """Returns the digits 5 to 9, with labels 0 to 4, as `low`."""
    return _half(lambda labels: labels >= _HALF, _HALF)


def _half(chosen, first):
    found = {}
    for split in ("train", "test"):
        own = data.load_arrays("digits", split, num_validation=0)
        places = np.flatnonzero(chosen(own.labels))
        found[f"x_{split}"] = own.images[places]
        found[f"y_{split}"] = own.labels[places] - first
    return found
