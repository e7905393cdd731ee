"""Figures and paragraphs: as data, as jobs, and what their pages show."""

import json
import re
import shlex

import numpy as np
import pretended
import pytest

from keras_mixup import _files
from keras_mixup import reproduce
from keras_mixup import runs
from keras_mixup import studies
from keras_mixup.attacks import AttackPart
from keras_mixup.cli import evaluate
from keras_mixup.cli import train
from keras_mixup.reproduce import adapting
from keras_mixup.reproduce import document
from keras_mixup.reproduce import figure_pages
from keras_mixup.reproduce import linear_toy
from keras_mixup.reproduce import measuring
from keras_mixup.reproduce import pages
from keras_mixup.reproduce import planned
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import statistics
from keras_mixup.reproduce import store as store_lib
from keras_mixup.reproduce import views

DIGITS = scales.find("digits")
FIGURES = {
    name: entry
    for name, entry in reproduce.entries().items()
    if isinstance(entry, reproduce.Figure)
}
NETWORKS = ["Mixup", "VarMixup", "adv-VarMixup"]
PROGRAMS = {
    "train": (train, runs.TrainSettings),
    "evaluate": (evaluate, runs.EvaluateSettings),
}


def plan(name, scale=DIGITS):
    return planned.plan(reproduce.find(name), scale)


def keys(name, kind):
    return {job.key for job in plan(name).jobs if job.kind == kind}


@pytest.mark.parametrize("name", FIGURES)
def test_every_panel_has_commands_that_are_accepted(name):
    figure, trained = FIGURES[name], {}
    assert name in figure.name and figure.source in figure.text
    for panel in figure.panels:
        for command in figure.commands(panel):
            _, program, *arguments = shlex.split(command)
            module, kind = PROGRAMS[program]
            flags = module.make_flags().parse([program, *arguments])
            settings = flags.settings(kind)
            (run_dir,) = re.findall(r"--run_dir=(\S+)", command)
            if program == "train":
                trained[run_dir] = settings
                assert settings.vae is None or settings.vae in trained
            else:
                assert run_dir in trained
                second = settings.adv_vae
                assert second is None or second in trained


def test_a_network_of_another_setting_has_a_folder_of_its_own():
    figure = reproduce.find("varmixup/fig6a")
    (panel,) = (p for p in figure.panels if p.label == "Mixup, η 0.25")
    trained, scored = figure.commands(panel)
    place = "--run_dir=runs/varmixup-mixup_cifar10-alpha-0-25"
    assert place in trained and trained.endswith("--alpha=0.25")
    assert scored.endswith(place)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("scale", scales.SCALES)
def test_every_figure_has_a_plan_and_commands_by_hand(name, scale):
    found = plan(name, scales.find(scale))
    for job in found.jobs:
        _, command, *arguments = shlex.split(pages.shell(job))
        module, kind = PROGRAMS[command]
        module.make_flags().parse([command, *arguments]).settings(kind)
    rows = {c.row for claim in found.entry.claims for c in claim.comparisons}
    assert rows or not found.entry.claims


@pytest.mark.parametrize(
    ("figure", "table"),
    [
        ("mixup_inference/fig2", "mixup_inference/table2"),
        ("varmixup/fig4", "varmixup/table2_cifar"),
        ("varmixup/overhead", "varmixup/table2_cifar"),
        ("adversarial_mixup/training_time", "adversarial_mixup/table1"),
    ],
)
def test_trainings_are_those_of_the_tables(figure, table):
    assert keys(figure, "train") <= keys(table, "train")


@pytest.mark.parametrize(
    ("entry", "tables"),
    [
        ("varmixup/fig1", ["varmixup/table2_cifar"]),
        (
            "adversarial_mixup/square",
            ["adversarial_mixup/table1", "adversarial_mixup/table3"],
        ),
    ],
)
def test_what_a_table_attacked_is_not_attacked_again(entry, tables):
    known = set().union(*(keys(name, "evaluate") for name in tables))
    assert keys(entry, "evaluate") <= known


