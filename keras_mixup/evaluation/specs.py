"""Which attack is run with which knowledge: one column of the table."""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import attacks as attacks_lib
from keras_mixup.evaluation.records import WORST_CASE
from keras_mixup.evaluation.records import Column
from keras_mixup.evaluation.records import Row
from keras_mixup.inference.protocol import is_defence
from keras_mixup.inference.protocol import is_randomized
from keras_mixup.inference.protocol import undefended

TARGETED = ("none", "random", "second_most_likely")


class AttackSpec(NamedTuple):
    """An attack and what its attacker knows.

    Attributes:
        name: str, the name in records and tables; `"clean"` by custom for no
            attack. What it stands for is kept beside the records.
        attack: an attack object, or None for the clean images.
        knowledge: `"none"` (exactly for no attack), `"oblivious"`: crafted
            once on the undefended classifier and scored on every model;
            `"adaptive"`: crafted anew through each model; or `"transfer"`:
            crafted anew for each defence on other models that it offers.
        targeted: `"none"`, `"random"` (another class, uniformly) or
            `"second_most_likely"` (of the undefended classifier). Accuracy
            is the share of true labels in either mode.
        undefended: the attack that replaces `attack` on models without draws
            in adaptive mode; None takes what the attack names as its
            `plain_attack()`, and `attack` itself if it has none.
    """

    name: str
    attack: Any
    knowledge: str
    targeted: str = "none"
    undefended: Any = None

    @property
    def knows_draws(self) -> bool:
        """Whether the attacker knows with which draws it will be scored."""
        return getattr(self.attack, "knows_draws", False)

    @property
    def facts(self) -> attacks_lib.Facts:
        """`attacks.Facts` of the attack."""
        if isinstance(self.attack, WorstOf):
            return self.attack.facts
        found = attacks_lib.facts_of(self.attack)
        settings, plain = found.settings, self.undefended
        if plain is not None:
            settings = {**settings, "plain": attacks_lib.describe(plain)}
        # An attack that does not ask for the draws is not told them.
        return found._replace(settings=settings, knows_draws=self.knows_draws)

    @property
    def column(self) -> Column:
        """`Column`, as in a record."""
        if self.attack is None:
            return Column(self.name, self.knowledge, None, None)
        threat = self.attack.threat
        return Column(self.name, self.knowledge, threat.norm, threat.eps)

    def targets(
        self,
        labels: _tensors.ArrayLike,
        logits: _tensors.Array,
        seed: _tensors.SeedLike,
    ) -> tf.Tensor | None:
        """Returns the classes that the attack leads to, or None.

        Args:
            labels: int [B], the true ones.
            logits: [B, C], of the undefended classifier on the clean images.
            seed: int or int32 [2], for random targets.
        """
        if self.targeted == "none":
            return None
        if self.targeted == "second_most_likely":
            return attacks_lib.second_most_likely_targets(logits, labels)
        return attacks_lib.random_targets(labels, int(logits.shape[-1]), seed)


class WorstOf(NamedTuple):
    """In the place of an attack: the strongest of several, per example.

    Attributes:
        specs: tuple of `AttackSpec` of one norm and radius.
        selection_seeds: tuple of int, by whose draws it is chosen.
    """

    specs: tuple
    selection_seeds: tuple = ()

    @property
    def threat(self):
        """`ThreatModel` of all of them."""
        return self.specs[0].attack.threat

    @property
    def facts(self):
        """`attacks.Facts`; its settings list the attacks."""
        listed = [list(spec.column) for spec in self.specs]
        seeds = list(self.selection_seeds)
        told = {"attacks": listed, "selection_seeds": seeds}
        return attacks_lib.Facts(
            knows_draws=False, settings=told, worst_case=True
        )


def worst_case_specs(specs, selection_seeds=()):
    """Returns a worst case, an `AttackSpec`, for each norm and radius.

    An attacker who knows the draws is another threat model and left out.
    """
    budgets = {}
    for spec in specs:
        if spec.attack is not None and not spec.knows_draws:
            budgets.setdefault(spec.column.budget, []).append(spec)
    seeds = tuple(selection_seeds)
    return [
        AttackSpec(WORST_CASE, WorstOf(tuple(own), seeds), "adaptive")
        for own in budgets.values()
    ]


