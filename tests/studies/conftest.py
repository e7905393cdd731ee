"""Makes the toys of the evaluation's tests importable here."""

import pathlib
import sys

_HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "evaluation")]
