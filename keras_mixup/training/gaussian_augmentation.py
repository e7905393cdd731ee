"""Training on noisy images, as randomized smoothing needs it."""

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import base


@registry.register(
    "algorithm", "gaussian_augmentation", label="Gaussian augmentation"
)
class GaussianAugmentation(base.Algorithm):
    """Minimises the cross-entropy on images with Gaussian noise.

    x~ = x + N(0, stddev^2), not clipped, fresh at every step (Cohen et al.,
    "Certified Adversarial Robustness via Randomized Smoothing", 2019, section
    3.3). Give `inference.RandomizedSmoothing` the same `stddev`. Validation
    and test measure on clean images. A step costs one classifier pass.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        noise_stddev: float >= 0, sigma in pixel units of [0, 1].
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        noise_stddev: float = 0.25,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(classifier, seed=seed, name=name)
        self.noise_stddev = _checks.check_number(
            noise_stddev, "noise_stddev", low=0.0
        )

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns {"noise_seed": int32 [2]}."""
        return {"noise_seed": ops.fold_in(seed, 0)}

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the noisy images and the targets as they are."""
        noise = noise_like(images, draws["noise_seed"])
        noisy = images + self.noise_stddev * noise
        return {"images": noisy, "targets": targets}


def noise_like(images, seed):
    """Returns standard normal noise of the images' shape."""
    return tf.random.stateless_normal(tf.shape(images), seed)
