"""From a step to a compiled function, with the guards around it."""

import inspect
import itertools

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup.training import batch_checks


def check_compile_options(replicas, jit_compile, options):
    """Refuses what is known to break or to change results silently.

    Args:
        replicas: int, replicas in sync.
        jit_compile: bool.
        options: dict of the remaining arguments of `compile`.

    Raises:
        ValueError: for an unknown option, or XLA or eager mode with several
            replicas.
    """
    unknown = set(options) - {
        "run_eagerly",
        "steps_per_execution",
        "auto_scale_loss",
    }
    if unknown:
        raise ValueError(f"compile() does not take {sorted(unknown)}.")
    steps = options.get("steps_per_execution", 1)
    _checks.check_integer(steps, "steps_per_execution")
    if replicas == 1:
        return
    hint = "XLA cannot reach the variables of another replica's device"
    _checks.check(
        not jit_compile, "jit_compile", "False under a strategy", True, hint
    )
    eager = bool(options.get("run_eagerly", False))
    _checks.check(not eager, "run_eagerly", "False under a strategy", eager)


def scaled(optimizer, model, options):
    """Returns the optimizer, with loss scaling where float16 needs it.

    Keras looks at the policy of the algorithm, which need not be that of the
    model that it trains. Nor is a model's own policy that of its layers: a
    loaded or cloned one has the global policy.
    """
    optimizer = keras.optimizers.get(optimizer)
    layers = model.trained_model._flatten_layers()
    mixed = any(layer.compute_dtype == "float16" for layer in layers)
    kind = keras.optimizers.LossScaleOptimizer
    wanted = mixed and options.get("auto_scale_loss", True)
    if not wanted or isinstance(optimizer, kind):
        return optimizer
    return kind(optimizer, name="loss_scale_optimizer")


def step_function(model, step, name):
    """Compiles a step for no strategy, several replicas and several workers.

    Args:
        model: the `Algorithm`.
        step: callable from a local batch to a dict of scalars.
        name: `"train"` or `"test"`; `model.traces[name]` counts the traces.

    Returns:
        A callable from an iterator and the number of steps to take, at most
        `steps_per_execution`, to the dict of scalars: the mean over this
        worker's replicas, read without a collective operation. It stops at
        the end of the data. Keras replaces the scalars at the end of an epoch
        by the metrics' global result.
    """
    strategy = model.distribute_strategy

    def local_mean(value):
        values = strategy.experimental_local_results(value)
        return values[0] if len(values) == 1 else tf.reduce_mean(values, 0)

    def on_data(data):
        model.traces[name] += 1  # runs while tracing only
        outputs = strategy.run(step, args=(data,))
        return {key: local_mean(value) for key, value in outputs.items()}

    in_loop = compiled_data = on_data
    if not model.run_eagerly:
        compiled_data = tf.function(
            on_data,
            autograph=False,
            reduce_retracing=True,
            jit_compile=bool(model.jit_compile),
        )

    if strategy.num_replicas_in_sync == 1:
        # Several replicas cannot reduce in a function inside a loop.
        in_loop = compiled_data

    def on_checked(data, function=compiled_data):
        # Outside of what XLA compiles, since XLA drops assertions.
        return function(strategy.run(model.guard, args=(data, name)))

    on_iterator = _on_iterator(on_checked, in_loop)
    compiled = tf.function(on_iterator, autograph=False, reduce_retracing=True)
    kinds = (tf.data.Iterator, tf.distribute.DistributedIterator)

    def function(iterator, count):
        if isinstance(iterator, kinds) and not model.run_eagerly:
            several = model.steps_per_execution > 1
            return compiled(iterator, tf.constant(count) if several else None)
        outputs = on_checked(next(iterator))
        for data in itertools.islice(iterator, count - 1):
            outputs = on_checked(data)
        return outputs

    return function


def _on_iterator(on_checked, in_loop):
    """Returns (iterator, number of steps or None for one) -> scalars."""

    def on_iterator(iterator, count):
        # Taking the batch inside the graph keeps its static shape [None,
        # ...], so that a short last batch does not trace again.
        data = iterator.get_next()
        # At the end of the data nothing may run, counters included.
        parts = tf.nest.flatten(data, expand_composites=True)
        with tf.control_dependencies(parts):
            outputs = on_checked(data)
        if count is None:
            return outputs

        def one_more(done, outputs):
            batch = iterator.get_next_as_optional()
            outputs = tf.cond(
                batch.has_value(),
                lambda: on_checked(batch.get_value(), in_loop),
                lambda: outputs,
            )
            return tf.where(batch.has_value(), done + 1, count), outputs

        return tf.while_loop(
            lambda done, _: done < count,
            one_more,
            (tf.constant(1), outputs),
            parallel_iterations=1,
        )[1]

    return on_iterator


def counted(model, function):
    """Wraps a train function that takes the number of steps of a call.

    A call takes `steps_per_execution` steps, but none of the next epoch. The
    first `model.skip` steps are left out: the data pipeline of a resumed run
    starts at the step of its checkpoint. Skipping what comes before keeps
    Keras' epochs, batch counters and validation where they were. The last
    call that is skipped reports the restored metrics, in case the checkpoint
    ended an epoch.
    """

    def train_function(iterator):
        due = model.steps_per_execution
        if model.epoch_steps:
            due = min(due, model.epoch_steps - model.epoch_done)
            model.epoch_done = (model.epoch_done + due) % model.epoch_steps
        skipped = min(due, model.skip)
        model.skip -= skipped
        if skipped < due:
            logs = function(iterator, due - skipped)
            model.count_steps(due - skipped)
            return logs
        return {} if model.skip else model.get_metrics_result()

    return train_function


