"""Attacks that know the defence and differentiate through it."""

from collections.abc import Sequence
from typing import Literal

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import _pang2020
from keras_mixup.attacks import _search
from keras_mixup.attacks import base
from keras_mixup.attacks import eot
from keras_mixup.attacks import gradient
from keras_mixup.attacks import pgd
from keras_mixup.threat import ThreatModel

_SEARCH = {
    "num_steps": 100,
    "steps_per_eps": 4,
    "inner": "pgd",
    "losses": ("cross_entropy", "margin"),
    "starts": ("random", "transfer"),
}
# The defaults of each recipe; it does not use what it lacks. `steps_per_eps`
# steps cross the radius.
RECIPES: dict[str, dict] = {
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
# The steps of a run add up to at least so many radii.
_PATH = 2.5
# A search has so many stages, each with half the step size of the last.
_STAGES = 5


@registry.register("attack", "mixup_inference_attack", flags={})
@registry.register("attack", "tramer2020", recipe="tramer2020", inner=None)
@registry.register(
    "attack",
    "eot",
    recipe="eot",
    flags={
        "num_steps": "adaptive_steps",
        "num_draws": "adaptive_draws",
        "inner": "adaptive_inner",
    },
)
@registry.register(
    "attack", "fixed_draws", recipe="fixed_draws", num_draws=None
)
@registry.register("attack", "bpda", recipe="bpda", inner=None)
@registry.register(
    "attack", "pang2020_paper", recipe="pang2020_paper", inner=None
)
@registry.register(
    "attack", "pang2020_released", recipe="pang2020_released", inner=None
)
@registry.register(
    "attack", "transfer", recipe="transfer", num_draws=None, inner=None
)
class MixupInferenceAttack(base.Attack):
    """Attacks a randomised defence by one of the known recipes.

    - `"tramer2020"` (Tramer et al., 2020, On Adaptive Attacks to Adversarial
      Example Defenses, on Mixup Inference): PGD on the log mean probability
      of the true class. Each step draws anew, at the current point.
    - `"pang2020_paper"` (Mixup Inference, Eq. 24 and section 4.4): each step
      takes fresh samples, follows the sign of their summed gradients, and
      averages their perturbations.
    - `"pang2020_released"`: the authors' code. Samples are drawn once, balls
      lie around the mixed inputs, and each input is led away from its
      predicted class.
    - `"eot"`: runs from a random start and from the strongest transfer
      example, on the cross-entropy and on the margin of the log mean
      probability. Each image keeps the iterate with the largest margin on
      held-out draws. The transfer start matters where the draws depend on
      the predicted label, as in MI-PL: fooling the undefended classifier
      changes that label, but no gradient through the defence shows it.
    - `"fixed_draws"`: `"eot"` by an attacker who knows the draws with which
      the defence will answer. Success is judged with these draws. This is an
      upper bound on what randomness hides.
    - `"transfer"`: PGD on the undefended classifier and, if the defence has
      `transfer_models()`, on these models too, a dict name -> callable. Each
      image keeps the result with the largest margin through the defence.
    - `"bpda"` (Athalye et al., 2018): forward through the defence's inputs,
      backward as if each of them were the image itself.

    But for `"fixed_draws"`, the defence judges success with draws that the
    attack has not seen.

    Args:
        threat: `ThreatModel`.
        recipe: one of the above. `"eot"` is the strongest on every defence
            that was measured; `"tramer2020"` takes a 16th of its passes and
            leaves up to 16 points more.
        num_steps: int >= 1, the steps of each run. None takes the recipe's.
        num_draws: int >= 1, the draws of the defence at each step, whatever
            number the defence itself takes. None takes the recipe's.
        step_size: float >= 0 or a fraction, the step of PGD, at first. None
            takes the recipe's share of eps, or 2.5 eps / `num_steps` where
            that is longer: the steps must cross the ball.
        random_start: bool, whether to start uniformly in the ball.
        inner: `"pgd"` or `"apgd"`, the ascent of `"eot"` and `"fixed_draws"`.
        losses: tuple of `"cross_entropy"` and `"margin"`. The searches run on
            each loss from each start, `"transfer"` on each loss and model.
        starts: tuple of `"random"` and `"transfer"`, where searches start.
        selection_draws: int >= 1, the held-out draws. None takes 120.

    Raises:
        ValueError: for an unknown recipe, numbers out of range, or settings
            that the recipe does not use.

    A defence has `draw(images, seed)`, a dict of tensors [B, N, ...],
    `predict_from_draws(images, draws)`, the log mean probability [B, C], and
    `num_draws`, N. The two of 2020 and `"bpda"` also need
    `apply(images, draws)`, [N, B, ...]; all recipes but `"tramer2020"` need
    `classifier`.
    """

    def __init__(
        self,
        threat: ThreatModel,
        recipe: str = "tramer2020",
        num_steps: int | None = None,
        num_draws: int | None = None,
        step_size: float | str | None = None,
        random_start: bool = True,
        inner: Literal["pgd", "apgd"] | None = None,
        losses: _types.PythonOnly[
            Sequence[Literal["cross_entropy", "margin"]] | None
        ] = None,
        starts: _types.PythonOnly[
            Sequence[Literal["random", "transfer"]] | None
        ] = None,
        selection_draws: int | None = None,
    ) -> None:
        super().__init__(threat)
        self.recipe = _checks.check_choice(recipe, "recipe", tuple(RECIPES))
        self.averages_draws = recipe != "transfer"
        self.knowledge = "adaptive" if self.averages_draws else "transfer"
        # Then the seed of `run` is that of the defence's own draws.
        self.knows_draws = recipe == "fixed_draws"
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
        """Returns the value or the recipe's; refuses what it does not use."""
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
    def name(self) -> str:
        name = self.recipe
        if self.inner == "apgd":
            name += "-apgd"
        draws = "" if self.num_draws is None else f"x{self.num_draws}"
        name += f"-{self.num_steps}{draws}"
        # The names of the other recipes are in records of release 0.1.
        published = self.recipe.startswith("pang2020") and self.notice
        return f"{name} step {self.step_size:.3g}" if published else name

    @property
    def notice(self) -> str:
        """str: that the step is not the recipe's own; "" where it is."""
        own = self.threat.eps / RECIPES[self.recipe]["steps_per_eps"]
        if abs(self.step_size - own) <= 1e-9:
            return ""
        return (
            f"{self.recipe}: {self.num_steps} steps of {self.step_size:.3g} "
            f"at eps {self.threat.eps:.3g}. The recipe's own are {own:.3g}"
        )

    uses_gradients = True
    num_steps: int

    def plain_attack(self) -> pgd.PGD:
        """Returns the `PGD` that does the same to a model without draws."""
        threat, runs, step_size = self.threat, 1, self.step_size
        if self.inner is not None:
            runs = len(self.losses) * len(self.starts)
            step_size = _step_size(threat.eps, "tramer2020", self.num_steps)
        return pgd.PGD(
            threat,
            step_size=step_size,
            num_steps=self.num_steps,
            num_restarts=runs if self.random_start else 1,
            random_start=self.random_start,
        )

    def target_of(self, model_fn: _tensors.ModelFn) -> _tensors.ModelFn:
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
            hint=f"It lacks {', '.join(missing)}. {_remedy(missing)}",
        )
        return model_fn

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
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
            # Log probabilities are logits: the loss is minus the label's.
            return gradient.climbed("cross_entropy", labels, targets, log_mean)

        start = images
        if self.random_start:
            start_seed = ops.fold_in(seed, 0)
            start = ops.random_start(self.threat, images, start_seed)
        adversarial = gradient.ascend(
            self.threat,
            objective,
            images,
            start,
            self.step_size,
            self.num_steps,
            seed=ops.fold_in(seed, 1),
        )
        return adversarial, self.num_steps * passes, self.num_steps * asked


