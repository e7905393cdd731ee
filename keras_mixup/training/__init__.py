"""Training algorithms: each a `keras.Model` around a classifier."""

import warnings
from typing import TYPE_CHECKING
from typing import Any

from keras_mixup.training._latent_space import latent_codes
from keras_mixup.training._latent_space import reconstruction_psnr
from keras_mixup.training.adversarial import AdversarialTraining
from keras_mixup.training.adversarial_mixup import AdversarialMixup
from keras_mixup.training.base import Algorithm
from keras_mixup.training.best_model import BestModel
from keras_mixup.training.best_model import read_best
from keras_mixup.training.best_model import save_atomically
from keras_mixup.training.callbacks import MetricsLog
from keras_mixup.training.callbacks import RetraceGuard
from keras_mixup.training.callbacks import StopOnNaN
from keras_mixup.training.callbacks import read_metrics
from keras_mixup.training.checkpoint import Checkpoint
from keras_mixup.training.checkpoint import latest_step
from keras_mixup.training.checkpoint import resume_position
from keras_mixup.training.cutmix import CutMix
from keras_mixup.training.cutmix_adversarial import CutMixAdversarialTraining
from keras_mixup.training.cutmix_adversarial import CutMixTRADES
from keras_mixup.training.directional import DirectionalAdversarialTraining
from keras_mixup.training.early_stopping import EarlyStopping
from keras_mixup.training.erm import ERM
from keras_mixup.training.gaussian_augmentation import GaussianAugmentation
from keras_mixup.training.interpolated import InterpolatedAdversarialTraining
from keras_mixup.training.latent import LatentAdversarialTraining
from keras_mixup.training.manifold import ManifoldMixup
from keras_mixup.training.mix_attack import AttackThenMix
from keras_mixup.training.mix_attack import MixThenAttack
from keras_mixup.training.mixup import Mixup
from keras_mixup.training.mmd_vae import MMDVAETraining
from keras_mixup.training.regmixup import RegMixup
from keras_mixup.training.regularized import CurvatureRegularization
from keras_mixup.training.regularized import LocalLinearityRegularization
from keras_mixup.training.resumable import fit_resumable
from keras_mixup.training.robust_validation import RobustValidation
from keras_mixup.training.schedules import WarmUp
from keras_mixup.training.schedules import make_schedule
from keras_mixup.training.trades import TRADES
from keras_mixup.training.var_mixup import VarERM
from keras_mixup.training.var_mixup import VarInterpolatedAdversarialTraining
from keras_mixup.training.var_mixup import VarMixup
from keras_mixup.training.vertex import AdversarialVertexMixup
from keras_mixup.training.weight_average import EMA
from keras_mixup.training.weight_average import SWA
from keras_mixup.training.weight_average import estimate_batch_norm
from keras_mixup.training.yogi import Yogi

__all__ = [
    "EMA",
    "ERM",
    "SWA",
    "TRADES",
    "AdversarialMixup",
    "AdversarialTraining",
    "AdversarialVertexMixup",
    "Algorithm",
    "AttackThenMix",
    "BestModel",
    "Checkpoint",
    "CurvatureRegularization",
    "CutMix",
    "CutMixAdversarialTraining",
    "CutMixTRADES",
    "DirectionalAdversarialTraining",
    "EarlyStopping",
    "GaussianAugmentation",
    "InterpolatedAdversarialTraining",
    "LatentAdversarialTraining",
    "LocalLinearityRegularization",
    "MMDVAETraining",
    "ManifoldMixup",
    "MetricsLog",
    "MixThenAttack",
    "Mixup",
    "RegMixup",
    "RetraceGuard",
    "RobustValidation",
    "StopOnNaN",
    "VarERM",
    "VarInterpolatedAdversarialTraining",
    "VarMixup",
    "WarmUp",
    "Yogi",
    "estimate_batch_norm",
    "fit_resumable",
    "latent_codes",
    "latest_step",
    "make_schedule",
    "read_best",
    "read_metrics",
    "reconstruction_psnr",
    "resume_position",
    "save_atomically",
]


if not TYPE_CHECKING:  # A checker shall not find what has moved.

    def __getattr__(name: str) -> Any:
        if name == "BestClassifier":
            warnings.warn(
                "`BestClassifier` is deprecated: use `BestModel`.",
                DeprecationWarning,
                stacklevel=2,
            )
            return BestModel
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
