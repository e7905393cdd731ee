"""Expectation over transformation: a randomised model as one mean."""

import math

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup.attacks import _functions

# What an attack through a defence asks of it.
PROTOCOL = ("draw", "predict_from_draws", "num_draws")


class ExpectationOverTransformation:
    """A randomised model as the log mean probability over its draws.

    See Athalye et al., 2018, Synthesizing Robust Adversarial Examples, Eq. 3,
    here on probabilities. Any attack takes it as `model_fn`: loss, gradient
    and decision all come from that mean, and a gradient-free attack asks
    averaged queries. A deterministic model becomes its own log-softmax.

    Every call draws anew, from a stream of seeds. An attack restarts the
    stream from its own `seed`, so that its result can be repeated. Success is
    judged with the next draws, which the attack has not used. One object
    serves one attack at a time.

    Args:
        model_fn: an object with the defence protocol (`draw`,
            `predict_from_draws`, `num_draws`), or any callable from images
            [B, H, W, C] to logits [B, C]. The latter is called `num_draws`
            times in a graph loop. Its randomness must come from TensorFlow,
            since a trace would freeze Python's and NumPy's. It does not
            follow the seed.
        num_draws: int >= 1, whatever number a defence itself takes.

    Call arguments:
        images: float32 [B, H, W, C].
        seed: None (the next of the stream), an int or int32 [2].

    Returns:
        float32 [B, C], the log mean probability.

    Raises:
        ValueError: for a `model_fn` that cannot be called.

    Example:

    >>> model = ExpectationOverTransformation(defence, num_draws=30)
    >>> attack(model, images, labels, seed=0).success
    """

    def __init__(self, model_fn: _tensors.ModelFn, num_draws: int) -> None:
        self._function = _functions.told(_functions.as_function(model_fn))
        self.model_fn = model_fn
        self.num_draws = _checks.check_integer(num_draws, "num_draws")
        self._stream = SeedStream()

    def reseed(self, seed: _tensors.SeedLike) -> None:
        """Restarts the stream of draws.

        Args:
            seed: None (fresh), an int or int32 [2].
        """
        self._stream.reset(ops.seed_pair(seed))

    def __call__(
        self, images: _tensors.Array, seed: _tensors.SeedLike = None
    ) -> tf.Tensor:
        seed = self._stream.next() if seed is None else ops.seed_pair(seed)
        if not missing_parts(self.model_fn):
            return log_mean(self.model_fn, images, seed, self.num_draws)
        return self._mean_of_calls(images)

    def _mean_of_calls(self, images):
        def draw():
            logits = tf.cast(self._function(images), tf.float32)
            return tf.nn.log_softmax(logits)

        def body(index, total):
            return index + 1, tf.reduce_logsumexp([total, draw()], axis=0)

        _, total = tf.while_loop(
            lambda index, _: index < self.num_draws,
            body,
            (tf.constant(1), draw()),
            parallel_iterations=1,
            maximum_iterations=self.num_draws - 1,
        )
        return total - math.log(self.num_draws)


def checked(mean, num_draws):
    """Returns a model that is a mean over draws, if they are as many.

    Args:
        mean: an `ExpectationOverTransformation`.
        num_draws: int, the draws in the name and the facts of an attack.

    Raises:
        ValueError: for another number of draws.
    """
    own = getattr(mean, "num_draws", None)
    expected = f"of {num_draws} draws, as the attack, or the defence itself"
    _checks.check(own == num_draws, "model_fn", expected, f"{own} draws")
    return mean


