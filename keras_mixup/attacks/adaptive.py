"""Attacks that know the defence and differentiate through it."""

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.attacks import base

# What a recipe fixes: the number of steps, the draws per step, and how many
# steps long the radius is.
RECIPES = {
    # Tramer et al. (2020), their attack on Mixup Inference: 50 steps of
    # 0.5/255 at eps 8/255, each through 15 fresh draws.
    "tramer2020": {"num_steps": 50, "num_draws": 15, "steps_per_eps": 16},
}
_PROTOCOL = ("draw", "predict_from_draws", "num_draws")


@keras.saving.register_keras_serializable("keras_mixup")
class MixupInferenceAttack(base.Attack):
    """Ascends the loss of a randomised defence, through the whole defence.

    `"tramer2020"`: from a random start, every step draws anew (classes,
    images and, from the current point, the predicted label that the draws
    exclude or use), takes the gradient of the negative log of the mean
    probability of the true class over the draws, and moves by its sign (in
    L2, along it). The last iterate is returned. Success is judged by the
    defence itself with draws the attack has never seen.

    Args:
        threat: `ThreatModel`.
        recipe: `"tramer2020"` (Tramer et al., 2020, On Adaptive Attacks to
            Adversarial Example Defenses; section on Mixup Inference).
        num_steps: int >= 1; None takes the recipe's.
        num_draws: int >= 1, draws of the defence per step, independent of
            how many the defence itself takes; None takes the recipe's.
        step_size: float >= 0 or a fraction; None takes the recipe's.
        random_start: bool, whether to start uniformly in the ball.

    Raises:
        ValueError: for an unknown recipe or numbers out of range.

    Works on every object with the defence protocol: `draw(images, seed)`, a
    dict of tensors [B, N, ...], `predict_from_draws(images, draws)`, the log
    mean probability [B, C], and `num_draws`, N.
    """

    def __init__(
        self,
        threat,
        recipe="tramer2020",
        num_steps=None,
        num_draws=None,
        step_size=None,
        random_start=True,
    ):
        super().__init__(threat)
        self.recipe = _checks.check_choice(recipe, "recipe", tuple(RECIPES))
        given = RECIPES[recipe]
        if num_steps is None:
            num_steps = given["num_steps"]
        if num_draws is None:
            num_draws = given["num_draws"]
        if step_size is None:
            step_size = threat.eps / given["steps_per_eps"]
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_draws = _checks.check_integer(num_draws, "num_draws")
        self.step_size = _checks.check_number(step_size, "step_size", low=0.0)
        self.random_start = _checks.check_flag(random_start, "random_start")

    @property
    def name(self):
        return f"{self.recipe}-{self.num_steps}x{self.num_draws}"

    def target_of(self, model_fn):
        missing = [part for part in _PROTOCOL if not hasattr(model_fn, part)]
        _checks.check(
            not missing,
            "model_fn",
            f"a defence with {', '.join(_PROTOCOL)}",
            model_fn,
            hint=f"It lacks {', '.join(missing)}. Attack a model without "
            "draws by `PGD`.",
        )
        return model_fn

    def run(self, model_fn, images, labels, targets, seed):
        """Counts `num_draws` gradient passes and one query in each step."""

        def objective(candidates, seed):
            draws = draw_repeatedly(model_fn, candidates, seed, self.num_draws)
            log_mean = model_fn.predict_from_draws(candidates, draws)
            # Of a log probability, the cross-entropy is its negative.
            if targets is None:
                return ops.cross_entropy(labels, log_mean)
            return -ops.cross_entropy(targets, log_mean)

        start = images
        if self.random_start:
            start_seed = ops.fold_in(seed, 0)
            start = ops.random_start(self.threat, images, start_seed)
        adversarial = ops.projected_ascent(
            objective,
            start,
            self.step_size,
            lambda point: ops.project(self.threat, images, point),
            self.num_steps,
            directions=lambda slope: ops.steepest_direction(
                self.threat.norm, slope
            ),
            seed=ops.fold_in(seed, 1),
        )
        return adversarial, self.num_steps * self.num_draws, self.num_steps


def draw_repeatedly(defence, images, seed, num_draws):
    """Draws from a defence as often as the attacker likes.

    Args:
        defence: an object with the defence protocol.
        images: float32 [B, H, W, C]; no gradient flows through the draws.
        seed: int32 [2].
        num_draws: int >= 1; more than `defence.num_draws` are put together
            from several independent calls of `draw`.

    Returns:
        a dict of tensors [B, num_draws, ...].
    """
    calls = -(-num_draws // defence.num_draws)
    rows = tf.shape(images)[0]
    images = tf.stop_gradient(images)
    parts = [
        defence.draw(images, ops.row_seeds(ops.fold_in(seed, call), rows))
        for call in range(calls)
    ]
    return tf.nest.map_structure(
        lambda *tensors: tf.concat(tensors, axis=1)[:, :num_draws], *parts
    )