def _remedy(missing):
    if missing == ["classifier"]:
        return "The recipe tramer2020 needs no classifier."
    return "Attack a model without draws by `PGD`."


def _step_size(eps, recipe, num_steps):
    # Madry et al.'s rule of thumb. Few steps of the recipe's size would stay
    # near the start, and any model would look robust.
    share = min(1.0, _PATH / num_steps)
    return eps * max(1.0 / RECIPES[recipe]["steps_per_eps"], share)


def _inputs_log_mean(defence, images, seed, num_draws):
    """Returns the log mean over inputs, with their gradients for the image's.

    See Athalye et al. (2018), Obfuscated Gradients, section 4.1.
    """
    draws = eot.draw_repeatedly(defence, images, seed, num_draws)
    inputs = tf.stop_gradient(_pang2020.inputs_of(defence, images, draws))
    inputs += images - tf.stop_gradient(images)
    logits = _pang2020.input_logits(defence, inputs)
    count = tf.shape(inputs)[0]
    logits = tf.reshape(logits, [count, -1, logits.shape[-1]])
    return ops.log_mean_probability(logits)


def _count_inputs(defence, images, num_draws):
    """Returns how many inputs `apply` makes of an image."""
    seed = ops.seed_pair(0)
    draws = eot.draw_repeatedly(defence, images[:1], seed, num_draws)
    return tf.shape(defence.apply(images[:1], draws))[0]
