"""Attacks that know the defence and differentiate through it."""

from typing import Literal

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import _pang2020
from keras_mixup.attacks import _search
from keras_mixup.attacks import base
from keras_mixup.attacks import eot
from keras_mixup.attacks import gradient
from keras_mixup.attacks import pgd

_SEARCH = {
    "num_steps": 100,
    "steps_per_eps": 4,
    "inner": "pgd",
    "losses": ("cross_entropy", "margin"),
    "starts": ("random", "transfer"),
}
# What a recipe fixes, and by its absence what it does not use: the number of
# steps, how many steps long the radius is, the draws per step; then for the
# searches their ascent, losses, starts and the draws that choose the iterate.
RECIPES = {
    # Tramer et al. (2020), their attack on Mixup Inference: 50 steps of
    # 0.5/255 at eps 8/255, each through 15 fresh draws.
    "tramer2020": {"num_steps": 50, "steps_per_eps": 16, "num_draws": 15},
    # Mixup Inference, section 4.3: PGD-10 with steps of 2/255 at eps 8/255.
    "pang2020_paper": {"num_steps": 10, "steps_per_eps": 4, "num_draws": 30},
    "pang2020_released": {"num_steps": 10, "steps_per_eps": 4, "num_draws": 30},
    "eot": {**_SEARCH, "num_draws": 30, "selection_draws": 120},
    "fixed_draws": _SEARCH,
    "transfer": {
        "num_steps": 50,
        "steps_per_eps": 16,
        "losses": ("cross_entropy",),
        "selection_draws": 120,
    },
    "bpda": {"num_steps": 50, "steps_per_eps": 16, "num_draws": 15},
}
_CHOICES = {
    "losses": _search.LOSSES,
    "starts": ("random", "transfer"),
}
# All steps of a run together are at least so many radii long.
_PATH = 2.5
# The steps of a search are spread over so many halvings of the step size.
_STAGES = 5