def test_eta_1_is_the_network_of_the_table():
    found = plan("varmixup/fig6a").panels
    (job,) = found["Mixup, η 1"]
    assert job.needs[0].key in keys("varmixup/table2_cifar", "train")
    (other,) = found["Mixup, η 4"]
    assert other.needs[0].settings["alpha"] == 4.0
    assert other.needs[0].paper["alpha"] == 4.0
    assert other.needs[0].key not in keys("varmixup/table2_cifar", "train")


def test_data_sets_with_one_stand_in_are_one():
    ours = ["VarMixup (linear path)", "adv-VarMixup (linear path)"]
    assert list(plan("varmixup/fig4").panels) == [*NETWORKS, *ours]
    both = plan("varmixup/fig4", scales.find("paper")).panels
    assert [label for label in both if label.endswith(", cifar100")] == [
        f"{label}, cifar100" for label in NETWORKS
    ]
    # Its flag files are of CIFAR-10 alone.
    assert len(both) == 8 and set(ours) < set(both)


@pytest.mark.parametrize("name", [n for n in FIGURES if "varmixup/" in n])
def test_networks_by_another_autoencoder_stand_beside_the_papers(name):
    panels = {panel.label: panel for panel in FIGURES[name].panels}
    latent = {label for label in panels if "VarMixup" in label}
    ours = {p.instead_of: p for p in panels.values() if p.instead_of}
    assert ours and set(ours) == {n for n in latent if "linear" not in n}
    for label, own in ours.items():
        first = FIGURES[name].commands(own)[0]
        assert "/linear_vae" in first
        assert "linear" not in " ".join(FIGURES[name].commands(panels[label]))
        found, papers = (plan(name).panels[n][0] for n in (own.label, label))
        changed = {n for n, v in found.paper.items() if papers.paper[n] != v}
        assert changed <= {"vae"} and found.key != papers.key


def test_a_second_autoencoder_comes_first_and_is_found(tmp_path):
    store, found = store_lib.Store(tmp_path), plan("varmixup/fig7")
    (job,) = found.panels["VarMixup"]
    second = job.needs[1]
    assert second.settings["task"] == "vae" and second.settings["eps"] == 0.1
    order = [own.key for own in found.jobs]
    assert order.index(second.key) < order.index(job.key)
    places = store.places(job)
    assert places == {"adv_vae": str(store.folder(second))}
    assert f"--adv_vae=runs/{second.key}" in pages.shell(job)
    # Where it lies is no part of what the job is.
    assert job._replace(settings={**job.settings, **places}).key == job.key
    assert job._replace(needs=job.needs[:1]).key != job.key


def test_settings_of_figures_are_the_scales():
    def settings(name, scale="digits"):
        (job,) = next(iter(plan(name, scales.find(scale)).panels.values()))
        return job.settings

    assert settings("mixup_inference/fig3a")["figure_examples"] == 500
    assert settings("mixup_inference/fig3a", "paper")["figure_examples"] == 1000
    assert "adaptive_steps" not in settings("mixup_inference/fig4")
    assert settings("mixup_inference/fig3b")["adaptive_steps"] == 20
    assert settings("mixup_inference/fig5")["figure_eps"] == pytest.approx(0.2)
    found = settings("mixup_inference/fig5", "paper")["figure_eps"]
    assert found == pytest.approx(16 / 255)


def test_what_changes_nothing_is_no_difference():
    def shown(name):
        found = adapting.differences(plan(name).jobs[-1], DIGITS)
        return {d.setting for d in found if d.setting.startswith("adaptive")}

    assert shown("mixup_inference/fig2") == set()
    both = {"adaptive_steps", "adaptive_draws"}
    assert shown("mixup_inference/fig3b") == both
    assert shown("varmixup/fig6b") == {*both, "adaptive_examples"}


def finish(store, name, rows):
    """Pretends that all jobs of a figure are done, with rows of its study."""
    for job in plan(name).jobs:
        pretended.finish(job, store)
        for study in job.settings.get("figures", ()):
            folder = store.folder(job) / _files.STUDIES
            folder.mkdir(exist_ok=True)
            _files.write_lines(folder / f"{study}.jsonl", rows)
    return results(store, name)


