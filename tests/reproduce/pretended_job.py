"""A process that pretends to do a job, and writes down when."""

import json
import pathlib
import pickle
import signal
import sys
import time


def main():
    start = time.time()
    job, place, data, machine, _ = pickle.load(sys.stdin.buffer)
    folder = pathlib.Path(place)
    asked = json.loads((folder / "asked.json").read_text())
    told = {"key": job.key, "start": start, "data": data, "machine": machine}
    if job.label == asked.get("fails"):
        sys.exit("error: the disk is full")
    if asked.get("waits"):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
        (folder / f"{job.key}.begun").touch()
        time.sleep(60)
    time.sleep(0.2)
    told["end"] = time.time()
    (folder / f"{job.key}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