def check_specs(attacks, models=()):
    """Returns `attacks` as a list of checked `AttackSpec`.

    Args:
        attacks: list of `AttackSpec` or of tuples (name, attack,
            knowledge, ...).
        models: the models that are attacked.

    Raises:
        ValueError: for none at all, a name given twice with the same
            knowledge and radius, knowledge that does not fit the attack, or
            images that stop when one model errs and go to a defence. Such
            images are weak there, and the defence would look too good.
    """
    expected = "a list of AttackSpec or of tuples (name, attack, knowledge)"
    okay = isinstance(attacks, (list, tuple))
    okay = okay and all(
        isinstance(e, (list, tuple)) and len(e) >= 3 for e in attacks
    )
    _checks.check(okay, "attacks", expected, attacks)
    specs = [AttackSpec(*entry) for entry in attacks]
    _checks.check(specs, "attacks", "at least one attack or None", attacks)
    beside_defence = any(map(is_defence, models))
    for spec in specs:
        _check_spec(spec)
        transferable = spec.facts.transferable is not False
        _checks.check(
            transferable or spec.knowledge == "adaptive" or not beside_defence,
            f"knowledge of {spec.name}",
            '"adaptive" beside a defence',
            spec.knowledge,
            hint="It stops as soon as the attacked model errs, or at its "
            "boundary; what another model is scored on must take all steps.",
        )
    columns = [_as_told(spec.column) for spec in specs]
    twice = sorted(
        {f"{c.attack}, {c.knowledge}" for c in columns if columns.count(c) > 1}
    )
    expected = "free of two attacks with one name, knowledge and radius to six "
    expected += "digits"
    _checks.check(not twice, "attacks", expected, twice)
    return specs


def _as_told(column):
    """Returns a column with the radius that tables and evaluation.json have."""
    eps = column.eps
    return column if eps is None else column._replace(eps=float(f"{eps:.6g}"))


def _check_spec(spec):
    expected = f'other than "{WORST_CASE}", which evaluate makes itself'
    _checks.check(spec.name != WORST_CASE, "name", expected, spec.name)
    known = ("none",)
    if spec.attack is not None:
        known = ("oblivious", "adaptive", "transfer")
        okay = callable(spec.attack) and hasattr(spec.attack, "threat")
        expected = "an attack object with a threat model, or None"
        _checks.check(okay, f"attack of {spec.name}", expected, spec.attack)
    _checks.check_choice(spec.knowledge, f"knowledge of {spec.name}", known)
    _checks.check_choice(spec.targeted, "targeted", TARGETED)


def attack_for(spec, model, draws=False):
    """Returns the attack that `spec` runs against `model`.

    Args:
        spec: `AttackSpec`.
        model: callable from images to logits, or a defence.
        draws: bool, whether a model without `draw` is random by itself.
    """
    attack = spec.attack
    if isinstance(attack, attacks_lib.Attack):
        # One of its own, since an attack is compiled for every model that it
        # meets, and TensorFlow warns of one that meets many.
        attack = attack.rebuilt()
    if draws or is_randomized(model):
        return attack
    if spec.undefended is not None:
        return spec.undefended
    if hasattr(attack, "plain_attack"):
        # Without draws, the average over draws is the model itself.
        return attack.plain_attack()
    return attack


def classifiers(models, model_name="classifier"):
    """Returns (rows, bases): dicts name -> `Row`, model's name -> classifier.

    A defence's classifier has the name that it has among the models, or else
    `model_name`.

    Args:
        models: dict name -> callable from images to logits, or a defence.
        model_name: str.

    Raises:
        ValueError: two classifiers have one name.
    """
    rows, bases = {}, {}
    for name, model in models.items():
        base, rows[name] = undefended(model), Row(name, "none")
        if is_defence(model):
            # The classifier's name comes first.
            held = [key for key, other in models.items() if other is base]
            rows[name] = Row((held or [model_name])[0], name)
        same = bases.setdefault(rows[name].model, base) is base
        expected = "with each defence's classifier among them"
        hint = f"Several classifiers would be called {rows[name].model}."
        _checks.check(same, "models", expected, list(models), hint)
    return rows, bases
