"""Example images of a table: attacked on each of its networks."""

from keras_mixup import _files
from keras_mixup.reproduce import document
from keras_mixup.reproduce import jobs
from keras_mixup.reproduce import planning

# Wider grids cannot be read on a phone.
_SHOWN = 6


def read(plan, store):
    """Returns dict label of a network -> `reporting.pictures.Pictures`.

    Args:
        plan: `Plan` of a table.
        store: `Store`. What its evaluations left is read: of each training
            the first finished one.
    """
    from keras_mixup.reporting import pictures

    found, seen = {}, set()
    for row in plan.entry.rows:
        for job in plan.jobs_of(row.label):
            trained = job.needs[0].key if job.needs else None
            path = store.folder(job) / _files.PICTURES
            used = job.kind == jobs.EVALUATE and store.finished(job)
            on_test = job.settings.get("split") == "test"
            if used and on_test and trained not in seen and path.is_file():
                seen.add(trained)
                network = planning.network_of(row)
                found.setdefault(network, pictures.read_pictures(path))
    return found


def blocks(name, networks):
    """Yields the blocks of what `read` returned; none of nothing.

    Args:
        name: str, the entry's.
        networks: dict label -> `Pictures`.
    """
    from keras_mixup.studies import drawing as drawing_lib

    if not networks or not drawing_lib.available():
        return
    first = next(iter(networks.values()))
    rows = {"clean": first.clean[:_SHOWN]}
    captions = {"clean": [str(label) for label in first.labels[:_SHOWN]]}
    for label, own in networks.items():
        title = label.replace(" ", "\n", 1)
        rows[title] = own.adversarial[:_SHOWN]
        answers = drawing_lib.answer_texts(
            own.adversarial_predictions, own.labels
        )
        captions[title] = answers[:_SHOWN]
    figure = drawing_lib.image_grid(rows, captions)
    png = document.small_png(figure)
    attacks = dict.fromkeys(own.attack for own in networks.values())
    yield document.Heading("Examples")
    yield document.Drawing(
        f"{name.replace('/', '-')}-examples", png, "Test images under attack"
    )
    yield document.Text(
        "Above, test images with their labels. Below, what "
        f"{', '.join(attacks)} makes of them on each network, with its "
        "answers. Defences at inference are not part of it."
    )
