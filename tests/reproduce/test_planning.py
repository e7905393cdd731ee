"""From entries and scales to jobs: keys, sharing, settings of a scale."""

import pretended
import pytest

from keras_mixup import reproduce
from keras_mixup.reproduce import adapting
from keras_mixup.reproduce import jobs
from keras_mixup.reproduce import planned as plans
from keras_mixup.reproduce import scales

ENTRIES = reproduce.entries()
TABLES = [n for n, e in ENTRIES.items() if isinstance(e, reproduce.Entry)]
DIGITS = scales.find("digits")


def job(**settings):
    values = {"dataset": "digits", "algorithm": "erm", **settings}
    return jobs.Job("train", "a label", values, (), "a.flags", {})


def planned(name, scale=DIGITS):
    return plans.plan(ENTRIES[name], scale)


def test_a_key_tells_settings_and_needed_jobs_and_nothing_else():
    key = job(epochs=3).key
    assert job(epochs="3").key == key
    assert job(epochs=3, data_dir="elsewhere")._replace(label="b").key == key
    assert job(epochs=4).key != key
    vae = job(seed=1)
    needing = job(epochs=3)._replace(needs=(vae,))
    other = job(epochs=3)._replace(needs=(job(seed=2),))
    assert len({key, needing.key, other.key}) == 3


def test_the_border_of_a_crop_is_the_papers_where_images_are_cropped():
    file = "mixup_inference/iat_cifar10.flags"
    for name, expected in (("digits", None), ("cifar10_cpu", "zeros")):
        scale = scales.find(name)
        made = adapting.training(file, scale, 0)
        assert made.settings.get("crop_padding") == expected
        shown = {d.setting for d in adapting.differences(made, scale)}
        assert ("crop_padding" in shown) == (expected is None)


def test_drops_at_the_same_fractions_are_no_difference():
    scale = scales.find("digits")
    made = adapting.training("mixup_inference/iat_cifar10.flags", scale, 0)
    assert made.paper["drops"] != made.settings["drops"]
    shown = {d.setting for d in adapting.differences(made, scale)}
    assert "epochs" in shown and "drops" not in shown
    made.settings["drops"] = (0.5, 0.7)
    shown = {d.setting for d in adapting.differences(made, scale)}
    assert "drops" in shown


def test_tables_share_their_trainings():
    first, second = planned("varmixup/table2_cifar"), planned("varmixup/table5")
    trained = [
        {j.key for j in plan.jobs if j.kind == "train"}
        for plan in (first, second)
    ]
    assert trained[1] < trained[0]
    together = jobs.unique([*first.jobs, *second.jobs])
    assert len(together) < len(first.jobs) + len(second.jobs)
    places = {j.key: i for i, j in enumerate(together)}
    for one in together:
        assert all(places[n.key] < places[one.key] for n in one.needs)


def test_rows_of_one_training_are_attacked_in_one_call():
    found = planned("mixup_inference/table2").jobs_of("Mixup + MI-OL")
    # Behind the training six on validation images, then the two of the table.
    assert [j.kind for j in found] == ["train", *["evaluate"] * 8]
    splits = [j.settings["split"] for j in found[1:]]
    assert splits == [*["validation"] * 6, "test", "test"]
    own, aimed = found[7].settings, found[8].settings
    assert own["defences"][-2:] == (
        "mixup_inference_ol",
        "mixup_inference_combined",
    )
    assert own["pgd_steps"] == aimed["pgd_steps"] == (10, 50, 200)
    assert aimed["targeted"] == "random" and not aimed["adaptive"]


def test_a_scale_keeps_proportions():
    (trained, *_) = planned("mixup_inference/table2").jobs_of("Interpolated AT")
    assert trained.settings["eps"] == pytest.approx(0.1)
    assert trained.settings["step_size"] == pytest.approx(0.025)
    assert trained.settings["drops"] == (0.5, 0.75)
    wide = planned("adversarial_mixup/table3").jobs_of("Baseline")[0]
    assert "width" not in wide.settings


def test_an_autoencoder_without_a_linear_path_has_settings_of_its_own():
    plan = planned("varmixup/table2_cifar")
    found = {}
    for label in ("VarMixup + VarMI", "VarMixup (linear path) + VarMI"):
        vae, trained, _ = plan.jobs_of(label)
        assert trained.needs == (vae,)
        names = ("linear_path", "gamma", "epochs", "learning_rate")
        found[label] = tuple(vae.settings.get(name) for name in names)
        assert plan.cell(label, "through the defence") is not None
    assert list(found.values()) == [
        (False, 0.1, 240, 0.003),
        (None, 1.0, 120, 0.001),
    ]
    assert plan.cell("VarMixup (linear path)", "PGD-10").published is None


