"""What both forms of Auto-PGD share: one run, and the choice among runs."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.attacks import _apgd_loop
from keras_mixup.attacks import base

BEST = ("adversarial", "loss")


class AutoPGD(base.Attack):
    """What both forms share: settings, one run, the choice of the iterate."""

    def __init__(self, threat, num_steps, num_restarts, best, early_stop):
        super().__init__(threat)
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_restarts = _checks.check_integer(num_restarts, "num_restarts")
        self.best = _checks.check_choice(best, "best", BEST)
        self.early_stop = _checks.check_flag(early_stop, "early_stop")

    @property
    def drops_broken(self):
        """bool: whether `early_stop` is on."""
        return self.early_stop

    def ascend(self, evaluate, images, seed, start):
        """One run: (images, fooled [B], highest loss [B], passes)."""
        if start is None:
            first = ops.fold_in(seed, 0)
            start = _apgd_loop.first_point(self.threat, images, first)
        else:
            start = ops.project(self.threat, images, start)
        state = _apgd_loop.ascend(
            evaluate,
            self.threat,
            images,
            start,
            self.num_steps,
            self.early_stop,
        )
        found = state.best
        if self.best == "adversarial":
            found = ops.select(state.broken, state.adversarial, state.best)
        return found, state.broken, state.best_loss, state.step

    def best_of(self, num_runs, run, images):
        """Keeps for each image the best of several runs; one graph loop.

        An image that was fooled once keeps what fooled it (with `best="loss"`
        only the loss counts); losses of different targets compare, too, for
        images that no run fools.
        """

        def body(index, best, fooled, loss, passes):
            found, also, value, spent = run(index)
            better = value > loss
            if self.best == "adversarial":
                better = ~fooled & (also | better)
            return (
                index + 1,
                ops.select(better, found, best),
                fooled | also,
                tf.where(better, value, loss),
                passes + spent,
            )

        def unfinished(index, best, fooled, loss, passes):
            if self.early_stop:
                return ~tf.reduce_all(fooled)
            return True

        rows = tf.shape(images)[:1]
        _, best, _, _, passes = tf.while_loop(
            unfinished,
            body,
            (
                tf.constant(0),
                images,
                tf.zeros(rows, tf.bool),
                tf.fill(rows, float("-inf")),
                tf.constant(0),
            ),
            parallel_iterations=1,
            maximum_iterations=num_runs,
        )
        return best, passes
