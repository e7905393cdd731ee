"""Several workers over loopback: one result, one end."""

import time

import workers

TOLD = ["--algorithm=mixup", "--width=2", "--num_train=48", "--batch_size=12"]
TOLD += ["--seed=0", "--verbose=0", "--checkpoint_every=3"]


def cases():
    """Yields (name, function of a folder)."""
    yield "2 and 3 workers end as one", _equal
    yield "one of two is killed", _killed


def _equal(folder):
    held = 0
    for count in (2, 3):
        told = [*TOLD, "--epochs=2"]
        here = f"--run_dir={folder / f'many-{count}'}"
        found = workers.end(workers.start(count, *told, here))
        alone = ["--strategy=mirrored", f"--logical_devices={count}"]
        here = f"--run_dir={folder / f'one-{count}'}"
        found += workers.end(workers.start(1, *told, *alone, here))
        weights = {tuple(workers.weights_of(text)) for _, text in found}
        codes = {code for code, _ in found}
        held += codes == {0} and len(weights) == 1
    return {"tried": 2, "held": held, "lost": 2 - held}


def _killed(folder):
    held, longest, last = 0, 0.0, {}
    told = [*TOLD, "--epochs=12", "--resume"]
    for victim in (0, 1):
        here = folder / f"cut-{victim}"
        started = workers.start(2, *told, f"--run_dir={here}")
        kept = here / "checkpoints" / "step-6.index"
        workers.wait_for(kept.exists, started)
        began = time.monotonic()
        started[victim].kill()
        code, text = workers.end(started)[1 - victim]
        longest = max(longest, time.monotonic() - began)
        again = workers.end(workers.start(2, *told, f"--run_dir={here}"))
        last[victim] = {workers.weights_of(t)[-1] for _, t in again}
        held += code == 75 and "Another worker is gone" in text
    whole = workers.end(workers.start(2, *told, f"--run_dir={folder / 'w'}"))
    right = {workers.weights_of(text)[-1] for _, text in whole}
    held = held if last[0] == last[1] == right else 0
    note = f"the other one ended within {longest:.0f} s"
    return {"tried": 2, "held": held, "lost": 2 - held, "note": note}
