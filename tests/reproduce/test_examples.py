"""Example images of a table, and sentences that the numbers ask for."""

import numpy as np
import pretended
import pytest

from keras_mixup import _files
from keras_mixup import reproduce
from keras_mixup.reporting import pictures
from keras_mixup.reproduce import document
from keras_mixup.reproduce import examples
from keras_mixup.reproduce import images
from keras_mixup.reproduce import jobs
from keras_mixup.reproduce import measuring
from keras_mixup.reproduce import planning
from keras_mixup.reproduce import remarks
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import store as store_lib

PLAN = pretended.plan()
EVALUATED = [job for job in PLAN.jobs if job.kind == jobs.EVALUATE]


def leave_pictures(store, job, answers):
    """Eight grey images, and what a network answers after the attack."""
    grey = np.full((8, 8, 8, 1), 0.5, np.float32)
    labels = np.arange(8)
    np.savez_compressed(
        store.folder(job) / _files.PICTURES,
        clean=grey,
        adversarial=grey + 0.1,
        mixed=grey[:0],
        labels=labels,
        clean_predictions=labels,
        adversarial_predictions=np.full(8, answers),
        defended_predictions=labels[:0],
        attack="pgd-10",
        defence="none",
    )


@pytest.fixture
def store(tmp_path):
    made = store_lib.Store(tmp_path)
    made.data = images.digests(PLAN.jobs)
    for job in PLAN.jobs:
        pretended.finish(job, made)
    return made


def test_each_network_is_shown_once_and_under_its_row(store):
    for place, job in enumerate(EVALUATED):
        leave_pictures(store, job, place)
    found = examples.read(PLAN, store)
    assert list(found) == [row.label for row in PLAN.entry.rows]
    for place, own in enumerate(found.values()):
        assert isinstance(own, pictures.Pictures)
        assert set(own.adversarial_predictions) == {place}
    heading, shown, text = examples.blocks("a/b", found)
    assert heading.text == "Examples" and shown.name == "a-b-examples"
    assert isinstance(shown, document.Drawing)
    assert shown.png.startswith(b"\x89PNG") and len(shown.png) < 100_000
    assert "pgd-10" in text.text


def test_unfinished_evaluations_are_not_shown(store):
    leave_pictures(store, EVALUATED[0], 0)
    store.note(EVALUATED[0], 0.0, 0.0, False)
    assert examples.read(PLAN, store) == {}
    assert list(examples.blocks("a/b", {})) == []


def test_a_page_calls_images_that_were_jpeg_files_by_that():
    assert images.telling("cifar10", "e979d84ce9c0e6cd") == "CIFAR-10 (JPEG)"
    assert images.telling("cifar10", None) == "cifar10"


def test_a_radius_in_grey_levels_is_written_so():
    assert remarks._radius(8 / 255) == "8/255"
    assert remarks._radius(0.1) == "0.1"


def sentences(entry, right, store):
    plan = planning.plan(entry, scales.find("digits"))
    found = {}
    for place, cell in plan.cells.items():
        answers = {i: float(right(cell.row, i)) for i in range(40)}
        mean = sum(answers.values()) / 40
        found[place] = measuring.Measured(mean, None, None, 40, answers)
    return list(remarks.sentences(Found(plan, found)))


class Found:
    """What `remarks` reads of `pages.Results`."""

    def __init__(self, plan, measured):
        self.plan, self.measured = plan, measured


def test_a_defence_that_changes_nothing_is_named(store):
    entry = reproduce.find("mixup_inference/table2")

    def right(row, image):
        changed = "MI-OL" in row or "noise" in row
        return image % 2 == 0 if changed else image % 3 == 0

    said = sentences(entry, right, store)
    assert said[0] == "Measured on 40 images, attacked within eps 0.1."
    assert said[1] == "Scored are the networks of the last epoch."
    changes = "is right on the same images as Mixup in every column"
    assert any(f"MI-Combined {changes}" in own for own in said)
    assert not any("MI-OL is right" in own for own in said)
    assert not any("noise is right" in own for own in said)


def test_a_transfer_says_of_what_the_autoencoder_is(store):
    entry = reproduce.find("varmixup/table3")
    said = sentences(entry, lambda row, image: image == 0, store)
    assert said[0] == "The autoencoders are of the digits 0 to 4."
