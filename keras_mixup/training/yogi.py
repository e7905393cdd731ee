"""Yogi: Adam with a second moment that moves by bounded amounts."""

import numbers
from collections.abc import Sequence
from typing import Any

import keras

from keras_mixup import _checks


@keras.saving.register_keras_serializable("keras_mixup")
class Yogi(keras.optimizers.Optimizer):
    """The optimizer of Zaheer et al. ("Adaptive Methods for Nonconvex
    Optimization", 2018, Algorithm 2).

    With gradient g, at step t:

        m <- beta_1 m + (1 - beta_1) g
        v <- v - (1 - beta_2) sign(v - g^2) g^2
        w <- w - learning_rate m' / (sqrt(v') + epsilon)

    where m' = m / (1 - beta_1^t) and v' = v / (1 - beta_2^t) under
    `bias_correction`, and m, v themselves without it. The defaults are those
    of the pytorch-optimizer project (torch_optimizer/yogi.py), with which the
    adversarially optimized mixup paper trained: bias correction, both moments
    starting at `initial_accumulator`. The listing of the paper has neither:
    `Yogi(bias_correction=False, initial_accumulator=0.0)`.

    `weight_decay` is Keras' own, decoupled from the gradient. The decay of
    that paper is coupled: `Algorithm.compile(l2_penalty=5e-4)`.

    Args:
        learning_rate: float >= 0, or a Keras learning-rate schedule.
        beta_1: float in [0, 1), decay of the first moment.
        beta_2: float in [0, 1), decay of the second moment.
        epsilon: float >= 0, inside the denominator.
        initial_accumulator: float >= 0, where both moments start.
        bias_correction: bool, see above.
        name: str.
        **kwargs: what every Keras optimizer takes: `weight_decay`,
            `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`, ...

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        learning_rate: float
        | keras.optimizers.schedules.LearningRateSchedule = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-3,
        initial_accumulator: float = 1e-6,
        bias_correction: bool = True,
        name: str = "yogi",
        **kwargs: Any,
    ) -> None:
        if isinstance(learning_rate, numbers.Real):
            _checks.check_number(learning_rate, "learning_rate", low=0.0)
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1 = _check_decay(beta_1, "beta_1")
        self.beta_2 = _check_decay(beta_2, "beta_2")
        self.epsilon = _checks.check_number(epsilon, "epsilon", low=0.0)
        self.initial_accumulator = _checks.check_number(
            initial_accumulator, "initial_accumulator", low=0.0
        )
        self.bias_correction = _checks.check_flag(
            bias_correction, "bias_correction"
        )

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the two moments of each variable; Keras calls it."""
        if self.built:
            return
        super().build(variables)
        start = keras.initializers.Constant(self.initial_accumulator)
        self._first, self._second = self.add_optimizer_variables(
            variables, ["first_moment", "second_moment"], initializer=start
        )

    def update_step(
        self, gradient: Any, variable: Any, learning_rate: Any
    ) -> None:
        """Applies the equations above to one variable; Keras calls it."""
        ops, dtype = keras.ops, variable.dtype
        gradient = ops.cast(gradient, dtype)
        index = self._get_variable_index(variable)
        first, second = self._first[index], self._second[index]
        self.assign_add(first, (gradient - first) * (1.0 - self.beta_1))
        square = ops.square(gradient)
        change = ops.sign(second - square) * square * (1.0 - self.beta_2)
        self.assign_sub(second, change)
        rate, denominator = ops.cast(learning_rate, dtype), ops.sqrt(second)
        if self.bias_correction:
            step = ops.cast(self.iterations + 1, dtype)
            rate = rate / _correction(self.beta_1, step)
            denominator /= ops.sqrt(_correction(self.beta_2, step))
        # Without epsilon a weight that had no gradient yet gives 0 / 0.
        update = ops.divide_no_nan(rate * first, denominator + self.epsilon)
        self.assign_sub(variable, update)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; Keras stores them."""
        names = ("beta_1", "beta_2", "epsilon", "initial_accumulator")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "bias_correction": self.bias_correction,
        }


def _check_decay(value, name):
    number = _checks.check_number(value, name, low=0.0)
    _checks.check(number < 1.0, name, "a number in [0, 1)", value)
    return number


def _correction(decay, step):
    # 1 - decay^t, the weight that t averaging steps have gathered.
    return 1.0 - keras.ops.power(keras.ops.cast(decay, step.dtype), step)
