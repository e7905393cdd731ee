"""The other autoencoder of VarMixup's entries: with a fixed linear path.

The papers' rows have convolutions alone. Rows of this one stand beside them,
so that a page says what the choice changes.
"""

import re

from keras_mixup.reproduce import catalogue

END = "(linear path)"
# Those for which there are flag files.
DATASETS = ("cifar10",)
_NOTE = (
    f"What has {END} behind its name is ours: there the autoencoder has, "
    "beside the convolutions, a fixed linear path filled with the PCA of the "
    "training images. It mixes images almost as pixels are mixed, and the "
    "convolutions alone do not."
)
_CLAIMS = " The last claims say what the choice changes."
_THAN = "than those beside a linear path"


def note(own, claims):
    """Returns a paragraph with what a page says of this autoencoder, a str.

    Args:
        own: str, what it says of the paper's.
        claims: whether the page has claims.
    """
    return f"{own} {_NOTE}{_CLAIMS if claims else ''}"


def label(own):
    """Returns the label of a row or network with this autoencoder, a str.

    Args:
        own: str, that of the paper's, such as "VarMixup + VarMI".
    """
    return re.sub(r"^[\w-]+", rf"\g<0> {END}", own)


def training(flagfile):
    """Returns the flag file of its training, a str.

    Args:
        flagfile: str, that of the paper's, such as
            "varmixup/transfer_varmixup_{dataset}.flags".
    """
    return re.sub("/(transfer_)?", r"\g<0>linear_", flagfile)


def panel(own):
    """Returns the `figures.Panel` that another one becomes by it.

    Args:
        own: `figures.Panel` of the paper.
    """
    return own._replace(
        label=label(own.label),
        training=training(own.training),
        beside=training(own.beside),
        instead_of=own.label,
        datasets=DATASETS,
    )


def choice(rows, what, *columns, end="", lower=False):
    """Returns what the autoencoder changes, a `catalogue.Claim`.

    Args:
        rows: tuple of str, labels of the paper's.
        what: tuple of two str: what convolutions alone make them, and the end
            of the sentence, such as ("more robust", " under SPSA").
        *columns: str, labels.
        end: str, what follows the network's name in rows of a view.
        lower: bool, whether the lower value is the better one.
    """
    pairs = [(f"{row}{end}", f"{label(row)}{end}") for row in rows]
    if lower:
        pairs = [pair[::-1] for pair in pairs]
    better, under = what
    return catalogue.Claim(
        f"Convolutions alone make {' and '.join(rows)} {better} {_THAN}{under}",
        "not in the paper",
        tuple(
            catalogue.Comparison(*pair, column)
            for column in columns
            for pair in pairs
        ),
        ours=True,
    )
