"""What jobs cost: from a timed step, or from earlier jobs of the kind."""

import time

from keras_mixup import _files
from keras_mixup import data
from keras_mixup import runs
from keras_mixup.reproduce import jobs

COSTS = "costs.json"
_TIMED_IMAGES = 8
_REPEATS = 2
# Images of the train split, less those of validation, and of the test split.
_TRAIN = {
    "digits": 1097,
    "cifar10": 45_000,
    "cifar100": 45_000,
    "svhn": 68_257,
    "tiny_imagenet": 95_000,
}
# Of PGD, where nothing is said.
_STEPS = 10
_TEST = {"digits": 500, "svhn": 26_032}
_USUAL_TRAIN, _USUAL_TEST = 500, 10_000
_HALF_TEST = 250
# A forward pass of a gradient pass.
_FORWARD = 1 / 3
# Steps and draws of attacks through a defence, where nothing is said.
_ADAPTIVE = {"eot": (100, 30), "tramer2020": (50, 10)}
# Passes of AutoAttack on an image that resists all of it.
_AUTOATTACK = {"standard": 3000, "plus": 9000, "cheap": 400, "fast": 400}
# Passes on an image of a figure, with 20 adaptive steps of 5 draws.
_FIGURES = {
    "fig2": 600,
    "fig3a": 1500,
    "fig3b": 4000,
    "fig4": 7000,
    "fig5": 100,
    "varmixup_fig3": 700,
    "varmixup_fig4": 12_000,
    "calibration": 20,
}
# Queries of one image by SPSA.
_SPSA = 100 * 128 * 2


class Costs:
    """Estimates in seconds of this machine.

    Args:
        store: `Store`, whose finished jobs are taken for what they cost, and
            which keeps the times of single steps.
    """

    def __init__(self, store):
        self._store = store
        self._path = store.path / COSTS
        known = _files.read_json(self._path) if self._path.is_file() else {}
        self._timed = known
        self._done = {}
        self._read_finished = set()

    def seconds(self, job):
        """Returns the estimate of a job, or None where nothing is known."""
        self._read()
        for place in (_kind(job), job.kind, None):
            found = self._done.get((place, _network(job)))
            if found is not None:
                return work(job) * found[0] / found[1]
        one = self._timed.get(_network(job))
        return None if one is None else work(job) * one

    def left(self, missing):
        """Returns the seconds that a list of `Job` takes, None if unknown."""
        found = [self.seconds(job) for job in missing]
        return None if None in found else sum(found)

    def time_steps(self, missing, progress, **machine):
        """Times a step of each network of which nothing is known.

        Args:
            missing: list of `Job`.
            progress: callable of a str.
            **machine: settings of the machine, `data_dir` and `threads`.
        """
        for job in missing:
            if job.kind != jobs.TRAIN or self.seconds(job) is not None:
                continue
            progress(f"Timing a step of {_network(job)}")
            self._timed[_network(job)] = time_pass(job, **machine)
            self._store.path.mkdir(parents=True, exist_ok=True)
            _files.write_json(self._path, self._timed)

    def _read(self):
        """Adds up what finished jobs cost, by kind and network."""
        for told in self._store.all_known():
            if not told["finished"] or told["key"] in self._read_finished:
                continue
            self._read_finished.add(told["key"])
            place = told["network"]
            for kind in (told["work_kind"], told["kind"], None):
                spent, done = self._done.get((kind, place), (0.0, 0.0))
                self._done[kind, place] = (
                    spent + told["seconds"],
                    done + told["work"],
                )


def told(job):
    """Returns dict of what job.json says of a job's work."""
    return {
        "network": _network(job),
        "work_kind": _kind(job),
        "work": work(job),
    }


def work(job):
    """Returns the gradient passes of single images in a job, a float."""
    if job.kind == jobs.TRAIN:
        return _training(job.settings)
    return _evaluation(job.settings, job.needs[0].settings)


def time_pass(job, **machine):
    """Returns the seconds of a gradient pass of one image, measured.

    Args:
        job: `Job`, a training.
        **machine: settings of the machine, `data_dir` and `threads`.
    """
    import tensorflow as tf

    from keras_mixup.runs import _data
    from keras_mixup.runs import training

    vae = {"vae": "none"} if job.needs else {}
    settings = job.made(**vae, **machine)
    runs.prepare(settings)
    model = training.build_network(settings)
    shape = (_TIMED_IMAGES, *_data.of_training(settings).spec.image_shape)
    images = tf.random.stateless_uniform(shape, (0, 0))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.add_n(
                [tf.reduce_sum(o) for o in tf.nest.flatten(model(images))]
            )
        return tape.gradient(total, [images, *model.trainable_variables])

    step()
    start = time.perf_counter()
    for _ in range(_REPEATS):
        step()
    return (time.perf_counter() - start) / (_REPEATS * _TIMED_IMAGES)


def _training(settings):
    images = settings.get("num_train")
    images = images or _TRAIN.get(settings["dataset"], _USUAL_TRAIN)
    attacked = "attack" in settings or "eps" in settings
    steps = settings.get("num_steps") or (_STEPS if attacked else 0)
    passes = images * (1 + steps + (settings.get("latent_steps") or 0))
    if attacked:  # The validation images as well, after each epoch.
        passes += _validated(settings) * _STEPS
    return float(settings["epochs"] * passes)


def _validated(settings):
    found = settings.get("num_validation")
    if found is None and settings["dataset"] in data.DATASETS:
        return data.DATASETS[settings["dataset"]].num_validation
    return found or 0


def _evaluation(settings, trained):
    dataset = trained["dataset"]
    own = dataset if dataset in _TRAIN else None
    images = _TEST.get(own, _USUAL_TEST if own else _HALF_TEST)
    images = min(settings.get("num_examples") or images, images)
    seeds = len(settings.get("eval_seeds") or (0, 1, 2))
    draws = settings.get("num_draws", 30)
    defences = len(settings.get("defences", ()))
    scored = 1 + defences * seeds * draws
    few = min(settings.get("adaptive_examples") or images, images)
    total = 0.0
    for name in settings["attacks"]:
        steps = settings.get("pgd_steps", (10,))
        if name in _ADAPTIVE:
            inner = settings.get("adaptive_steps") or _ADAPTIVE[name][0]
            inner *= settings.get("adaptive_draws") or _ADAPTIVE[name][1]
            total += few * (1 + defences) * inner
        elif name == "autoattack":
            version = settings.get("autoattack_version", "standard")
            total += few * _AUTOATTACK[version]
        elif "spsa" in name:
            total += settings.get("spsa_examples", 20) * _SPSA * _FORWARD
        elif name != "clean":
            total += images * sum(steps)
        total += images * scored * _FORWARD
    shown = min(settings.get("figure_examples", 100), images)
    for name in settings.get("figures", ()):
        total += shown * _FIGURES.get(name, 10)
    return total


def _network(job):
    """What a pass of an image depends on, a str."""
    settings = job.settings if job.kind == jobs.TRAIN else job.needs[0].settings
    parts = [
        settings.get("model", settings.get("task", "")),
        settings["dataset"],
    ]
    if settings.get("width"):
        parts.insert(1, f"width {settings['width']}")
    return ", ".join(parts)


def _kind(job):
    """What jobs of one kind have in common, a str."""
    if job.kind == jobs.TRAIN:
        return f"train {job.settings.get('algorithm', 'vae')}"
    chosen = ("attacks", "defences", "figures")
    names = [own for name in chosen for own in job.settings.get(name, ())]
    return f"evaluate {' '.join(names)}"
