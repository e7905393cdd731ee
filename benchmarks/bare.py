"""The bare passes that everything is measured against."""

import tensorflow as tf

from keras_mixup import ops


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


def training_pass(classifier, optimizer, images, labels):
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
