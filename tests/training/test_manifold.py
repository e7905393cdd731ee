"""Manifold mixup against an eager pass cut by hand."""

import numpy as np
import pytest
import references as ref
import tensorflow as tf
import toys

from keras_mixup import models
from keras_mixup import training

STAGES = ("input", "stage_1", "stage_2")


def make(classifier, **options):
    return ref.compiled(training.ManifoldMixup(classifier, seed=5, **options))


def mixed(values, draws):
    weight = np.asarray(draws["mix_weight"], "float32")
    weight = weight.reshape(-1, *[1] * (len(values.shape) - 1))
    partner = tf.gather(values, draws["permutation"])
    return weight * values + (1.0 - weight) * partner


def pass_mixed_at(classifier, name, images, draws):
    """Layer by layer; mixes behind the layer of that name."""
    values = mixed(images, draws) if name == "input" else images
    for layer in classifier.layers:
        values = layer(values)
        values = mixed(values, draws) if layer.name == name else values
    return values


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("weight_per", ["sample", "batch"])
def test_step_is_the_pass_mixed_at_its_stage(stage, weight_per):
    images, labels = toys.data()
    classifier = ref.staged_network()
    model = make(classifier, stages=(stage,), weight_per=weight_per)
    draws = ref.draws_of(model, len(images))
    assert int(draws["stage"]) == 0

    def loss():
        logits = pass_mixed_at(classifier, stage, images, draws)
        return ref.cross_entropy(mixed(ref.one_hot(labels), draws), logits)

    ref.check_step(model, images, labels, loss)


def test_the_stage_drawn_is_the_one_mixed_at():
    images, labels = toys.data()
    classifier = ref.staged_network()
    # The order of the argument is not that of the network.
    model = make(classifier, stages=("stage_2", "input", "stage_1"))
    seen = set()
    for _ in range(30):
        draws = ref.draws_of(model, len(images))
        stage = model.stages[int(draws["stage"])]
        seen.add(stage)

        def loss(stage=stage, draws=draws):
            logits = pass_mixed_at(classifier, stage, images, draws)
            return ref.cross_entropy(mixed(ref.one_hot(labels), draws), logits)

        ref.check_step(model, images, labels, loss)
        if seen == set(STAGES):
            break
    assert seen == set(STAGES)
    assert model.traces["train"] == 1


def test_stages_are_drawn_uniformly():
    model = make(ref.staged_network())
    draw = tf.function(lambda s: model.draw(2, s)["stage"])
    seeds = tf.random.stateless_uniform([600, 2], [1, 2], 0, 10**6, tf.int32)
    counts = np.bincount([int(draw(seed)) for seed in seeds], minlength=3)
    assert (abs(counts - 200) < 50).all()


def test_input_alone_is_mixup():
    images, labels = toys.data()
    model = make(toys.noisy_network(), stages=["input"])
    plain = ref.compiled(training.Mixup(toys.noisy_network(), seed=5))
    for _ in range(2):
        model.train_on_batch(images, labels)
        plain.train_on_batch(images, labels)
    for a, b in zip(toys.weights(model), toys.weights(plain), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_are_counted_once_and_batch_norm_moves_once():
    images, labels = toys.data()
    classifier = ref.staged_network(batch_norm={})
    model = make(classifier, mix_weight=1.0)
    plain = ref.compiled(
        training.ERM(ref.staged_network(batch_norm={}), seed=5)
    )
    assert len(model.variables) == len(plain.variables)
    model.train_on_batch(images, labels)
    plain.train_on_batch(images, labels)
    for a, b in zip(toys.weights(model), toys.weights(plain), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_one_pass_per_step():
    layer, calls = ref.counting_layer()
    model = make(ref.staged_network(first=[layer]))
    images, labels = toys.data()
    model.train_on_batch(images, labels)
    calls.assign(0)
    toys.one_train_step(model, images, labels)
    assert int(calls) == 1


def test_the_papers_networks_can_be_cut():
    classifier = models.PreActResNet18((8, 8, 3), 4, width=2)
    random = np.random.default_rng(0)
    images = random.uniform(size=(4, 8, 8, 3)).astype("float32")
    model = make(classifier, stages=("input", "stage_1", "stage_3"))
    logs = model.train_on_batch(images, np.arange(4), return_dict=True)
    assert np.isfinite(logs["loss"])


def test_a_step_has_no_branch():
    """A branch could not hold the all-reduce of synchronised batch norm."""
    images, labels = toys.data()
    model = make(ref.staged_network(batch_norm={}))
    batch = model.prepare_batch(
        images, ref.one_hot(labels), ref.draws_of(model, len(images))
    )
    graph = tf.function(model.batch_loss).get_concrete_function(batch).graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert "Conv2D" in kinds
    assert not kinds & {"Case", "StatelessCase", "If", "StatelessIf"}


def test_synchronised_batch_norm_on_two_replicas(strategy):
    images, labels = toys.data(16)
    with strategy.scope():
        model = make(ref.staged_network(batch_norm={"synchronized": True}))
    history = model.fit(images, labels, batch_size=8, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize(
    ("classifier", "options", "message"),
    [
        (toys.linear, {}, "`stage` must be .* Its stages: none"),
        (ref.staged_network, {"stages": ("stage_7",)}, "stage='stage_7'"),
        (ref.staged_network, {"stages": ()}, "`stages` must be distinct"),
        (
            ref.staged_network,
            {"stages": "stage_1"},
            "`stages` must be distinct",
        ),
        (
            ref.staged_network,
            {"stages": ("input", "input")},
            "`stages` must be distinct",
        ),
        (ref.staged_network, {"alpha": 0.0}, "`alpha` must be"),
    ],
)
def test_bad_arguments_are_named(classifier, options, message):
    with pytest.raises(ValueError, match=message):
        make(classifier(), **options)
