"""The bare passes to which all times are compared."""

import keras
import tensorflow as tf

from keras_mixup import ops


def passes(classifier, images, labels):
    """Returns {name: callable} of every kind of pass in a train step.

    Args:
        classifier: functional `keras.Model` with a layer `stage_2`.
        images: float32 [B, H, W, C].
        labels: int32 [B].
    """
    stage = classifier.get_layer("stage_2").output
    lower = keras.Model(classifier.input, stage)
    upper = keras.Model(stage, classifier.output)
    features = lower(images, training=False)

    return {
        "input gradient": input_gradient(classifier, images, labels),
        "training": training_pass(sgd(), classifier, images, labels),
        "training through an input gradient": double_pass(
            sgd(), classifier, images, labels
        ),
        "forward to stage_2": forward(lower, images),
        "gradient by stage_2": input_gradient(upper, features, labels),
        "training behind stage_2": training_pass(
            sgd(), upper, features, labels
        ),
    }


def sgd():
    """Returns the optimizer of every timed step."""
    return keras.optimizers.SGD(1e-3, 0.9)


def forward(classifier, images):
    """Returns a callable: one compiled forward pass in inference mode."""
    function = tf.function(
        lambda x: classifier(x, training=False), jit_compile=False
    )
    return lambda: function(images).numpy()


def input_gradient(classifier, images, labels):
    """Returns a callable: forward pass and gradient by the images."""

    @tf.function(jit_compile=False)
    def function(x, y):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            loss = ops.cross_entropy(y, classifier(x, training=False))
        return tape.gradient(loss, x)

    return lambda: function(images, labels).numpy()


def training_pass(optimizer, classifier, images, labels):
    """Returns a callable: forward, gradient by the weights, one update."""
    variables = classifier.trainable_variables
    optimizer.build(variables)

    @tf.function(jit_compile=False)
    def function(x, y):
        with tf.GradientTape() as tape:
            losses = ops.cross_entropy(y, classifier(x, training=True))
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return lambda: function(images, labels).numpy()


def double_pass(optimizer, classifier, images, labels):
    """Returns a callable: a training pass of the input gradient's length."""
    variables = classifier.trainable_variables
    optimizer.build(variables)

    @tf.function(jit_compile=False)
    def function(x, y):
        with tf.GradientTape() as tape:
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(x)
                losses = ops.cross_entropy(y, classifier(x, training=False))
            slope = inner.gradient(losses, x)
            loss = tf.reduce_sum(slope**2)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return lambda: function(images, labels).numpy()
