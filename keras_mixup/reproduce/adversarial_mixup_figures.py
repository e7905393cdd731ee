"""Adversarially optimized mixup (Bunk et al., 2021): paragraphs."""

from keras_mixup.reproduce import adversarial_mixup
from keras_mixup.reproduce import catalogue
from keras_mixup.reproduce import figures

_TABLE_1, _, _TABLE_3, _ = adversarial_mixup.ENTRIES

ENTRIES = (
    figures.Figure(
        "adversarial_mixup/square",
        "Adversarially optimized mixup, what Square found (section 4.3)",
        "stages",
        said="The paper says that in most cases Square, the one attack of "
        "AutoAttack without gradients, found no additional adversarial image. "
        "It prints no counts.",
        claims=(
            catalogue.Claim(
                "On most networks Square finds nothing beyond the attacks by "
                "gradients",
                "section 4.3",
                catalogue.above(
                    "Square broke nothing",
                    "Square broke something",
                    "all networks",
                ),
            ),
        ),
        tables=(_TABLE_1, _TABLE_3),
    ),
    figures.Figure(
        "adversarial_mixup/training_time",
        "Adversarially optimized mixup, training time of Table 1's rows",
        "costs",
        tuple(figures.Panel(row.label, row.training) for row in _TABLE_1.rows),
        "The paper says nothing of it.",
    ),
)