def results(store, name):
    return planned.results(plan(name), store, measuring.Reader(store))


@pytest.fixture
def store(tmp_path):
    return store_lib.Store(tmp_path)


def curve(kind, gain):
    """A point of Fig. 2: 30 attacked images, each of which gains so much."""
    names = ("clean_f", "clean_mi", "f_true", "mi_true", "f_predicted")
    names += ("mi_predicted", "detection_gap", "condition")
    parts = [
        f"{part}_{end}"
        for part in ("gain", "transfer", "shrinkage", "bound")
        for end in ("true", "predicted")
    ]
    spread = np.linspace(-0.01, 0.01, 30)
    return {
        "defence": kind,
        "mix_weight": 0.5,
        **dict.fromkeys((*names, *parts), 0.5),
        "values": {
            "image": list(range(30)),
            "change_true": (gain + spread).tolist(),
            "change_predicted": (spread - gain).tolist(),
            "condition": [gain > 0] * 30,
        },
    }


def test_claims_of_fig2_are_tested_on_single_images(store):
    rows = [curve("MI-PL", -0.1), curve("MI-OL", 0.1)]
    found = finish(store, "mixup_inference/fig2", rows)
    assert [v.word for v in found.verdicts] == [
        "does not hold",
        "holds",
        "holds",
    ]
    first = found.verdicts[1].compared[0]
    assert first.first == pytest.approx(0.1) and first.second == 0.0
    text = document.to_markdown("Fig. 2", planned.blocks(found))
    assert "difference +0.100" in text and "(30 images, p < 0.001)" in text
    assert "| Mixup | MI-OL | 0.5 | 0.500 |" in text
    assert (
        "fig2 of mixup" in text
        and "![Mixup](mixup_inference-fig2-1.png)" in text
    )


def test_a_page_has_its_drawing_inside_and_is_small(store):
    pytest.importorskip("matplotlib")
    rows = [curve("MI-PL", -0.1), curve("MI-OL", 0.1)]
    found = finish(store, "mixup_inference/fig2", rows)
    (drawn,) = figure_pages.drawings(found)
    assert drawn.png[:4] == b"\x89PNG" and len(drawn.png) < 100_000
    html = document.to_html("Fig. 2", planned.blocks(found))
    assert 'src="data:image/png;base64,' in html and "<link" not in html
    # The same rows make the same file.
    assert figure_pages.drawings(found) == [drawn]


def test_numbers_of_a_figure_are_json(store):
    found = finish(store, "mixup_inference/fig2", [curve("MI-OL", 0.1)])
    told = json.loads(json.dumps(figure_pages.as_json(found)))
    assert told["header"][:3] == ["network", "MI", "λ"]
    assert told["rows"][0][:3] == ["Mixup", "MI-OL", "0.5"]
    assert list(told["panels"]) == ["Mixup"]


def test_before_all_panels_are_there_nothing_is_decided(store):
    name = "varmixup/fig4"
    for job in plan(name).panels["Mixup"][0].in_order:
        pretended.finish(job, store)
        folder = store.folder(job) / _files.STUDIES
        folder.mkdir(exist_ok=True)
        _files.write_lines(folder / "varmixup_fig4.jsonl", [error("none", 0.2)])
    found = results(store, name)
    assert {v.word for v in found.verdicts} == {"not measured"}
    text = document.to_markdown("Fig. 4", planned.blocks(found))
    assert "| Mixup | 0.1 | 0.200 | 20 |" in text and "not yet" in text


def error(draws, mean):
    return {
        "model": "net",
        "draws": draws,
        "eps": 0.1,
        "error": mean,
        "num_examples": 20,
        "values": np.linspace(0.9 * mean, 1.1 * mean, 20).tolist(),
    }


