"""Pure functions, one equation each; the bottom layer of the package.

They run inside compiled steps and check few of their arguments. What calls them
has checked them: attacks, defences and algorithms refuse a bad value by name.
"""

from keras_mixup.ops.ascent import projected_ascent
from keras_mixup.ops.gradients import GradientHealth
from keras_mixup.ops.gradients import GradientWatch
from keras_mixup.ops.gradients import input_gradients
from keras_mixup.ops.gradients import observe
from keras_mixup.ops.hyperplane import step_to_hyperplane
from keras_mixup.ops.label_geometry import geometric_label_weight
from keras_mixup.ops.learned_weight import check_kappa
from keras_mixup.ops.learned_weight import clip_logit
from keras_mixup.ops.learned_weight import logit_from_weight
from keras_mixup.ops.learned_weight import sample_beta_above
from keras_mixup.ops.learned_weight import weight_from_logit
from keras_mixup.ops.losses import cross_entropy
from keras_mixup.ops.losses import difference_of_logits_ratio
from keras_mixup.ops.losses import kl_divergence
from keras_mixup.ops.losses import label_indices
from keras_mixup.ops.losses import label_probabilities
from keras_mixup.ops.losses import log_mean_probability
from keras_mixup.ops.losses import margin
from keras_mixup.ops.losses import probability_margin
from keras_mixup.ops.losses import targeted_difference_of_logits_ratio
from keras_mixup.ops.mix_weight import check_mix_weight
from keras_mixup.ops.mix_weight import mean_mix_weight
from keras_mixup.ops.mix_weight import row_mix_weight
from keras_mixup.ops.mix_weight import sample_mix_weight
from keras_mixup.ops.mixing import mix
from keras_mixup.ops.mixing import random_permutation
from keras_mixup.ops.mixing import sample_beta
from keras_mixup.ops.mmd import MMD_KERNELS
from keras_mixup.ops.mmd import MMD_SCALES
from keras_mixup.ops.mmd import check_scales
from keras_mixup.ops.mmd import mmd_from_kernels
from keras_mixup.ops.mmd import mmd_squared
from keras_mixup.ops.norm_ball import project
from keras_mixup.ops.norm_ball import random_start
from keras_mixup.ops.norm_ball import steepest_direction
from keras_mixup.ops.random import fold_in
from keras_mixup.ops.random import fold_in_each
from keras_mixup.ops.random import row_bits
from keras_mixup.ops.random import row_normal
from keras_mixup.ops.random import row_seeds
from keras_mixup.ops.random import row_uniform
from keras_mixup.ops.random import seed_pair
from keras_mixup.ops.random import unit_interval
from keras_mixup.ops.reconstruction import psnr
from keras_mixup.ops.reconstruction import squared_error
from keras_mixup.ops.resampling import resize
from keras_mixup.ops.resampling import sample_bilinear
from keras_mixup.ops.resampling import sample_nearest
from keras_mixup.ops.selection import select

__all__ = [
    "GradientHealth",
    "GradientWatch",
    "MMD_KERNELS",
    "MMD_SCALES",
    "check_kappa",
    "check_mix_weight",
    "check_scales",
    "clip_logit",
    "cross_entropy",
    "difference_of_logits_ratio",
    "fold_in",
    "fold_in_each",
    "geometric_label_weight",
    "input_gradients",
    "kl_divergence",
    "label_indices",
    "label_probabilities",
    "log_mean_probability",
    "logit_from_weight",
    "margin",
    "mean_mix_weight",
    "mix",
    "mmd_from_kernels",
    "mmd_squared",
    "observe",
    "probability_margin",
    "project",
    "projected_ascent",
    "psnr",
    "random_permutation",
    "random_start",
    "resize",
    "row_bits",
    "row_mix_weight",
    "row_normal",
    "row_seeds",
    "row_uniform",
    "sample_beta",
    "sample_beta_above",
    "sample_bilinear",
    "sample_nearest",
    "sample_mix_weight",
    "seed_pair",
    "select",
    "squared_error",
    "steepest_direction",
    "step_to_hyperplane",
    "targeted_difference_of_logits_ratio",
    "unit_interval",
    "weight_from_logit",
]