@registry.register("attack", "mixup_inference_attack")
@registry.register(
    "attack",
    "tramer2020",
    flags={"num_steps": "adaptive_steps", "num_draws": "adaptive_draws"},
    recipe="tramer2020",
)
@registry.register(
    "attack",
    "eot",
    flags={
        "num_steps": "adaptive_steps",
        "num_draws": "adaptive_draws",
        "inner": "adaptive_inner",
    },
    recipe="eot",
)
@registry.register(
    "attack",
    "fixed_draws",
    flags={"num_steps": "adaptive_steps", "inner": "adaptive_inner"},
    recipe="fixed_draws",
)
@registry.register(
    "attack",
    "bpda",
    flags={"num_steps": "adaptive_steps", "num_draws": "adaptive_draws"},
    recipe="bpda",
)
@registry.register(
    "attack",
    "pang2020_paper",
    flags={"num_steps": "adaptive_steps", "num_draws": "adaptive_draws"},
    recipe="pang2020_paper",
)
@registry.register(
    "attack",
    "pang2020_released",
    flags={"num_steps": "adaptive_steps", "num_draws": "adaptive_draws"},
    recipe="pang2020_released",
)
@registry.register(
    "attack",
    "transfer",
    flags={"num_steps": "adaptive_steps"},
    recipe="transfer",
)
class MixupInferenceAttack(base.Attack):
    """Attacks a randomised defence by one of the known recipes.

    - `"tramer2020"` (Tramer et al., 2020, On Adaptive Attacks to Adversarial
      Example Defenses; section on Mixup Inference): from a random start,
      every step draws anew, at the current point, and moves by the sign of
      the gradient of the negative log of the mean probability of the true
      class. Last iterate.
    - `"pang2020_paper"` (Mixup Inference, Eq. 24 and section 4.4): fresh
      samples in each step, the sign of the summed gradients, perturbations
      averaged over the samples. Last iterate.
    - `"pang2020_released"`: the authors' code: samples drawn once, balls
      around the mixed inputs, away from what is predicted there.
    - `"eot"`: searches from a random start and from the strongest transfer
      example, on cross-entropy and on the margin of the log mean
      probability; each image keeps that iterate (starts included) which has
      the largest margin on draws held out from the search. The transfer
      start matters where the draws depend on the predicted label, as in
      MI-PL: the label jumps only when the undefended classifier is fooled,
      and no gradient through the defence says so.
    - `"fixed_draws"`: as `"eot"`, by an attacker who knows the draws with
      which the defence will answer; success is judged with these draws. An
      upper bound on what randomness hides.
    - `"transfer"`: PGD on the undefended classifier, and on whatever
      `defence.transfer_models()` (a dict name -> callable) offers beside it;
      of several the one with the larger margin through the defence.
    - `"bpda"` (Athalye et al., 2018): forward through the defence's inputs,
      backward as if each of them were the image itself.

    Success is judged by the defence itself with draws that the attack has
    never seen (but for `"fixed_draws"`).

    Args:
        threat: `ThreatModel`.
        recipe: one of the above.
        num_steps: int >= 1, of each run; None takes the recipe's.
        num_draws: int >= 1, draws of the defence per step, independent of
            how many the defence itself takes; None takes the recipe's. Not
            for `"fixed_draws"` and `"transfer"`.
        step_size: float >= 0 or a fraction, the first step of a search;
            None takes the recipe's share of eps, or, where few steps of that
            size would not cross the ball, 2.5 eps over their number. APGD
            needs none.
        random_start: bool, whether to start uniformly in the ball.
        inner: `"pgd"` or `"apgd"`, the ascent of the two searches.
        losses: the losses of the two searches, a run for each start and
            loss, or of `"transfer"` for each model: `"cross_entropy"`,
            `"margin"`.
        starts: the starts of the two searches: `"random"`, `"transfer"`.
        selection_draws: int >= 1, the held-out draws; None takes four times
            `num_draws`.

    Raises:
        ValueError: for an unknown recipe, numbers out of range, or settings
            that the recipe does not use.

    Works on every object with the defence protocol: `draw(images, seed)`, a
    dict of tensors [B, N, ...], `predict_from_draws(images, draws)`, the log
    mean probability [B, C], and `num_draws`, N; the two of 2020 and `"bpda"`
    also take `apply(images, draws)`, [N, B, ...], and `classifier`, and
    transfers take `classifier`.
    """

    def __init__(
        self,
        threat,
        recipe: str = "tramer2020",
        num_steps: int | None = None,
        num_draws: int | None = None,
        step_size: float | None = None,
        random_start: bool = True,
        inner: Literal["pgd", "apgd"] | None = None,
        losses=None,
        starts=None,
        selection_draws: int | None = None,
    ):
        super().__init__(threat)
        self.recipe = _checks.check_choice(recipe, "recipe", tuple(RECIPES))
        if num_steps is None:
            num_steps = RECIPES[recipe]["num_steps"]
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        if step_size is None:
            step_size = _step_size(threat.eps, recipe, self.num_steps)
        self.step_size = _checks.check_number(step_size, "step_size", low=0.0)
        self.random_start = _checks.check_flag(random_start, "random_start")
        self.num_draws = self._count(num_draws, "num_draws")
        self.inner = self._used(inner, "inner")
        if self.inner is not None:
            _checks.check_choice(self.inner, "inner", ("pgd", "apgd"))
        self.losses = self._names(losses, "losses")
        self.starts = self._names(starts, "starts")
        self.selection_draws = self._count(selection_draws, "selection_draws")
        self.num_stages = min(_STAGES, self.num_steps)

    def _used(self, value, name):
        """The value or the recipe's; refuses one that it does not use."""
        default = RECIPES[self.recipe].get(name)
        if value is None:
            return default
        expected = f"None, since the recipe {self.recipe!r} does not use it"
        _checks.check(default is not None, name, expected, value)
        return value

    def _count(self, value, name):
        value = self._used(value, name)
        return None if value is None else _checks.check_integer(value, name)

    def _names(self, values, name):
        values, known = self._used(values, name), _CHOICES[name]
        if values is None:
            return None
        okay = isinstance(values, (tuple, list)) and len(values) > 0
        okay = okay and all(values.count(v) == 1 and v in known for v in values)
        expected = f"some of {', '.join(map(repr, known))}, each once"
        _checks.check(okay, name, expected, values)
        return tuple(values)

    @property
    def name(self):
        name = self.recipe
        if self.inner == "apgd":
            name += "-apgd"
        draws = "" if self.num_draws is None else f"x{self.num_draws}"
        return f"{name}-{self.num_steps}{draws}"

    uses_gradients = True

    @property
    def averages_draws(self):
        """bool: whether it takes a mean over the defence's draws."""
        return self.recipe != "transfer"

    @property
    def knowledge(self):
        """str: `"transfer"` or `"adaptive"`, what records say of it."""
        return "transfer" if self.recipe == "transfer" else "adaptive"

    @property
    def knows_draws(self):
        """bool: whether the seed given is that of the defence's draws."""
        return self.recipe == "fixed_draws"

    def plain_attack(self):
        """Returns the `PGD` that does the same to a model without draws."""
        threat, runs, step_size = self.threat, 1, self.step_size
        if self.inner is not None:
            runs = len(self.losses) * len(self.starts)
            step_size = _step_size(threat.eps, "tramer2020", self.num_steps)
        return pgd.PGD(
            threat,
            # Without a ball nothing moves; the step only has to be legal.
            step_size=step_size or 0.01,
            num_steps=self.num_steps,
            num_restarts=runs if self.random_start else 1,
            random_start=self.random_start,
        )

    def target_of(self, model_fn):
        missing = eot.missing_parts(model_fn)
        needed = ("classifier",) if self.recipe != "tramer2020" else ()
        if self.recipe in ("bpda", "pang2020_paper", "pang2020_released"):
            needed = ("apply", *needed)
        missing += [part for part in needed if not hasattr(model_fn, part)]
        _checks.check(
            not missing,
            "model_fn",
            f"a defence with {', '.join((*eot.PROTOCOL, *needed))}",
            model_fn,
            hint=f"It lacks {', '.join(missing)}. Attack a model without "
            "draws by `PGD`.",
        )
        return model_fn

    def run(self, model_fn, images, labels, targets, seed):
        arguments = (self, model_fn, images, labels, targets, seed)
        if self.recipe == "pang2020_paper":
            return _pang2020.paper(*arguments)
        if self.recipe == "pang2020_released":
            return _pang2020.released(self, model_fn, images, targets, seed)
        if self.recipe == "transfer":
            return _search.transfer(*arguments)
        if self.inner is not None:
            return _search.search(*arguments)
        return self._ascend(*arguments[1:])

    def _ascend(self, defence, images, labels, targets, seed):
        answer = eot.log_mean
        passes, asked = eot.cost(defence, self.num_draws)
        if self.recipe == "bpda":
            answer = _inputs_log_mean
            passes = _count_inputs(defence, images, self.num_draws)

        def objective(candidates, seed):
            log_mean = answer(defence, candidates, seed, self.num_draws)
            # Of a log probability, the cross-entropy is its negative.
            return gradient.climbed("cross_entropy", labels, targets, log_mean)

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
        return adversarial, self.num_steps * passes, self.num_steps * asked


