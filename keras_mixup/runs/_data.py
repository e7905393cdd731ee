"""The data set of a run: a named one, or the user's own."""

import functools
import pathlib
from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup import _own_modules
from keras_mixup import data
from keras_mixup.data import hf_source
from keras_mixup.data import own as own_lib
from keras_mixup.data import own_sources
from keras_mixup.runs import data_settings

_OWN_FORMS = (
    "an .npz file, a folder of images, tfds:NAME, hf:FOLDER or "
    "package.module:function"
)


class Source(NamedTuple):
    """Where the images of a run come from.

    Attributes:
        dataset: str, as in the settings.
        data_dir: str or None.
        download: bool.
        num_validation: int or None.
        options: `own.OwnOptions`.
    """

    dataset: str
    data_dir: str | None
    download: bool
    num_validation: int | None
    options: own_lib.OwnOptions

    @property
    def is_own(self):
        """bool: whether the data are the user's own."""
        return data_settings.kind_of(self.dataset) in data_settings.OWN

    @property
    def spec(self):
        """`DatasetSpec`.

        Raises:
            ValueError: for an unknown name, or data in another form.
        """
        if self.is_own:
            return own_lib.specify(self.dataset, self._own())
        return data.DATASETS[self._known()]

    def load(self, split, num_examples=None, seed=0):
        """Returns the `ImageSet` of a split, or a class-balanced subset.

        Raises:
            ValueError: for an unknown name, or data in another form.
            FileNotFoundError: the data are not there.
        """
        if not self.is_own:
            return data.load_arrays(
                self._known(),
                split,
                self.data_dir,
                self.download,
                num_validation=self.num_validation,
                num_examples=num_examples,
                seed=seed,
            )
        found = own_lib.split_of(self._own(), split, self.num_validation)
        if num_examples is None:
            return found
        return data.class_balanced_subset(found, num_examples, seed)

    def _known(self):
        known = (*data.DATASETS, *data_settings.plug_ins())
        try:
            return _checks.check_known(self.dataset, "dataset", known)
        except ValueError as error:
            _, _, name, hint = error.parts
            expected = f"one of {', '.join(known)}; or {_OWN_FORMS}"
            _checks.check(False, "dataset", expected, name, hint=hint)

    def _own(self):
        name, kind = self.dataset, data_settings.kind_of(self.dataset)
        # What tells that a file or a function is no longer the same.
        stamp = None
        if kind == "npz" and pathlib.Path(name).is_file():
            stamp = _stamp(pathlib.Path(name))
        elif kind in ("folder", "hf"):
            files = own_sources.files_of(name.removeprefix("hf:"))
            stamp = tuple(map(_stamp, files))
        elif kind == "function":
            stamp = _function(name)
        return _read(self._replace(num_validation=None), kind, stamp)


def of_training(settings):
    """Returns the `Source` of `TrainSettings`."""
    return Source(
        settings.dataset,
        settings.data_dir,
        settings.download,
        settings.num_validation,
        _options({n: getattr(settings, n) for n in data_settings.NAMES}),
    )


def of_extra(settings):
    """Returns the `Source` of the second data set of `TrainSettings`."""
    own = of_training(settings)
    return own._replace(dataset=settings.extra_dataset, num_validation=None)


def of_run(settings, trained):
    """Returns the `Source` of an evaluation or an export.

    Args:
        settings: `EvaluateSettings` or `ExportSettings`, with a data set or
            without.
        trained: dict, the settings of the training run. What they say of the
            split holds for the run's own data set alone.
    """
    dataset = settings.dataset or trained.get("dataset")
    same = dataset == trained.get("dataset")
    given = {n: getattr(settings, n) for n in data_settings.NAMES}
    if same:
        given = {n: v or trained.get(n) for n, v in given.items()}
    return Source(
        dataset,
        settings.data_dir or trained.get("data_dir"),
        False,
        trained.get("num_validation") if same else None,
        _options(given),
    )


def list_datasets() -> list[tuple[str, str, str]]:
    """Returns (name, what it stands for, package) of each named data set."""
    rows = []
    for name, spec in data.DATASETS.items():
        size = " x ".join(map(str, spec.image_shape))
        shown = f"{size}, {spec.num_classes} classes, "
        shown += f"{spec.num_validation} validation images"
        rows.append((name, shown, "keras_mixup"))
    for name, point in data_settings.plug_ins().items():
        owner = point.dist.name if point.dist else ""
        rows.append((name, point.value, owner))
    return rows


def _options(values):
    """Returns `OwnOptions` of settings, None where nothing was given."""
    given = {n: v for n, v in values.items() if v is not None}
    lists = {n: tuple(v) for n, v in given.items() if isinstance(v, list)}
    return own_lib.OwnOptions(**{**given, **lists})


def _stamp(file):
    found = file.stat()
    return str(file), found.st_size, found.st_mtime_ns


def _function(name):
    point = data_settings.plug_ins().get(name)
    return _own_modules.find(point.value if point else name, "dataset")


# A run asks for its splits one after the other.
@functools.lru_cache(maxsize=2)
def _read(source, kind, stamp):
    name = source.dataset
    if kind == "npz":
        parts = own_sources.from_npz(name)
    elif kind == "folder":
        parts = own_sources.from_folder(name, source.options.channels)
    elif kind == "tfds":
        name = name.removeprefix("tfds:")
        parts = own_sources.from_tfds(name, source.data_dir, source.download)
    elif kind == "hf":
        parts = hf_source.from_disk(name.removeprefix("hf:"))
    else:
        parts = own_sources.from_function(stamp, name)
    return own_lib.prepare(parts, source.options)
