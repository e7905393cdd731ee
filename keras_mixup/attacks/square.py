"""Square Attack: random search with windows, no gradient."""

import typing

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import _active
from keras_mixup.attacks import _square_moves
from keras_mixup.attacks import base
from keras_mixup.threat import ThreatModel

# With so few channels every second small window changes nothing, so that it
# pays to look before asking the model. With three channels few windows do so.
_FEW_CHANNELS = 1


class State(typing.NamedTuple):
    """What the search carries from query to query, one row per image."""

    step: tf.Tensor  # int32 scalar
    images: tf.Tensor  # the best point so far
    loss: tf.Tensor  # [B], lower is better
    broken: tf.Tensor  # bool [B], whether `images` fools the model
    queries: tf.Tensor  # int32 [B]


@registry.register(
    "attack", "square", label="Square", flags={"num_queries": "num_queries"}
)
class Square(base.Attack):
    """Square Attack (Andriushchenko et al., 2020) in L-infinity or L2.

    It changes one window of the image at a time and keeps what lowers the
    loss: the margin of the true class, or the cross-entropy of the target. It
    returns the point of the lowest loss, among those that fool the model if
    there are any. The windows of an image depend on its seed alone.

    Args:
        threat: `ThreatModel`.
        num_queries: int >= 1, the forward passes for each image and restart,
            with the one at the start.
        p_init: float in (0, 1], the share of pixels changed at first.
        num_restarts: int >= 1, the runs.
        rescale_schedule: bool, whether the halvings of that share, published
            for 10,000 queries, are rescaled to `num_queries`. AutoAttack's
            standard version does not rescale them.
        early_stop: bool, whether an image stops once it fools the model, as
            in the paper. Images that are scored on another model, or on a
            randomised one, must use all queries. With it, a gray image that
            its window did not change counts a query without a pass.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:

    >>> attack = Square(ThreatModel("linf", "8/255"), num_queries=1000)
    >>> attack(model, images, labels, seed=0).queries
    """

    uses_gradients = False

    def __init__(
        self,
        threat: ThreatModel,
        num_queries: int = 5000,
        p_init: float = 0.8,
        num_restarts: int = 1,
        rescale_schedule: bool = True,
        early_stop: bool = False,
    ) -> None:
        super().__init__(threat)
        self.num_queries = _checks.check_integer(num_queries, "num_queries")
        self.p_init = _checks.check_number(
            p_init, "p_init", low=0.0, high=1.0, low_open=True
        )
        self.num_restarts = _checks.check_integer(num_restarts, "num_restarts")
        self.rescale_schedule = _checks.check_flag(
            rescale_schedule, "rescale_schedule"
        )
        self.early_stop = _checks.check_flag(early_stop, "early_stop")

    @property
    def name(self) -> str:
        restarts = base.times(self.num_restarts)
        return f"square-{self.num_queries}{restarts}"

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        rows = tf.shape(images)[0]
        seeds = ops.row_seeds(seed, rows)
        aims = ops.label_indices(labels if targets is None else targets)

        def judge(candidates, chosen):
            logits = tf.stop_gradient(model_fn(candidates))
            goals = tf.gather(aims, chosen)
            hit = ops.label_indices(logits) == goals
            if targets is None:
                return -ops.margin(goals, logits), ~hit
            return ops.cross_entropy(goals, logits), hit

        def body(restart, state):
            found = self._search(judge, images, seeds, restart, state)
            return restart + 1, found

        nothing = State(
            tf.constant(0),
            images,
            tf.fill([rows], float("inf")),
            tf.zeros([rows], tf.bool),
            tf.zeros([rows], tf.int32),
        )
        _, state = tf.while_loop(
            lambda restart, _: restart < self.num_restarts,
            body,
            (tf.constant(0), nothing),
            parallel_iterations=1,
            maximum_iterations=self.num_restarts,
        )
        return state.images, 0, state.queries

    def _search(self, judge, images, seeds, restart, before):
        """Returns the state after one more restart."""
        start = _square_moves.start(self.threat, images, seeds, restart)
        loss, broken = judge(start, tf.range(tf.shape(images)[0]))
        done = self._done(before)
        state = State(
            step=tf.constant(0),
            images=ops.select(done, before.images, start),
            loss=tf.where(done, before.loss, loss),
            broken=done | broken,
            queries=before.queries + tf.cast(~done, tf.int32),
        )
        state = self._steps(judge, images, seeds, restart, state)
        worse = ~(done | _better(state.broken, state.loss, before))
        return state._replace(
            images=ops.select(worse, before.images, state.images),
            loss=tf.where(worse, before.loss, state.loss),
            broken=tf.where(worse, before.broken, state.broken),
        )

    def _done(self, state):
        """Returns bool [B], the images that need no more queries."""
        if self.early_stop:
            return state.broken
        return tf.zeros_like(state.broken)

    def _looks_first(self, images):
        """Whether to skip points that the model has judged already."""
        few = images.shape[-1] <= _FEW_CHANNELS
        return self.early_stop and self.threat.norm == "linf" and few

    def _steps(self, judge, images, seeds, restart, state):
        num_steps = self.num_queries - 1
        if num_steps == 0:
            return state
        norm, shape = self.threat.norm, tf.shape(images)
        shares = _square_moves.changed_shares(
            self.num_queries, self.p_init, self.rescale_schedule
        )
        sides = _square_moves.window_side(norm, shares, shape[1:3])
        numbers = _square_moves.numbers_per_step(norm, shape[3])
        uniform = ops.row_uniform(seeds, [num_steps, numbers], restart, 1)

        def body(state):
            done = self._done(state)
            chosen = _active.unfinished_rows(done)
            clean, best = (tf.gather(t, chosen) for t in (images, state.images))
            moved = _square_moves.propose(
                self.threat,
                clean,
                best,
                sides[state.step],
                tf.gather(uniform[:, state.step], chosen),
            )
            if self._looks_first(images):
                same = tf.reduce_all(moved == best, axis=[1, 2, 3])
                kept = _active.unfinished_rows(same | tf.gather(done, chosen))
                chosen, moved = (tf.gather(t, kept) for t in (chosen, moved))
            judged = judge(moved, chosen)
            return (_record(state, done, chosen, moved, *judged),)

        (state,) = tf.while_loop(
            lambda state: ~tf.reduce_all(self._done(state)),
            body,
            (state,),
            parallel_iterations=1,
            maximum_iterations=num_steps,
        )
        return state


def _better(broken, loss, before):
    """Whether a point fools the model first, or has the lower loss."""
    lower = (broken == before.broken) & (loss < before.loss)
    return (broken & ~before.broken) | lower


def _record(state, done, chosen, moved, loss, broken):
    before = state._replace(
        loss=tf.gather(state.loss, chosen),
        broken=tf.gather(state.broken, chosen),
    )
    better = _better(broken, loss, before) & ~tf.gather(done, chosen)
    accepted = tf.boolean_mask(tf.range(tf.shape(chosen)[0]), better)
    rows = tf.gather(chosen, accepted)[:, None]

    def updated(old, new):
        return tf.tensor_scatter_nd_update(old, rows, tf.gather(new, accepted))

    return State(
        step=state.step + 1,
        images=updated(state.images, moved),
        loss=updated(state.loss, loss),
        broken=updated(state.broken, broken),
        queries=state.queries + tf.cast(~done, tf.int32),
    )