def test_it_trains_in_small_batches_at_cifar10_cpu():
    cpu = scales.find("cifar10_cpu")
    plan = planned("varmixup/table2_cifar", cpu)
    found = {}
    for job in plan.jobs:
        if job.settings.get("task") == "vae" and job.settings["seed"] == 0:
            plain = job.settings.get("linear_path") is False
            shown = adapting.differences(job, cpu)
            told = {d.setting: (d.here, d.reason) for d in shown}
            found.setdefault(plain, []).append(told.get("batch_size"))
    assert found[False] == [None, None]
    for size, reason in found[True]:
        assert size == "32" and "convolutions alone" in reason
    (vae, *_) = plan.jobs_of("VarMixup")
    assert vae.settings["gamma"] == 0.01


def test_seeds_have_networks_of_their_own():
    plan = planned("adversarial_mixup/table1", scales.find("cifar10_cpu"))
    cell = plan.cell("Ours", "PGD-20")
    seeds = [e.needs[0].settings["seed"] for e in cell.evaluations]
    assert seeds == [0, 1]


def test_all_rows_of_a_seed_precede_the_next_seed():
    plan = planned("adversarial_mixup/table1", scales.find("cifar10_cpu"))
    seeds = [j.settings["seed"] for j in plan.jobs if j.kind == "train"]
    assert seeds == [0] * 7 + [1] * 7
    some = plan.jobs_of("Attack", "Ours")
    assert len(some) == 12 and all(j in plan.jobs[:21] for j in some[:6])


def test_a_scale_may_have_settings_of_trainings_and_evaluations_with_attacks():
    scale = DIGITS._replace(
        attacked={"epochs": 7},
        attacks={"autoattack": {"adaptive_examples": 3}},
    )
    plan = planned("mixup_inference/table2", scale)
    epochs = {
        j.settings["algorithm"]: j.settings["epochs"]
        for j in plan.jobs
        if j.kind == "train"
    }
    assert epochs == {
        "mixup": 120,
        "erm": 120,
        "interpolated_adversarial_training": 7,
        "adversarial_training": 7,
    }
    drops = planned("adversarial_mixup/table1", scale).jobs[0].settings
    assert drops["drops"] == (0.7, 0.9) and drops["epochs"] == 7
    for name, number in (
        ("adversarial_mixup/table1", 3),
        ("mixup_inference/table2", 100),
    ):
        few = {
            j.settings["adaptive_examples"]
            for j in planned(name, scale).jobs
            if j.kind == "evaluate" and "adaptive_examples" in j.settings
        }
        assert few == {number}


@pytest.mark.parametrize("scale", scales.SCALES.values(), ids=scales.SCALES)
def test_jobs_are_accepted_and_every_deviation_has_a_reason(scale):
    every = [j for e in ENTRIES.values() for j in plans.plan(e, scale).jobs]
    for one in jobs.unique(every):
        one.made(
            **({"vae": "a folder"} if one.kind == "train" and one.needs else {})
        )
        for found in adapting.differences(one, scale):
            assert found.reason, (one.label, found)


def test_the_scale_paper_changes_nothing():
    paper = scales.find("paper")
    for entry in ENTRIES.values():
        for one in plans.plan(entry, paper).jobs:
            assert not adapting.differences(one, paper)


def test_digits_of_transfer_have_no_class_in_common():
    plan = planned("varmixup/table3")
    sets = {
        j.settings["dataset"].rpartition(":")[2]
        for j in plan.jobs
        if j.kind == "train"
    }
    assert sets == {"low", "high"}
    from keras_mixup.reproduce import digit_halves

    low, high = digit_halves.low(), digit_halves.high()
    assert set(low["y_train"]) == set(high["y_test"]) == set(range(5))
    total = sum(len(half["y_train"]) for half in (low, high))
    assert total == 1297


def test_an_unknown_scale_is_named():
    with pytest.raises(ValueError, match='mean "digits"'):
        scales.find("digit")


@pytest.mark.parametrize("name", TABLES)
def test_claims_are_of_the_table_and_true_of_the_papers_numbers(name):
    plan = plans.plan(ENTRIES[name], scales.find("paper"))
    for claim in plan.entry.claims:
        for own in claim.comparisons:
            first = plan.cell(own.row, own.column)
            second = plan.cell(own.other, own.column_of_other)
            assert first is not None and second is not None, own
            if not claim.ours:
                assert first.published.value > second.published.value, own


def test_a_column_may_be_of_some_rows_alone():
    *others, full = pretended.ENTRY.columns
    few = full._replace(rows=("Baseline",))
    plan = pretended.plan(pretended.ENTRY._replace(columns=(*others, few)))
    assert plan.cell("Baseline", "AutoAttack") is not None
    assert plan.cell("Ours, Alg. 4 + 6", "AutoAttack") is None
