"""Exports that are killed at random moments.

    python killed_exports.py FOLDER COUNT SEED

Each export is a fork of this process, which has imported everything but run
no op. FOLDER/whole/1 is an export that nobody killed; it also tells how long
one takes. Prints, as JSON, how many of the killed ones became a version.
"""

import json
import os
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import export_toys as toys

from keras_mixup import export


def start(base):
    """Forks an export; returns its process id as it starts to write."""
    ready, write = os.pipe()
    process = os.fork()
    if process:
        os.close(write)
        os.read(ready, 1)
        os.close(ready)
        return process
    try:
        defence = toys.DEFENCES["ol"]()
        os.write(write, b"1")
        export.export_saved_model(
            defence, base, signatures=("indices",), warmup=False
        )
        os._exit(0)
    finally:
        os._exit(1)


def main():
    """See the text at the top."""
    folder, count, seed = sys.argv[1:]
    generator = random.Random(int(seed))
    process = start(f"{folder}/whole")
    begun = time.monotonic()
    _, status = os.waitpid(process, 0)
    duration = time.monotonic() - begun
    if status:
        sys.exit("the export that nobody killed failed")
    finished = 0
    for _ in range(int(count)):
        process = start(f"{folder}/killed")
        time.sleep(generator.uniform(0.0, 1.1 * duration))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        finished += os.WIFEXITED(status)
    print(json.dumps({"finished": finished, "seconds": duration}))


if __name__ == "__main__":
    main()
