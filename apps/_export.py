"""What apps.export says of the exports on disk."""

import pathlib

from apps import _common


def list_exports(saved_models):
    """Returns one line per version in the folder of all exports."""
    from keras_mixup import export

    folder = pathlib.Path(saved_models)
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder}: nothing was exported.")
    lines = []
    for base in sorted(path for path in folder.iterdir() if path.is_dir()):
        for version in export.list_versions(base):
            lines.append(_line(base / str(version)))
    return "\n".join(lines) or f"{folder} holds no export."


def _line(path):
    from keras_mixup import export

    if not (path / "saved_model.pb").is_file():
        return f"{path}: no SavedModel"
    try:
        info = export.describe_saved_model(path)
    except ValueError as error:
        # The other versions are still worth a line.
        return f"{path}: {error}"
    names = ", ".join(sorted(info.signatures))
    return f"{path} ({info.size_bytes / 1e6:.2f} MB): {names}"


def verify(path):
    """Runs every signature of a version (or of a model's newest version).

    Returns:
        A table of latency and size, a str.

    Raises:
        FileNotFoundError: when no SavedModel is there.
        ValueError: when its graph cannot be read.
        UsageError: when a signature fails; the text says which and how.
    """
    from keras_mixup import export

    path = _newest(pathlib.Path(path))
    info = export.describe_saved_model(path)
    try:
        checks = export.verify_saved_model(str(path))
    except RuntimeError as error:
        raise _common.UsageError(f"{path}: {error}") from error
    width = max(len(check.name) for check in checks)
    lines = [
        f"{path}: {info.size_bytes / 1e6:.2f} MB, of it variables "
        f"{info.variable_bytes / 1e6:.2f} MB",
        f"{'signature':{width}}  graph kB  ms at batch 1  ms at batch 16",
    ]
    for check in checks:
        times = check.milliseconds
        lines.append(
            f"{check.name:{width}}  {check.graph_bytes / 1e3:8.1f}"
            f"  {times[1]:13.2f}  {times[16]:14.2f}"
        )
    lines.append("Every signature answers; images with NaN are refused.")
    return "\n".join(lines)


def _newest(path):
    """Returns `path` if it is a version, else the newest one in it."""
    from keras_mixup import export

    if (path / "saved_model.pb").is_file():
        return path
    versions = export.list_versions(path)
    if not versions:
        raise FileNotFoundError(f"{path} holds no exported version.")
    return path / str(versions[-1])