def test_lower_errors_are_claimed_the_right_way_round(store):
    finish(store, "varmixup/fig4", [error("none", 0.2), error("held", 0.1)])
    for label, mean in (("VarMixup", 0.1), ("adv-VarMixup", 0.05)):
        (job,) = plan("varmixup/fig4").panels[label]
        path = store.folder(job) / _files.STUDIES / "varmixup_fig4.jsonl"
        _files.write_lines(path, [error("none", mean), error("held", mean)])
    found = results(store, "varmixup/fig4")
    # Less than mixup's; with VarMI the same as without. The networks with a
    # linear path have the errors of mixup.
    words = ["holds", "not decided", "holds"]
    assert [v.word for v in found.verdicts] == words


def test_a_second_drawing_has_ours_in_the_places_of_the_papers(store):
    pytest.importorskip("matplotlib")
    name, rows = "varmixup/fig4", [error("none", 0.2), error("held", 0.1)]
    found = finish(store, name, rows)
    shown = figure_pages.drawings(found)
    assert [(own.name, own.text) for own in shown] == [
        ("varmixup-fig4-1", "Mixup, VarMixup, adv-VarMixup"),
        (
            "varmixup-fig4-2",
            "Mixup, VarMixup (linear path), adv-VarMixup (linear path)",
        ),
    ]
    # Without them the figure is the paper's.
    made = {label: found.made[label] for label in NETWORKS}
    (only,) = figure_pages.drawings(found._replace(made=made))
    assert only == shown[0]


def distances(samples, distance, values=True):
    """A bar of Fig. 5: 40 mixed images, whose values scatter."""
    row = {
        "samples": samples,
        "features": "net",
        "kernel_distance": distance,
        "frechet_distance": 1.0,
        "num_images": 40,
    }
    if values:
        row["values"] = (distance + np.linspace(-0.5, 0.5, 40)).tolist()
    return row


@pytest.mark.parametrize(
    ("latent", "values", "word"),
    [
        ((0.4, 0.6), True, "holds"),
        ((0.4, 0.1), True, "does not hold"),
        ((0.4, 0.2), True, "not decided"),
        ((0.4, 0.6), False, "not measured"),
    ],
)
def test_images_farther_from_the_data_are_claimed(store, latent, values, word):
    rows = [distances("mixup", 0.2, values)]
    rows += [
        distances(name, distance, values)
        for name, distance in zip(
            ("VarMixup", "adv-VarMixup"), latent, strict=True
        )
    ]
    found = finish(store, "varmixup/fig5", rows)
    # Both networks see these rows.
    assert [v.word for v in found.verdicts] == [word, word]
    compared = [v.claim.comparisons[0] for v in found.verdicts]
    assert [own.column for own in compared] == [
        "VarMixup, kernel distance",
        "VarMixup (linear path), kernel distance",
    ]
    text = document.to_markdown("Fig. 5", planned.blocks(found))
    assert ("adds to the kernel distance" in text) and word in text


def scores(detector, attack, knowledge, clean, attacked):
    return {
        "detector": detector,
        "attack": attack,
        "knowledge": knowledge,
        "auc": 0.5,
        "detected": 0.1,
        "undetected": 0.2,
        "false_positives": [0.0, 1.0],
        "true_positives": [0.0, 1.0],
        "false_positive_rate": 0.05,
        "values": {"clean": clean, "attacked": attacked},
    }


def test_detectors_are_compared_by_their_curves(store):
    low = np.linspace(0.0, 0.5, 40).tolist()
    high = np.linspace(0.4, 1.0, 40).tolist()
    rows = [
        scores("MI-PL", "pgd-10", "oblivious", low, high),
        scores("confidence", "pgd-10", "oblivious", high, low),
        scores("MI-PL", "attack on the score", "adaptive", low, low),
    ]
    found = finish(store, "mixup_inference/fig3a", rows)
    assert [v.word for v in found.verdicts] == ["holds", "holds", "not decided"]
    text = document.to_markdown("Fig. 3a", planned.blocks(found))
    assert "2,000 samples of the images" in text


def answers(rights):
    return {
        "model": "net",
        "error": 0.1,
        "accuracy": 0.5,
        "confidence": 0.75,
        "num_examples": len(rights),
        "bins": [(len(rights), 0.5, 0.75)],
        "values": {"confidence": [0.75] * len(rights), "right": rights},
    }


