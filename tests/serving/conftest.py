"""Makes `benchmarks` and the toys of the export tests importable."""

import pathlib
import sys

TESTS = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(TESTS / "export"))
if str(TESTS.parent) not in sys.path:
    sys.path.insert(0, str(TESTS.parent))
