"""Makes `evaluation_toys` importable from the tests of this folder."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import pytest
from evaluation_toys import PGD


@pytest.fixture(autouse=True, scope="module")
def few_traces():
    """Drops the traces of the shared attack, which warns of too many.

    How many there are depends on the modules that ran before in one process.
    """
    PGD._trace_anew()