def test_calibration_has_the_papers_numbers_and_a_verdict(store):
    name = "varmixup/calibration"
    finish(store, name, [answers([True, False] * 50)])
    for label in ("VarMixup", "adv-VarMixup"):
        (job,) = plan(name).panels[label]
        path = store.folder(job) / _files.STUDIES / "calibration.jsonl"
        _files.write_lines(path, [answers([True, True, True, False] * 25)])
    found = results(store, name)
    # With a linear path they answer as mixup does.
    assert [v.word for v in found.verdicts] == ["holds", "holds"]
    compared = found.verdicts[0].compared[0]
    assert compared.first == pytest.approx(0.25)
    assert compared.second == pytest.approx(0.0)
    shown = figure_pages.numbers(found).rows
    assert [row[:3] for row in shown] == [
        ("Mixup", "0.100", "0.13"),
        ("VarMixup", "0.100", "0.105"),
        ("adv-VarMixup", "0.100", "0.07"),
        ("VarMixup (linear path)", "0.100", "–"),
        ("adv-VarMixup (linear path)", "0.100", "–"),
    ]


@pytest.mark.parametrize(
    ("broken", "word"), [(0, "holds"), (3, "does not hold")]
)
def test_what_square_broke_is_counted_over_networks(
    store, monkeypatch, broken, word
):
    parts = [
        AttackPart("apgd-ce", True, 100, 20),
        AttackPart("square", False, 80, broken),
    ]
    monkeypatch.setattr(
        views.views()["stages"],
        "rows",
        lambda folder: [{"first": 100, **part._asdict()} for part in parts],
    )
    name = "adversarial_mixup/square"
    for job in plan(name).jobs:
        pretended.finish(job, store)
    found = results(store, name)
    assert [v.word for v in found.verdicts] == [word]
    # Seven networks of Table 1, one of them attacked twice, and three.
    assert found.verdicts[0].compared[0].num_examples == 10
    text = document.to_markdown("Square", planned.blocks(found))
    assert "(10 networks, p " in text
    assert f"| 100 | square | 80 | {broken} |" in text


def test_stages_are_read_from_the_evaluation(store):
    found = plan("adversarial_mixup/square").panels
    (job,) = found["Table 3, Baseline, AutoAttack"]
    for own in job.in_order:
        pretended.finish(own, store)
    parts = [["apgd-ce", True, 9, 2, [9, 0, 0]], ["square", False, 7, 1, None]]
    evidence = {"net": {"none": [[20, 0, 0], parts]}}
    _files.write_json(
        store.folder(job) / _files.EVALUATION,
        {"evidence": {"autoattack-standard, adaptive, linf 0.1": evidence}},
    )
    view = views.views()["stages"]
    assert [view.cells(row) for row in view.read(store, job)] == [
        ("9", "apgd-ce", "9", "2"),
        ("9", "square", "7", "1"),
    ]


def test_costs_hold_those_of_the_autoencoder(store):
    name = "varmixup/overhead"
    for job in plan(name).jobs:
        pretended.finish(job, store)  # Two seconds each.
    rows = {
        row[0]: row for row in figure_pages.numbers(results(store, name)).rows
    }
    assert rows["AT"][1:3] == ("2 s", "–")
    assert rows["VarMixup"][1:5] == ("4 s", "2 s", "2 s", "2.00")
    assert rows["TRADES"][5:] == ("15", "1.70")


@pytest.mark.parametrize("weight", [0.3, 0.5])
def test_table_1_holds_on_a_linear_network(weight):
    found = linear_toy.table_1(weight)
    assert len(found) == 10 and all(cell.agrees for cell in found)
    by_place = {(c.quantity, c.case): c for c in found}
    assert by_place["F_y(x̃)", "MI-OL, z = 0"].measured == pytest.approx(
        weight, abs=1e-5
    )
    # The check can fail.
    wrong = by_place["F_ŷ(x̃)", "MI-PL, z = 1"]
    assert not wrong._replace(expected=wrong.expected + 0.01).agrees