def _step_size(eps, recipe, num_steps):
    # Madry et al.'s rule of thumb. Fewer steps of the recipe's size would
    # stay near the start, and any model would look robust.
    share = min(1.0, _PATH / num_steps)
    return eps * max(1.0 / RECIPES[recipe]["steps_per_eps"], share)


def _inputs_log_mean(defence, images, seed, num_draws):
    """The log mean over the defence's inputs; backward through the identity.

    Athalye et al. (2018), Obfuscated Gradients, section 4.1: the gradient at
    each input is taken as the gradient at the image.
    """
    draws = eot.draw_repeatedly(defence, images, seed, num_draws)
    inputs = tf.stop_gradient(defence.apply(images, draws))
    inputs += images - tf.stop_gradient(images)
    logits = _pang2020.input_logits(defence, inputs)
    count = tf.shape(inputs)[0]
    logits = tf.reshape(logits, [count, -1, logits.shape[-1]])
    return ops.log_mean_probability(logits)


def _count_inputs(defence, images, num_draws):
    """Inputs that `apply` makes of an image; a graph prunes all but that."""
    seed = ops.seed_pair(0)
    draws = eot.draw_repeatedly(defence, images[:1], seed, num_draws)
    return tf.shape(defence.apply(images[:1], draws))[0]