def layer_losses(model):
    """Returns the sum of a model's losses in its last pass, or None.

    These are the layers' own (`activity_regularizer`, `add_loss`) and those
    of weight regularizers, as in stock Keras.
    """
    terms = [tf.reduce_sum(tf.cast(v, tf.float32)) for v in model.losses]
    return tf.add_n(terms) if terms else None


def where_images_are(model, step):
    """Returns a test step that leaves a replica without images alone.

    The last batch may be smaller than the number of replicas, and not every
    operation takes an empty batch.

    Args:
        model: the `TrainStep`.
        step: callable from a local batch to a dict of scalars.
    """
    if model.distribute_strategy.num_replicas_in_sync == 1:
        return step

    def careful(data):
        images = keras.utils.unpack_x_y_sample_weight(data)[0]
        found = tf.shape(images)[0] > 0
        return tf.cond(found, lambda: step(data), model.get_metrics_result)

    return careful


def refuse_empty_replica(images):
    """Returns `images`; the step fails by name when the batch is empty.

    Otherwise BatchNormalization would silently turn to NaN on every replica,
    as with 17 rows in batches of 16 on two replicas.
    """
    if images.shape[0] is not None:
        return images
    message = (
        "A replica received an empty batch: the last batch is smaller than "
        "the number of replicas. Batch with drop_remainder=True, or choose a "
        "batch size that leaves no such remainder."
    )
    check = tf.debugging.assert_positive(tf.shape(images)[0], message=message)
    if check is None:  # eager mode has already checked
        return images
    with tf.control_dependencies([check]):
        return tf.identity(images)


def fit_arguments(given, options):
    """Returns the arguments of a call of `keras.Model.fit` by name, a dict.

    Args:
        given: tuple, the positional arguments.
        options: dict, the others.
    """
    known = inspect.signature(keras.Model.fit)
    found = known.bind(None, *given, **options)
    found.apply_defaults()
    return found.arguments


def trained_part(told):
    """Returns the images that `fit` trains on: without the held-out ones.

    Args:
        told: dict, from `fit_arguments`. Images without a length are returned
            as they are.
    """
    images, split = told["x"], told["validation_split"]
    # Keras keeps the validation images that it is given instead.
    held_out = split and told["validation_data"] is None
    if not held_out or not hasattr(images, "shape"):
        return images
    return images[: int(len(images) * (1.0 - split))]


def check_last_batch(model, told):
    """Refuses arrays whose last batch would leave a replica without images.

    Args:
        model: the `TrainStep`.
        told: dict, from `fit_arguments`; only images that have a length are
            looked at.

    Raises:
        ValueError: names the batch size, and the images that are left.
    """
    replicas = model.distribute_strategy.num_replicas_in_sync
    if replicas == 1 or not hasattr(told["x"], "shape"):
        return
    size = told["batch_size"] or 32  # that of Keras
    count = len(trained_part(told))
    _checks.check(
        not 0 < count % size < replicas,
        "batch_size",
        f"such that the last batch of {count} images has one for each of the "
        f"{replicas} replicas",
        size,
        f"{count % size} are left: leave them out, or call fit_resumable.",
    )


def reported(model, validated):
    """Returns the names of what an epoch reports, a sorted list.

    Args:
        model: a compiled `TrainStep`.
        validated: bool, whether there are validation images.
    """
    given = model._user_metrics
    names = {"loss", *model.means} | {m.name for m in given["metrics"]}
    for metric in given["weighted_metrics"]:
        # Keras' name where there is one without weights as well.
        names |= {metric.name, f"weighted_{metric.name}"}
    checked = (names - set(model.logged)) if validated else ()
    return sorted(names | {f"val_{name}" for name in checked})


def check_draws(draws, count):
    """Raises unless each draw is a scalar, a seed or has a row per example.

    Args:
        draws: dict, what `draw` returned.
        count: int, B, the number of examples.

    Raises:
        ValueError: names the entry and its shape.
    """
    for name, value in draws.items():
        if isinstance(value, dict):
            check_draws(value, count)
            continue
        shape = tuple(value.shape)
        okay = shape in ((), (2,)) or shape[0] == count
        expected = f"a scalar, a seed [2] or [{count}, ...], a row per example"
        _checks.check(okay, f"draw()['{name}']", expected, f"shape {shape}")


def total(losses, weights, added):
    """Returns losses [B] times their weights, plus a scalar.

    Args:
        losses: float32 [B].
        weights: float32 [B], or None for ones.
        added: float32 scalar, or None for zero.
    """
    losses = losses if weights is None else losses * weights
    return losses if added is None else losses + added


def place_of(model, name):
    """Returns what an error in the graph says of its step, a list."""
    return [f" in a {name} step after step", model.step.value]


def assert_batch(model, data, name):
    """Returns a batch; the step fails by name at unusable images or weights.

    Args:
        model: the `TrainStep`.
        data: images, or a tuple of images, labels and weights.
        name: `"train"` or `"test"`.
    """
    bounds, place = model.input_range(name), place_of(model, name)
    images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    images = batch_checks.assert_images(images, bounds, place)
    if weights is not None:
        weights = batch_checks.assert_sample_weight(weights, place)
        with tf.control_dependencies([weights]):
            images = tf.identity(images)
    return keras.utils.pack_x_y_sample_weight(images, labels, weights)
