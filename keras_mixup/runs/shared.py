"""Settings of several kinds of run, each declared once.

A kind of run chooses the default, the owners, and whether several numbers may
stand for one (`Setting.but`).
"""

from keras_mixup._setting import Setting
from keras_mixup.runs import data_settings

RUN_DIR = Setting("run_dir", "str", help="Folder of the run.")
CLASSIFIER = Setting(
    "classifier",
    "str",
    help="A .keras file, a SavedModel's folder or package.module:Name.",
    unset="the run folder's classifier.keras",
)
DATASET = Setting("dataset", "str", help=f"Data set: {data_settings.HELP}.")
DATA_DIR = Setting(
    "data_dir",
    "str",
    help="Folder of prepared tfds data sets.",
    unset="that of tfds",
)
VAE = Setting("vae", "str", help="File or run folder of the autoencoder.")
NORM = Setting(
    "norm",
    "str",
    "linf",
    "Norm of the ball around an image.",
    choices=("linf", "l2"),
)
EPS = Setting("eps", "float", 8 / 255, "Radius in [0, 1] units, as 8/255.")
BATCH_SIZE = Setting(
    "batch_size", "int", 64, "Images in a batch, over all replicas.", minimum=1
)
SEED = Setting(
    "seed",
    "int",
    0,
    "Seed of everything random that has no seed of its own.",
    minimum=0,
)
THREADS = Setting(
    "threads",
    "int",
    0,
    "CPU threads in and between ops; 0: as many as cores.",
    minimum=0,
)
