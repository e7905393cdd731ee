"""A study: the numbers, the drawing and the caption of a figure."""

import pathlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Literal
from typing import NamedTuple

import keras

from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup.threat import ThreatModel


class Context(NamedTuple):
    """What the studies of one evaluation have in common.

    Attributes:
        classifier: `keras.Model` from images to logits.
        models: dict name -> model, the classifier first, then its defences.
        pool: `SamplePool`, or None if no figure takes one.
        image_set: `ImageSet`, the examples.
        threat: `ThreatModel`.
        folder: path of the folder of figures, which exists.
        adaptive: bool, whether the attacks also go through the defences.
        adaptive_steps, adaptive_draws: int, steps and draws of the adaptive
            attack, or None for its defaults.
        num_draws: int, draws per prediction.
        mix_weight: the weight of the input in MI-OL.
        combined: (pl_weight, ol_weight, threshold) of MI-Combined.
        batch_size: int.
        eval_seeds: tuple of int.
        attack_seed, seed: int.
        split: str, the examples' split.
        example_eps: float, the radius of Fig. 5.
        vaes: dict title -> autoencoder.
        feature_net: `keras.Model` of features, or None.
        certify_options: dict, arguments of `RandomizedSmoothing.certify`.
        records: callable without arguments that gives the run's `Records`.
        eta_runs: list of (eta, `Records`) of other runs.
        verbose: bool, whether to show a progress bar.
    """

    classifier: keras.Model
    models: dict
    pool: Any
    image_set: data.ImageSet
    threat: ThreatModel
    folder: pathlib.Path
    adaptive: bool = True
    adaptive_steps: int | None = None
    adaptive_draws: int | None = None
    num_draws: int = 30
    mix_weight: _types.MixWeight = 0.5
    combined: tuple = (0.5, 0.4, 0.2)
    batch_size: int = 100
    eval_seeds: tuple = (0,)
    attack_seed: int = 0
    seed: int = 0
    split: str = "test"
    example_eps: float = 16 / 255
    vaes: dict = {}
    feature_net: keras.Model | None = None
    certify_options: dict = {}
    records: Callable = tuple
    eta_runs: tuple = ()
    verbose: bool = False

    def pgd(self) -> attacks.PGD:
        """Returns PGD-10 with steps of eps / 4, as in the papers."""
        step = self.threat.eps / 4 or 0.01
        return attacks.PGD(self.threat, step_size=step, num_steps=10)

    def mixup_inference(self) -> inference.MixupInferenceOL:
        """Returns MI-OL around the classifier."""
        return inference.MixupInferenceOL(
            self.classifier, self.pool, self.mix_weight, self.num_draws
        )

    def specs(self) -> list[evaluation.AttackSpec]:
        """Returns the oblivious attack and, with `adaptive`, that one too."""
        pgd = self.pgd()
        found = [evaluation.AttackSpec(pgd.name, pgd, "oblivious")]
        if self.adaptive:
            attack = attacks.MixupInferenceAttack(
                self.threat,
                "tramer2020",
                num_steps=self.adaptive_steps,
                num_draws=self.adaptive_draws,
            )
            found.append(evaluation.AttackSpec(attack.name, attack, "adaptive"))
        return found

    def evaluate_options(self, name: str) -> dict[str, Any]:
        """Returns the arguments of `evaluate` for the figure `name`."""
        return {
            "batch_size": self.batch_size,
            "eval_seeds": self.eval_seeds,
            "attack_seed": self.attack_seed,
            "example_ids": self.image_set.example_ids,
            "records_path": str(self.folder / f"{name}_records.jsonl"),
            "pool_split": "train",
            "verbose": self.verbose,
        }


class Study:
    """One figure; a subclass writes `make` and `draw`.

    Attributes:
        label: str, the title; registered.
        caption: str, what the figure shows and what it does not show.
        needs_pool, needs_vae: bool, whether `make` reads them.
        needs_defences: bool, whether `make` reads the run's defences.
    """

    label = ""
    caption = ""
    needs_pool = False
    needs_vae = False
    needs_defences = False

    @staticmethod
    def make(context: Context) -> list[_types.Json]:
        """Returns the numbers, a list of dicts of JSON values.

        Args:
            context: `Context`.
        """
        raise TypeError("A study must define `make`.")

    @staticmethod
    def draw(
        rows: Sequence[_types.Json], theme: Literal["light", "dark"] = "light"
    ) -> Any:
        """Returns a `matplotlib.figure.Figure`, or None without rows.

        Args:
            rows: what `make` returned.
            theme: `"light"` or `"dark"`.
        """
        raise TypeError("A study must define `draw`.")
