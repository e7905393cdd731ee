"""The records on the disk, and beside them what they belong to."""

import contextlib
import pathlib

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup.evaluation import identity
from keras_mixup.evaluation import records as records_lib


class Store:
    """A file of records that goes on; without a path, nothing is kept.

    Args:
        path: str, path or None.
        examples: `ImageSet`, the examples of the evaluation.
        verbose: bool, whether to say how many records were found.

    Attributes:
        done: dict key -> `Record`, those found and added.

    Raises:
        ValueError: the file has another true label for an example.
    """

    def __init__(self, path, examples, verbose):
        self.path, self.done, self._found, self._noted = path, {}, None, None
        if path is None or not pathlib.Path(path).exists():
            return
        found = records_lib.read_lines(path)
        ids, labels = examples.example_ids.tolist(), examples.labels.tolist()
        true = dict(zip(ids, labels, strict=True))
        # Records of other images would be taken for answers to these.
        other = [r for r in found if true.get(r.example_id, r.label) != r.label]
        received = f"{path}, {len(other)} records with another true label"
        expected = "a file of records of the same examples"
        _checks.check(not other, "records_path", expected, received)
        if found and verbose:
            print(f"{path}: {len(found)} records found, going on there.")
        self.done = {record.key: record for record in found}

    def identify(self, models, columns, *described):
        """Compares with what the records belong to.

        Args:
            models, columns, *described: as for `identity.describe`.

        Returns:
            dict (`Row`, `Column`) -> `Evidence` that was found.

        Raises:
            ValueError: the records are of something else.
        """
        if self.path is None:
            return {}
        found = identity.describe(models, columns, *described)
        self._found = identity.merged(self.path, found, models, self.done)
        return identity.evidence_of(self._found, [s.column for s in columns])

    @contextlib.contextmanager
    def open(self, evidence):
        """Within it, records can be added; the last evidence comes at the end.

        Args:
            evidence: dict (`Row`, `Column`) -> `Evidence`, of all attacks so
                far. It is filled as they run.
        """
        self._evidence = evidence
        try:
            yield
        finally:
            if self._noted is not None:
                self._write()

    def add(self, fresh):
        """Appends records; what they belong to comes before the first.

        Args:
            fresh: list of `Record`.
        """
        self.done.update((record.key, record) for record in fresh)
        if self.path is None:
            return
        # Written again where it says something new: it may be large.
        noted = {p: e if e.doubtful else 0 for p, e in self._evidence.items()}
        if noted != self._noted:
            self._write(first=self._noted is None)
            self._noted = noted
        if fresh:
            records_lib.append_records(self.path, fresh)

    def _write(self, first=False):
        found = identity.with_evidence(self._found, self._evidence)
        if first or found != self._found:
            _files.write_json(identity.path_of(self.path), found)
        self._found = found