class SeedStream:
    """A sequence of seeds for calls that take none.

    Attacks call `model_fn(images)`, also inside graph loops. The place in the
    sequence is a variable, which such a loop advances.
    """

    def __init__(self):
        # TensorFlow keeps int32 variables off the GPU.
        seed = tf.cast(ops.seed_pair(None), tf.int64)
        self._seed = tf.Variable(seed, trainable=False)
        self._calls = tf.Variable(0, trainable=False, dtype=tf.int64)

    def reset(self, seed):
        """Goes back to the first seed of the sequence of `seed`, int32 [2]."""
        self._seed.assign(tf.cast(seed, tf.int64))
        self._calls.assign(0)

    def next(self):
        """Returns the next seed, int32 [2]."""
        calls = tf.convert_to_tensor(self._calls.assign_add(1))
        return ops.fold_in(tf.cast(self._seed, tf.int32), calls)


def missing_parts(model_fn):
    """Returns the parts of the defence protocol that `model_fn` lacks."""
    return [part for part in PROTOCOL if not hasattr(model_fn, part)]


def log_mean(defence, images, seed, num_draws):
    """Returns the log mean probability over fresh draws, float32 [B, C].

    Args:
        defence: an object with the defence protocol.
        images: float32 [B, H, W, C], on which the draws may depend.
        seed: int32 [2].
        num_draws: int >= 1.
    """
    draws = draw_repeatedly(defence, images, seed, num_draws)
    return defence.predict_from_draws(images, draws)


def draw_repeatedly(defence, images, seed, num_draws):
    """Draws from a defence as often as the attacker likes.

    Args:
        defence: an object with the defence protocol.
        images: float32 [B, H, W, C]; no gradient flows through the draws.
        seed: int32 [2].
        num_draws: int >= 1. More than `defence.num_draws` take several copies
            of each image, with seeds of their own.

    Returns:
        a dict of tensors [B, num_draws, ...].
    """
    calls = _calls_of_draw(defence, num_draws)
    rows = tf.shape(images)[0]
    images = tf.stop_gradient(images)
    seeds = [ops.row_seeds(ops.fold_in(seed, i), rows) for i in range(calls)]
    if calls == 1:
        draws = defence.draw(images, seeds[0])
        return tf.nest.map_structure(lambda part: part[:, :num_draws], draws)
    known = ()
    if getattr(defence, "uses_prediction", False):
        known = (_tile(defence.classify(images), calls),)  # Asked once.
    # One call has the rows of all, so that the graph does not grow.
    draws = defence.draw(_tile(images, calls), tf.concat(seeds, 0), *known)

    def together(part):
        joined = tf.concat(tf.split(part, calls), axis=1)[:, :num_draws]
        known_shape = [images.shape[0], num_draws, *part.shape[2:]]
        return tf.ensure_shape(joined, known_shape)

    return tf.nest.map_structure(together, draws)


def _tile(values, copies):
    ones = [1] * (values.shape.rank - 1)
    return tf.tile(values, [copies, *ones])


def _calls_of_draw(defence, num_draws):
    return -(-num_draws // defence.num_draws)


def cost(defence, num_draws):
    """Returns (passes, queries) of one `log_mean` for each image.

    Args:
        defence: an object with the defence protocol. Its `count_passes`, if
            any, says how many classifier inputs some draws make.
        num_draws: int >= 1.

    Returns:
        two ints: classifier inputs through which a gradient flows, and those
        by which the draws learn the predicted label.
    """
    if missing_parts(defence):
        return num_draws, 0  # A plain callable is called for each draw.
    passes = num_draws
    if hasattr(defence, "count_passes"):
        passes = defence.count_passes(num_draws)
    if hasattr(defence, "uses_prediction"):
        return passes, int(defence.uses_prediction)
    # Unknown: every call of `draw` may have asked the classifier.
    return passes, _calls_of_draw(defence, num_draws)


def whole_cost(mean, passes, queries):
    """Returns (passes, queries) of an attack on a mean, with all its draws.

    Args:
        mean: an `ExpectationOverTransformation`.
        passes, queries: ints or arrays of int, how often the attack asked the
            mean with and without a gradient.
    """
    draws, asked = cost(mean.model_fn, mean.num_draws)
    # The defence's own look at its prediction has no gradient.
    return passes * draws, queries * (draws + asked) + passes * asked
