"""The command `reproduce`."""

from keras_mixup import reproduce
from keras_mixup import runs
from keras_mixup._setting import Setting
from keras_mixup.cli import flags as flags_lib
from keras_mixup.cli import main as main_lib
from keras_mixup.reproduce import lookup
from keras_mixup.reproduce import scales
from keras_mixup.runs import shared

USAGE = """Repeats a paper: keras-mixup reproduce --entry=... --scale=digits

An entry is a table, a figure or a paragraph of a paper. The command
trains what it needs and is not in --results_dir yet, attacks it, and
writes a page: our numbers beside the paper's, the claims of its text and
whether they hold, the settings that differ, the cost, the commands. A killed
or stopped call goes on where it was. SIGTERM, Ctrl-C and --max_minutes end
with exit code 75.

--list shows the entries, what is here and what the rest costs; with --scale it
times a step of each network that is new. It takes --entry, --rows and --jobs.
"""
_SCALE = "digits"
# What the other modes read.
_LISTED = ("entry", "scale", "rows", "results_dir", "threads", "jobs")
_WRITTEN = ("scale", "results_dir", "output", "data_dir")
_OWN = (
    Setting(
        "entry",
        "str",
        (),
        "Entries, such as mixup_inference/table2 or mixup_inference/fig4, or "
        "all. --list takes all where none is given.",
        many=True,
    ),
    Setting(
        "scale",
        "str",
        None,
        "digits, cifar10_cpu or paper.",
        unset="digits; with --list: all, and no step is timed",
    ),
    Setting(
        "rows",
        "str",
        "",
        "Rows of the tables to compute now, by their labels, with ; between "
        "them.",
        unset="all",
    ),
    Setting("results_dir", "str", "results", "Folder of the jobs."),
    Setting(
        "output",
        "str",
        None,
        "Folder of the pages.",
        unset="a folder with the scale's name in --results_dir",
    ),
    shared.DATA_DIR,
    Setting(
        "corruption_dir",
        "str",
        None,
        "Folder with CIFAR-100-C and Tiny-ImageNet-C, unpacked, where an "
        "entry scores them; CIFAR-10-C lies in --data_dir.",
        unset="none",
    ),
    shared.THREADS,
    Setting("jobs", "int", 1, "Jobs at once, each a process.", minimum=1),
    Setting("yes", "bool", False, "Go on although it takes hours."),
    Setting("list", "bool", False, "List the entries, and stop."),
    Setting(
        "pages",
        "bool",
        False,
        "Write the pages from the finished jobs, and stop.",
    ),
    main_lib.MAX_MINUTES,
)


def make_flags():
    """Returns the `Flags` of the command."""
    return flags_lib.Flags({}, _OWN, USAGE)


def main(flags):
    """Reproduces, and prints the verdicts; or lists the entries."""
    if flags.list:
        _list(flags)
    elif flags.pages:
        _write_pages(flags)
    else:
        _reproduce(flags)


def _list(flags):
    flags.check_read("list", _LISTED)
    found = reproduce.listing(
        flags.results_dir,
        flags.scale,
        progress=main_lib.say,
        threads=flags.threads,
        entry=flags.entry or "all",
        rows=_rows(flags),
        jobs=flags.jobs,
    )
    print(found)


def _write_pages(flags):
    flags.check_read("pages", _WRITTEN)
    found = reproduce.write_pages(
        flags.scale or _SCALE,
        flags.results_dir,
        flags.output,
        data_dir=flags.data_dir,
        progress=main_lib.say,
    )
    print(found.text)


def _reproduce(flags):
    scale = flags.scale or _SCALE
    scales.find(scale)
    lookup.names(flags.entry)
    with runs.Stop(flags.max_minutes) as stop:
        result = reproduce.reproduce(
            flags.entry,
            scale,
            flags.results_dir,
            flags.output,
            data_dir=flags.data_dir,
            corruption_dir=flags.corruption_dir,
            threads=flags.threads,
            yes=flags.yes,
            progress=main_lib.say,
            stop=stop,
            jobs=flags.jobs,
            rows=_rows(flags),
        )
    print(result.text)


def _rows(flags):
    return [row.strip() for row in flags.rows.split(";") if row.strip()]
