"""PGD and SPSA of cleverhans, with the interface of every other attack.

cleverhans 4.0 predates Keras 3 and NumPy 2. Labels are always given, as
integers: without them it attacks its own prediction, also in targeted mode.
Losses are in float32 on logits. `sanity_checks` stays off, since it crashes
with clip values. SPSA's optimizer, which Keras 3 refuses, is replaced.
"""

import contextlib
import importlib
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import base
from keras_mixup.attacks import pgd
from keras_mixup.attacks import spsa
from keras_mixup.threat import ThreatModel


@registry.register(
    "attack",
    "cleverhans_pgd",
    label="PGD of cleverhans",
    flags={"label_source": "label_source"},
)
class CleverHansPGD(base.Attack):
    """cleverhans' projected gradient descent; starts where `PGD` does.

    Args:
        threat: `ThreatModel`.
        step_size: float > 0 or `"2/255"`, at most `threat.eps`.
        num_steps: int >= 1, the steps.
        random_start: bool, whether to start uniformly in the ball.
        label_source: `"true"` or `"predicted"`, the label that an untargeted
            attack leads away from.

    Raises:
        ValueError: for arguments outside these ranges.
    """

    # An eager loop around one global tf.function of cleverhans.
    compiled = False
    uses_gradients = True

    def __init__(
        self,
        threat: ThreatModel,
        step_size: float | str = 2 / 255,
        num_steps: int = 10,
        random_start: bool = True,
        label_source: Literal["true", "predicted"] = "true",
    ) -> None:
        super().__init__(threat)
        self.step_size = pgd.check_step_size(step_size, threat)
        # Without a ball cleverhans is not called.
        fits = threat.eps == 0.0 or self.step_size <= threat.eps
        expected = f"at most eps = {threat.eps:g} for cleverhans"
        _checks.check(fits, "step_size", expected, step_size)
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.random_start = _checks.check_flag(random_start, "random_start")
        self.label_source = _checks.check_choice(
            label_source, "label_source", pgd.LABEL_SOURCES
        )

    @property
    def name(self) -> str:
        return f"cleverhans-pgd-{self.num_steps}"

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        if self.threat.eps == 0.0:
            return images, 0, 0
        queries = 0
        if targets is None:
            labels = pgd.attack_labels(
                model_fn, images, labels, self.label_source
            )
            queries = int(self.label_source == "predicted")
        module = _cleverhans("projected_gradient_descent")
        seed = ops.fold_in(seed, 0)
        start = ops.random_start(self.threat, images, seed)
        if self._first(model_fn, "gradient"):
            _refuse_without_gradient(model_fn, images)
        with _noise(module, start - images):
            adversarial = module.projected_gradient_descent(
                model_fn,
                images,
                eps=self.threat.eps,
                eps_iter=self.step_size,
                nb_iter=self.num_steps,
                norm=np.inf if self.threat.norm == "linf" else 2,
                loss_fn=_sparse_cross_entropy,
                clip_min=self.threat.bounds[0],
                clip_max=self.threat.bounds[1],
                y=ops.label_indices(labels if targets is None else targets),
                targeted=targets is not None,
                rand_init=self.random_start,
                sanity_checks=False,
            )
        first = start if self.random_start else images
        ops.observe([adversarial - first], [adversarial], [first])
        return adversarial, self.num_steps, queries


