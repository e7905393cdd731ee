"""Draws docs/images/digits.png from the records that `make demo` left.

python docs/draw_demo.py [runs/demo]
"""

import pathlib
import sys

from keras_mixup.evaluation import read_records
from keras_mixup.reporting import figures

TARGET = pathlib.Path(__file__).parent / "images" / "digits.png"


def main():
    """Draws the figure and prints where it lies."""
    folder = pathlib.Path(sys.argv[1] if sys.argv[1:] else "runs/demo")
    records = [
        record
        for run in ("mixup", "erm")
        for record in read_records(folder / run / "records.jsonl")
    ]
    TARGET.write_bytes(figures.to_png(figures.accuracy_bars(records)))
    print(TARGET)


if __name__ == "__main__":
    main()
