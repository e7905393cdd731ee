"""Adversarial images on the disk: kept while they are made, scored later."""

import hashlib
import itertools
import json
import pathlib
import re
import zipfile

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import attacks
from keras_mixup.evaluation.specs import AttackSpec
from keras_mixup.threat import ThreatModel

_ARRAYS = ("images", "labels", "example_ids", "clean_digests", "settings")


class Keeper:
    """Collects the images of every attack; `evaluate` calls it as `keep`.

    Oblivious images are kept once for each classifier, adaptive ones for each
    model that they were made through.
    """

    def __init__(self):
        self._found = {}

    def __call__(self, batch, spec, subject, eval_seed, crafted):
        """Keeps the leading rows of a crafted `Batch`."""
        row = subject.row
        if spec.knowledge == "oblivious":
            row = row._replace(defence="none")
        told = eval_seed if spec.knows_draws else None
        kept = self._found.setdefault((spec.column, row, told), {})
        kept.setdefault("settings", _settings(spec, row, told))
        clean, labels, ids, size = batch
        rows = zip(ids, clean, labels, crafted.images, strict=True)
        for example, before, label, image in list(rows)[:size]:
            found = int(label), digest(before), np.asarray(image, np.float32)
            kept.setdefault("rows", {})[int(example)] = found

    def write(self, folder):
        """Writes an .npz file for each attack; returns their paths."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder, kept) for kept in self._found.values()]


def digest(image):
    """Returns the digest by which a clean image is known, uint64."""
    scaled = np.round(255.0 * np.asarray(image, np.float64), 3)
    found = hashlib.blake2b(scaled.astype("<f4").tobytes(), digest_size=8)
    return int.from_bytes(found.digest(), "little")


def read_spec(path):
    """Returns the `AttackSpec` of a file of adversarial images.

    It counts as oblivious: whatever the images were made through, it was not
    the model that is scored on them now.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no adversarial images.
    """
    attack = StoredImages(path)
    made = attack.made
    through = made["model"]
    if made["defence"] != "none":
        through = f"{through} + {made['defence']}"
    return AttackSpec(f"{made['attack']} of {through}", attack, "oblivious")


class StoredImages(attacks.Attack):
    """The images of a file, found by the clean image that each belongs to.

    Args:
        path: str or path of an .npz file that `Keeper` wrote.
        sha256: str, the file's digest, or None for whatever it is.

    Attributes:
        made: dict, how the images were made.
        example_ids: int64 [n].

    Raises:
        FileNotFoundError, ValueError: as `read_spec`.
    """

    compiled = False
    uses_gradients = False

    def __init__(self, path, sha256=None):
        found = _read(path)
        self.path, self.made = str(path), json.loads(str(found["settings"]))
        content = pathlib.Path(path).read_bytes()
        self.sha256 = hashlib.sha256(content).hexdigest()
        same = sha256 in (None, self.sha256)
        _checks.check(same, "sha256", f"that of {path}", sha256)
        threat = ThreatModel(self.made["norm"], self.made["eps"])
        super().__init__(threat)
        self.example_ids = found["example_ids"]
        digests = found["clean_digests"].tolist()
        self._images = dict(zip(digests, found["images"], strict=True))

    @property
    def name(self):
        """str: names the attack in records and tables."""
        return self.made["attack"]

    def run(self, model_fn, images, labels, targets, seed):
        """Returns the stored image of each image; see `Attack.run`."""
        digests = [digest(image) for image in images.numpy()]
        missing = [
            n for n, key in enumerate(digests) if key not in self._images
        ]
        expected = "a file with adversarial images of these very examples"
        received = f"{self.path}, without one of {len(missing)} images"
        _checks.check(not missing, "adversarial", expected, received)
        stored = np.stack([self._images[key] for key in digests])
        return tf.constant(stored), 0, 0


def _settings(spec, row, eval_seed):
    attack, knowledge, norm, eps = spec.column
    return {
        "attack": attack,
        "knowledge": knowledge,
        "norm": norm,
        "eps": eps,
        "model": row.model,
        "defence": row.defence,
        "eval_seed": eval_seed,
        "facts": spec.facts._asdict(),
    }


def _write(folder, kept):
    settings, rows = kept["settings"], sorted(kept["rows"].items())
    parts = [settings[n] for n in ("attack", "knowledge", "model", "defence")]
    if settings["eval_seed"] is not None:
        parts.append(f"draws {settings['eval_seed']}")
    parts.append(f"{settings['norm']} {settings['eps']:.4g}")
    name = re.sub(r"[^\w.+-]+", "_", " ".join(parts))
    path = _free(folder, name, settings)
    labels, digests, images = zip(*(row for _, row in rows), strict=True)
    with _files.replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            images=np.stack(images),
            labels=np.array(labels, np.int32),
            example_ids=np.array([i for i, _ in rows], np.int64),
            clean_digests=np.array(digests, np.uint64),
            settings=json.dumps(settings, sort_keys=True),
        )
    return path


def _free(folder, name, settings):
    """Returns the path of a file that is new or of the same images.

    The name is for readers: two radii, or two models, may share it.
    """
    for number in itertools.count(1):
        path = folder / (
            f"{name}_{number}.npz" if number > 1 else f"{name}.npz"
        )
        if not path.exists() or _identity(path) == _identifying(settings):
            return path


def _identity(path):
    """Returns whose images a file has; None for one that is not readable."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return _identifying(json.loads(str(file["settings"])))
    except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _identifying(settings):
    return {name: settings[name] for name in settings if name != "facts"}


def _read(path):
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`adversarial`: there is no file {path}.")
    expected = f"an .npz file with {', '.join(_ARRAYS)}"
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in _ARRAYS}
    except (
        KeyError,
        OSError,
        ValueError,
        EOFError,
        zipfile.BadZipFile,
    ) as error:
        _checks.check(False, "adversarial", expected, str(path), str(error))
    return found
