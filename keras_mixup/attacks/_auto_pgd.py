"""What both forms of Auto-PGD share: one run, and the choice among runs."""

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.attacks import _apgd_loop
from keras_mixup.attacks import gradient

BEST = ("adversarial", "loss")


class AutoPGD(gradient.GradientAttack):
    """What both forms share: settings, one run, the choice of the iterate."""

    def __init__(self, threat, num_steps, num_restarts, best, early_stop):
        super().__init__(threat)
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_restarts = _checks.check_integer(num_restarts, "num_restarts")
        self.best = _checks.check_choice(best, "best", BEST)
        self.early_stop = _checks.check_flag(early_stop, "early_stop")

    @property
    def transferable(self):
        """bool: whether all steps are taken on every image."""
        return not self.early_stop

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
        """Returns the best of several runs, and their passes."""
        return gradient.best_of(
            num_runs,
            run,
            images,
            fooled_first=self.best == "adversarial",
            until_fooled=self.early_stop,
        )