def test_table_1_needs_no_job(store):
    found = results(store, "mixup_inference/table1")
    assert found.known == {} and found.verdicts == ()
    text = document.to_markdown("Table 1", planned.blocks(found))
    assert "It needs no training" in text and "NO" not in text.split("## ")[1]


def test_differences_by_hand():
    first = {i: 0.5 + 0.01 * (i % 2) for i in range(20)}
    found = statistics.differ(first, 0.0, statistics.MEAN)
    assert (found.says, found.num_examples) == (1, 20)
    assert found.difference == pytest.approx(0.505)
    assert statistics.differ(0.0, first, statistics.MEAN).says == -1
    assert statistics.differ(first, first, statistics.MEAN).says == 0
    assert statistics.differ(first, {99: 0.0}, statistics.MEAN) is None


def of_networks(*several):
    """dict image -> a pair of scores for each network."""
    return {
        i: list(map(tuple, own))
        for i, own in enumerate(zip(*several, strict=True))
    }


def test_of_several_networks_each_has_its_curve():
    """One good network and one as bad: their order changes nothing."""
    random = np.random.default_rng(0)
    good = random.normal(size=(60, 2)) + [0.0, 1.0]
    bad = good[:, ::-1]
    found = [
        statistics.differ(of_networks(*own), 0.5, statistics.AUC)
        for own in ((good, bad), (bad, good))
    ]
    aucs = [statistics.AUC.of(own) for own in (good, bad)]
    assert abs(aucs[0] - 0.5) > 0.2
    for one in found:
        assert one.first == pytest.approx(np.mean(aucs)) and one.says == 0
    assert found[0].bounds == pytest.approx(found[1].bounds)


def test_a_figure_of_two_seeds_is_decided_by_both(store):
    """The detector is good on one network and bad on the other."""
    two = DIGITS._replace(seeds=(0, 1))
    planned_two = planned.plan(reproduce.find("mixup_inference/fig3a"), two)
    low = np.linspace(0.0, 0.5, 40).tolist()
    high = np.linspace(0.4, 1.0, 40).tolist()

    def decided(good):
        for job in planned_two.jobs:
            pretended.finish(job, store)
            if job.kind != "evaluate":
                continue
            right = job.needs[0].settings["seed"] == good
            pair = (low, high) if right else (high, low)
            folder = store.folder(job) / _files.STUDIES
            folder.mkdir(exist_ok=True)
            rows = [
                scores("MI-PL", "pgd-10", "oblivious", *pair),
                scores("confidence", "pgd-10", "oblivious", *pair),
                scores("MI-PL", "attack on the score", "adaptive", *pair),
            ]
            _files.write_lines(folder / "fig3a.jsonl", rows)
        found = planned.results(planned_two, store, measuring.Reader(store))
        return [(v.word, v.numbers) for v in found.verdicts]

    first, second = decided(0), decided(1)
    assert [word for word, _ in first] == [word for word, _ in second]
    for (_, own), (_, other) in zip(first, second, strict=True):
        assert np.ravel(own) == pytest.approx(np.ravel(other))


def test_a_difference_of_curves_is_that_of_the_metric():
    random = np.random.default_rng(0)
    pairs = random.normal(size=(2, 60, 2)) + [0.0, 1.0]
    first, second = (of_networks(own) for own in pairs)
    found = statistics.differ(first, second, statistics.AUC)
    aucs = [statistics.AUC.of(own) for own in pairs]
    assert (found.first, found.second) == pytest.approx(tuple(aucs))
    assert found.says == 0 and found.error > 0.0
    level = statistics.differ(first, 0.5, statistics.AUC)
    assert level.says == 1 and level.second == 0.5
    # Paired: the same scores differ by nothing.
    assert statistics.differ(first, first, statistics.AUC).error == 0.0


def test_unknown_studies_are_no_view():
    for figure in FIGURES.values():
        view = views.views()[figure.view]
        assert view.note
        if view.study:
            assert studies.find(view.study).label