@registry.register(
    "attack",
    "cleverhans_spsa",
    label="SPSA of cleverhans",
    flags={"num_steps": "spsa_steps", "num_samples": "spsa_samples"},
)
class CleverHansSPSA(base.Attack):
    """cleverhans' SPSA (Uesato et al., 2018), one image after the other.

    It minimises the logit margin of the true class (or maximises that of the
    target) by Adam on finite differences along random sign vectors. It knows
    L-infinity only, and always starts at random.

    Args:
        threat: `ThreatModel` with norm `"linf"`.
        num_steps: int >= 1, the steps for each image.
        num_samples: even int >= 2, the queries at each step. Half of them
            mirror the other half.
        learning_rate: float > 0, Adam's, in pixel units per step.
        delta: float > 0, the length of the finite differences.
        early_stop: bool, whether an image stops once it fools the model; then
            each step costs one query more, and `queries` is an upper bound.
            Images that are scored on another model must take all steps.
        verbose: 0 for no progress bar, 1 for one.

    Raises:
        ValueError: for arguments outside these ranges.
    """

    compiled = False
    uses_gradients = False

    def __init__(
        self,
        threat: ThreatModel,
        num_steps: int = 20,
        num_samples: int = 128,
        learning_rate: float = 0.01,
        delta: float = 0.01,
        early_stop: bool = False,
        verbose: _types.PythonOnly[Literal[0, 1]] = 1,
    ) -> None:
        super().__init__(threat)
        linf = threat.norm == "linf"
        _checks.check(linf, "threat", "an L-infinity threat for SPSA", threat)
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_samples = spsa.check_pairs(num_samples)
        self.learning_rate = _checks.check_number(
            learning_rate, "learning_rate", low=0.0, low_open=True
        )
        self.delta = _checks.check_number(
            delta, "delta", low=0.0, low_open=True
        )
        self.early_stop = _checks.check_flag(early_stop, "early_stop")
        self.verbose = _checks.check_choice(verbose, "verbose", (0, 1))

    def _trace_anew(self):
        super()._trace_anew()
        # One trace for all images: cleverhans needs a batch of exactly one.
        self._attack_image = tf.function(self._perturb, jit_compile=False)

    @property
    def name(self) -> str:
        return f"cleverhans-spsa-{self.num_steps}x{self.num_samples}"

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        module = _cleverhans("spsa")
        aims = ops.label_indices(labels if targets is None else targets)
        seeds = ops.row_seeds(seed, len(images))
        bar = keras.utils.Progbar(
            len(images), verbose=self.verbose, unit_name="image"
        )
        attacked = []
        for row in range(len(images)):
            attacked.append(
                self._attack_image(
                    module,
                    model_fn,
                    images[row : row + 1],
                    aims[row : row + 1],
                    targets is not None,
                    seeds[row],
                )
            )
            bar.update(row + 1)
        per_step = self.num_samples + int(self.early_stop)
        return tf.concat(attacked, axis=0), 0, self.num_steps * per_step

    def _perturb(self, module, model_fn, image, label, targeted, seed):
        sign = 1.0 if targeted else -1.0

        def loss(candidates, label):
            logits = tf.cast(model_fn(candidates), tf.float32)
            classes = logits.shape[-1]
            return sign * module.margin_logit_loss(logits, label, classes)

        return module.projected_optimization(
            loss,
            image,
            label,
            self.threat.eps,
            self.num_steps,
            _SeededSPSA(module.SPSAAdam, self, ops.fold_in(seed, 1)),
            *self.threat.bounds,
            early_stop_loss_threshold=0.0 if self.early_stop else None,
            project_perturbation=_seeded_projection(
                self.threat, image, ops.fold_in(seed, 0)
            ),
        )


class _SeededSPSA:
    """The optimizer of cleverhans' loop, without Keras, with seeded draws.

    cleverhans subclasses `tf.optimizers.Adam` and passes it `lr`, which
    Keras 3 refuses. Its estimate and its update need only the settings below.
    """

    beta_1 = 0.9
    beta_2 = 0.999
    epsilon = 1e-7
    _num_iters = 1

    def __init__(self, methods, settings, seed):
        self.lr = settings.learning_rate
        self._delta = settings.delta
        self._num_samples = settings.num_samples // 2
        self._methods = methods
        self._seed = seed
        self._step_seed = seed

    def init_state(self, x):
        return self._methods.init_state(self, x)

    def minimize(self, loss_fn, x, optim_state):
        step = tf.cast(optim_state["t"], tf.int64)
        self._step_seed = ops.fold_in(self._seed, step)
        gradients = self._methods._compute_gradients(self, loss_fn, x)
        return self._methods._apply_gradients(self, gradients, x, optim_state)

    def _get_delta(self, x, delta):
        shape = [self._num_samples, *x.shape[1:]]
        coins = tf.random.stateless_uniform(
            shape, self._step_seed, 0, 2, tf.int32
        )
        return delta * (2.0 * tf.cast(coins, tf.float32) - 1.0)


def _seeded_projection(threat, image, seed):
    # cleverhans first projects its unseeded random start. This call swaps
    # that start for a seeded one.
    pending = [ops.random_start(threat, image, seed) - image]

    def project(perturbation, *_, **__):
        if pending:
            perturbation = pending.pop()
        return ops.project(threat, image, image + perturbation) - image

    return project


def _refuse_without_gradient(model_fn, images):
    # A trace tells; cleverhans itself fails far away from the model.
    @tf.function(jit_compile=False)
    def slopes(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = model_fn(images)
        return ops.input_gradients(tape, logits, images)

    slopes.get_concrete_function(images)


@contextlib.contextmanager
def _noise(module, noise):
    # cleverhans draws its start from the global generator and takes no seed.
    drawn = module.random_lp_vector
    module.random_lp_vector = lambda *_, **__: noise
    try:
        yield
    finally:
        module.random_lp_vector = drawn


def _sparse_cross_entropy(labels, logits):
    # One function object, since cleverhans traces per object; float32, since
    # cross-entropy in half precision loses small gradients.
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels, tf.cast(logits, tf.float32)
    )


def _cleverhans(name):
    try:
        return importlib.import_module(f"cleverhans.tf2.attacks.{name}")
    except ImportError as error:
        raise ImportError(
            "This attack needs cleverhans. Install it with: "
            "pip install cleverhans"
        ) from error
