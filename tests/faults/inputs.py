"""Bad inputs: each is refused by name, before work starts, without a hang."""

import functools
import inspect
import json
import math
import pathlib
import random
import signal

import forked

SECONDS = 60


def cases():
    """Yields (name, function of a folder)."""
    import bad_arguments

    for package in bad_arguments.PACKAGES:
        yield package, functools.partial(_swept, package=package)
    yield "settings", _settings


def _swept(folder, package):
    """Tries all bad values of a package in a process of its own."""
    found = folder / "found.json"
    sweep = functools.partial(_sweep, folder, package, found)
    child = forked.Child(folder / "log", lambda: sweep() or 0)
    code = child.wait(3600.0)
    assert code == 0, child.text[-2000:]
    return json.loads(found.read_text())


def _sweep(folder, package, result):
    import warnings

    import bad_arguments

    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _too_long)
    parts, tried, lost = bad_arguments.Parts(folder), 0, []
    for own, name, target in bad_arguments.callables():
        if own != package:
            continue
        arguments = parts.of(own, name, target)
        for parameter in inspect.signature(target).parameters.values():
            for value in bad_arguments.bad_values(name, parameter):
                signal.alarm(SECONDS)
                fault = bad_arguments.judge(
                    target, arguments, parameter.name, value
                )
                signal.alarm(0)
                tried += 1
                if fault:
                    lost.append(f"{name}({parameter.name}={value!r}): {fault}")
    print("\n".join(lost))
    _keep(pathlib.Path(result), tried, lost)


def _too_long(*_):
    raise TimeoutError(f"no answer within {SECONDS} seconds")


def _keep(path, tried, lost):
    row = {"tried": tried, "held": tried - len(lost), "lost": len(lost)}
    path.write_text(json.dumps({**row, "note": "; ".join(lost[:2])}))


def _value(draw):
    """Returns any value, often one that no setting takes."""
    return draw.choice(
        [
            draw.randint(-3, 3),
            2 ** draw.randint(1, 80),
            draw.uniform(-2.0, 2.0),
            math.nan,
            math.inf,
            draw.choice([True, False]),
            draw.choice(["", "a", "1", "-1", "8/255", "1/0", "none", "é\n"]),
            [draw.uniform(0.0, 1.0)],
            (),
            {},
            object(),
        ]
    )


def _settings(folder):
    """Gives one setting any value: it is taken, or refused by its name."""
    from keras_mixup import runs

    draw, tried, lost = random.Random(0), 0, []
    for kind in (runs.TrainSettings, runs.EvaluateSettings):
        names = sorted(kind.declared)
        for _ in range(1500):
            name, value = draw.choice(names), _value(draw)
            fault = _fault_of_setting(kind, name, value)
            tried += 1
            if fault:
                lost.append(f"{name}={value!r}: {fault}")
    _keep(folder / "found.json", tried, lost)
    return json.loads((folder / "found.json").read_text())


def _fault_of_setting(kind, name, value):
    try:
        made = kind(**{name: value})
    except ValueError as error:
        named = f"`{name}`" in str(error) or f"{name}=" in str(error)
        return None if named else str(error)[:100]
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:100]
    kept = getattr(made, name)
    return None if kept == kept else "NaN was taken"
