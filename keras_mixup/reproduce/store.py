"""The folder of results: a folder for each job, and what is known of it.

`jobs/<key>/` is the folder of the run, with job.json beside the run's own
files: what the job is, what it cost, and whether it is finished.
"""

import hashlib
import pathlib
import shutil

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup.reproduce import choosing
from keras_mixup.reproduce import costs
from keras_mixup.reproduce import images
from keras_mixup.reproduce import jobs
from keras_mixup.runs import folder

JOBS = "jobs"
JOB = "job.json"
# Of a training, what its evaluation needs in its own folder.
# What each job.json has.
_NOTED = {
    *("settings", "key", "kind", "label", "given", "needs", "classifier"),
    *("data", "network", "work_kind", "work", "seconds", "cpu_seconds"),
    "finished",
}
_TAKEN = (_files.CONFIG, _files.BEST_CLASSIFIER, _files.FINAL)


class Store:
    """A folder of results.

    Args:
        path: str or path of the folder; made when something is written.

    Attributes:
        path: `pathlib.Path`.
        data: dict data set -> digest of its images. What is not there is
            taken from the first job that has it.

    Raises:
        ValueError: no path.
        NotADirectoryError: it is a file.
    """

    def __init__(self, path):
        _checks.check(path, "results_dir", "the path of a folder", path)
        self.path = pathlib.Path(path).absolute()
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"{path} is a file, not a folder.")
        self.data = {}
        self._chosen = {}

    def folder(self, job):
        """Returns the path of the job's folder."""
        return self.path / JOBS / job.key

    def known(self, job):
        """Returns what job.json says, a dict; {} where nothing was begun.

        Raises:
            ValueError: it is damaged.
        """
        file = self.folder(job) / JOB
        return _read(file) if file.is_file() else {}

    def finished(self, job):
        """Whether the job ended, with the settings that it has now.

        Raises:
            ValueError: its folder holds results of other settings; the text
                names them.
        """
        known = self.known(job)
        if not known.get("finished"):
            return False
        if not all(map(self.finished, job.choices)):
            return False
        self._check_same(job, known)
        return True

    def all_known(self):
        """Returns a list of dicts, what job.json says of each job."""
        files = sorted((self.path / JOBS).glob(f"*/{JOB}"))
        return [_read(file) for file in files]

    def note(self, job, seconds, cpu_seconds, finished):
        """Writes job.json; times add up over the parts of a job."""
        known = self.known(job)
        settings = job.made(**self.places(job))
        _files.write_json(
            self.folder(job) / JOB,
            {
                **folder.described(settings.as_dict()),
                "key": job.key,
                "kind": job.kind,
                "label": job.label,
                "given": jobs.told_settings(job.kind, job.settings),
                "needs": [need.key for need in (*job.needs, *job.choices)],
                "classifier": self.checksum(job),
                "data": self.data.get(images.dataset_of(job)),
                **costs.told(job),
                "seconds": known.get("seconds", 0.0) + seconds,
                "cpu_seconds": known.get("cpu_seconds", 0.0) + cpu_seconds,
                "finished": finished,
            },
        )

    def places(self, job):
        """Returns dict of settings that other jobs decide.

        They are the folders of autoencoders, and what is chosen on validation
        images.
        """
        found = [str(self.folder(need)) for need in job.needs]
        if job.kind == jobs.TRAIN:
            return {"vae": found[0]} if found else {}
        taken = {"adv_vae": found[1]} if found[1:] else {}
        chosen = {c.setting: c.value for c in self.choices(job).values()}
        return {**taken, **chosen}

    def choices(self, job):
        """Returns dict defence -> `choosing.Choice` of an evaluation.

        What it is chosen by is read once, and has to be finished.
        """
        if job.key not in self._chosen:
            self._chosen[job.key] = choosing.choices(job, self.folder)
        return self._chosen[job.key]

    def prepare_evaluation(self, job):
        """Puts the trained network into the folder of its evaluation."""
        trained = job.needs[0]
        path = self.folder(job)
        path.mkdir(parents=True, exist_ok=True)
        for name in _TAKEN:
            source = self.folder(trained) / name
            with _files.replacing(path / name) as temporary:
                shutil.copyfile(source, temporary)

    def checksum(self, job):
        """Returns SHA-256 of the network that is trained or attacked.

        None where there is none.
        """
        names = (_files.BEST_CLASSIFIER, _files.BEST_VAE)
        if job.settings.get("weights") == "last":
            names = (_files.FINAL,)
        for name in names:
            file = self.folder(job) / name
            if file.is_file():
                return hashlib.sha256(file.read_bytes()).hexdigest()
        return None

    def _check_same(self, job, known):
        """Raises `ValueError` for results that are not the job's."""
        place = self.folder(job)
        now = job.made(**self.places(job)).as_dict()
        for name, before in known["settings"].items():
            free = name in (*folder._FREE, *jobs.UNTOLD)
            if not free and name in now and now[name] != before:
                raise ValueError(
                    f"{place} holds results of other settings: {name}="
                    f"{before}, wanted {name}={now[name]}. Move it away, and "
                    "the job is done anew."
                )
        if known["key"] != job.key:
            raise ValueError(
                f"{place} holds results of another job, {known['key']}. Move "
                "it away, and the job is done anew."
            )
        self._check_data(job, known)
        self._check_network(job, known)

    def _check_data(self, job, known):
        name = images.dataset_of(job)
        wanted = self.data.setdefault(name, known["data"])
        if known["data"] != wanted:
            raise ValueError(
                f"{self.folder(job)} holds results of other images of {name}, "
                f"{known['data']}, wanted {wanted}. Move it away, and the job "
                "is done anew."
            )

    def _check_network(self, job, known):
        """The network that was attacked is the one that was trained."""
        if job.kind != jobs.EVALUATE or known.get("classifier") is None:
            return
        if self.checksum(job) == known["classifier"]:
            return
        raise ValueError(
            f"{self.folder(job)} holds attacks on another network than the "
            "one that lies there. Move it away, and the job is done anew."
        )


def _read(file):
    """Returns what a job.json says; raises `ValueError` if it is damaged."""
    known = _files.read_json(file)
    absent = sorted(_NOTED.difference(known))
    if absent:
        raise ValueError(
            f"{file} is damaged: it lacks {', '.join(absent)}. Move its folder "
            "away, and the job is done anew."
        )
    return known
