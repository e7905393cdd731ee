"""Makes `calls` importable from the tests of this folder; draws no pictures."""

import base64
import pathlib
import sys

import pytest

from keras_mixup.reporting import figures
from keras_mixup.studies import drawing

sys.path.insert(0, str(pathlib.Path(__file__).parent))

# A PNG of one pixel.
_DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNg"
    "AAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module", autouse=True)
def _dots_for_pictures():
    """Pages hold a dot for each picture: drawing is half of a short run.

    `tests/reporting` and `tests/studies` draw them all.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in (drawing, figures):
            patch.setattr(module, "to_png", lambda *_, **__: _DOT)
        if drawing.available():
            from matplotlib.figure import Figure

            patch.setattr(Figure, "draw_without_rendering", lambda _: None)
        yield
