"""Going on in smaller pieces when a batch does not fit into memory."""

import warnings

import numpy as np
import tensorflow as tf


class Pieces:
    """Calls a function on the rows of a batch, on fewer at a time if need be.

    A call starts with whole batches. When TensorFlow runs out of memory the
    number of rows is halved, for all later calls too, and the batch is done
    again; this is said once. All pieces have one size (the last is padded
    with the batch's first row), so that each size is traced once.

    Args:
        batch_size: int, rows of a batch.
    """

    def __init__(self, batch_size):
        self.rows = batch_size
        self._said = False

    def __call__(self, function, *arrays):
        """Returns what `function(*arrays)` would, as NumPy arrays.

        Args:
            function: callable from arrays [P, ...] to a tuple of arrays
                [P, ...]; a row of its answer belongs to the same row of its
                input.
            *arrays: arrays [B, ...] of one B.

        Raises:
            tf.errors.ResourceExhaustedError: when one row is too many.
        """
        while True:
            try:
                return self._call(function, arrays)
            except tf.errors.ResourceExhaustedError:
                if self.rows == 1:
                    raise
                self._halve()

    def _call(self, function, arrays):
        count, parts = len(arrays[0]), []
        for start in range(0, count, self.rows):
            picked = np.arange(start, start + min(self.rows, count))
            picked[picked >= count] = 0
            piece = [np.asarray(array)[picked] for array in arrays]
            parts.append(map(np.asarray, function(*piece)))
        return tuple(
            np.concatenate(fields)[:count]
            for fields in zip(*parts, strict=True)
        )

    def _halve(self):
        before, self.rows = self.rows, -(-self.rows // 2)
        if not self._said:
            warnings.warn(
                f"Out of memory with {before} rows at once: going on with "
                f"{self.rows}, and fewer if need be. A batch_size of at most "
                f"{self.rows} avoids this.",
                stacklevel=2,
            )
        self._said = True
