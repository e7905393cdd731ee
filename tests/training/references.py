"""Plain eager pieces from which the tests write the papers' listings."""

import keras
import numpy as np
import tensorflow as tf
import toys

RATE = 0.5


def staged_network(seed=0, batch_norm=None, first=()):
    """A smooth net with the layers `stage_1` and `stage_2`.

    Args:
        seed: int.
        batch_norm: None, or the options of a BatchNormalization.
        first: layers to begin with.
    """
    keras.utils.set_random_seed(seed)
    norm = []
    if batch_norm is not None:
        norm = [keras.layers.BatchNormalization(**batch_norm)]
    layers = [
        keras.Input(toys.SHAPE),
        *first,
        keras.layers.Conv2D(3, 3, padding="same"),
        *norm,
        keras.layers.Activation("gelu", name="stage_1"),
        keras.layers.Conv2D(4, 3, activation="tanh", name="stage_2"),
        keras.layers.Flatten(),
        keras.layers.Dense(toys.CLASSES),
    ]
    return keras.Sequential(layers)


def counting_layer():
    """A layer that passes its input on, and the variable that counts that."""
    calls = tf.Variable(0, dtype=tf.int32)

    @keras.saving.register_keras_serializable("keras_mixup_tests")
    class CountingPasses(keras.layers.Layer):
        def call(self, inputs):
            calls.assign_add(1)
            return inputs

    return CountingPasses(), calls


def cross_entropy(targets, logits):
    """-sum_c y_c log softmax(z)_c, one value per row."""
    return -tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=-1)


def kl(logits, other):
    """KL(softmax(logits) || softmax(other)), one value per row."""
    first, second = tf.nn.log_softmax(logits), tf.nn.log_softmax(other)
    return tf.reduce_sum(tf.exp(first) * (first - second), axis=-1)


def one_hot(labels):
    return np.eye(toys.CLASSES, dtype="float32")[labels]


def slope(function, point):
    """The gradient of the summed function at a point."""
    point = tf.convert_to_tensor(point)
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = tf.reduce_sum(function(point))
    return tape.gradient(value, point)


def climb(function, start, step, centre, radius, steps, low=0.0, high=1.0):
    """Sign steps, kept in a box around the centre and in the bounds."""
    point = np.asarray(start)
    for _ in range(steps):
        point = point + step * np.sign(slope(function, point).numpy())
        point = np.clip(point, centre - radius, centre + radius)
        point = np.clip(point, low, high)
    return point.astype("float32")


def compiled(model):
    model.compile(keras.optimizers.SGD(RATE))
    return model


def draws_of(model, count):
    """The draws of the next step, as the train step makes them."""
    return model.draw(count, model.step_seed())


def check_step(model, images, labels, loss, atol=3e-6):
    """One train step must be one descent step on a reference loss.

    Args:
        model: compiled algorithm.
        loss: callable without arguments; returns the losses [B] from the
            classifier's weights, once, eagerly.
    """
    weights = model.classifier.trainable_variables
    before = [w.numpy() for w in weights]
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(loss())
    gradients = tape.gradient(value, [w.value for w in weights])
    logs = model.train_on_batch(images, labels, return_dict=True)
    np.testing.assert_allclose(logs["loss"], value, rtol=1e-5)
    for old, gradient, weight in zip(before, gradients, weights, strict=True):
        gradient = 0.0 if gradient is None else gradient.numpy()
        np.testing.assert_allclose(
            weight.numpy(), old - RATE * gradient, atol=atol
        )
    largest = max(np.abs(w.numpy() - b).max() for w, b in zip(weights, before))
    assert largest > 1e-3  # else the comparison above says little
