"""Scales: what replaces the papers' data, networks and lengths."""

from typing import NamedTuple

from keras_mixup import _checks

_HALVES = "keras_mixup.reproduce.digit_halves"
_CPU = "what two CPU cores do in the stated time"


class Scale(NamedTuple):
    """What an experiment changes of a paper's, as data.

    Attributes:
        name: str.
        about: str, a sentence for the page.
        datasets: dict the paper's data set -> the one that stands for it.
        transfer: the same for entries on the transfer of autoencoders.
        models: dict the paper's network -> dict of settings; "" for all
            others. An absent network stays.
        training: dict of settings of `train` that replace the paper's.
        attacked: the same for trainings with an attack, besides.
        vae: the same for autoencoders.
        plain_vae: the same for those without a linear path, besides.
        own: dict algorithm -> dict of its own settings.
        radius: float, the factor of every radius and step of an attack.
        evaluation: dict of settings of `evaluate`.
        attacks: dict attack -> dict of settings of the evaluations with it, in
            the place of `evaluation`'s.
        figures: dict figure of `evaluate` -> dict of settings of the
            evaluations that draw it, in the place of `evaluation`'s; None for
            the paper's.
        grids: dict defence -> tuple of values of its parameter, from mild to
            strong, of which one is chosen on validation images; see
            `choosing`. A defence that is not there keeps the paper's.
        seeds: tuple of int, a network of each row for each of them.
        reasons: dict setting -> str, why it differs; "SETTING of plain_vae"
            for autoencoders without a linear path.
        left_out: dict entry -> str, why it has no numbers at this scale.
        told: dict data set -> str, what a page calls it; absent: its name.
    """

    name: str
    about: str
    datasets: dict
    transfer: dict = {}
    models: dict = {}
    training: dict = {}
    attacked: dict = {}
    vae: dict = {}
    plain_vae: dict = {}
    own: dict = {}
    radius: float = 1.0
    evaluation: dict = {}
    attacks: dict = {}
    figures: dict = {}
    grids: dict = {}
    seeds: tuple = (0,)
    reasons: dict = {}
    left_out: dict = {}
    told: dict = {}

    def stand_in(self, dataset: str, transfer: bool = False) -> str | None:
        """Returns the data set that stands for a paper's, or None."""
        known = self.transfer if transfer else self.datasets
        return known.get(dataset)


_ALL = ("cifar10", "cifar100", "svhn", "tiny_imagenet")
_NO_CORRUPTED = (
    "There is no published corrupted test set of {}, on which the paper's "
    "numbers are measured."
)

_DIGITS = Scale(
    name="digits",
    about="The 1,797 digits of 8 x 8 pixels that scikit-learn carries, 500 of "
    "them for testing, and a small convolutional network. It shows that each "
    "experiment runs from end to end, and which way a comparison points on an "
    "easy problem. It does not repeat the papers' numbers. 120 "
    "epochs are 2,040 steps: the networks stay smoother than after long "
    "training, so that those without adversarial training resist more than in "
    "the papers.",
    datasets=dict.fromkeys(_ALL, "digits"),
    transfer={
        **dict.fromkeys(("cifar10", "cifar100"), f"{_HALVES}:high"),
        "tiny_imagenet": f"{_HALVES}:low",
    },
    models={"": {"model": "small_convnet"}},
    training={"epochs": 120, "batch_size": 64},
    vae={"epochs": 120},
    # The PSNR of the one with a linear path takes it so many steps.
    plain_vae={"epochs": 240, "learning_rate": 0.003, "gamma": 0.1},
    own={"curvature_regularization": {"warmup_steps": 40}},
    radius=0.1 / (8 / 255),
    evaluation={
        "num_examples": None,
        "adaptive_examples": 100,
        "adaptive_steps": 20,
        "adaptive_draws": 5,
        "spsa_examples": 100,
        "eval_seeds": (0,),
        "probe": False,
    },
    attacks={"eot": {"adaptive_steps": 50, "adaptive_draws": 10}},
    figures={
        "fig3a": {"figure_examples": 500},
        "fig3b": {"figure_examples": 200},
        # The paper's 10 and 50 steps, up to its 30 samples.
        "fig4": {"adaptive_steps": None, "adaptive_draws": None},
        "varmixup_fig3": {
            "adaptive_steps": None,
            "adaptive_draws": None,
            "figure_examples": 100,
        },
        "varmixup_fig4": {"figure_examples": 100},
        "varmixup_fig6b": {"adaptive_examples": 40},
        "calibration": {"figure_examples": 500},
    },
    grids={
        "gaussian_noise": (0.02, 0.05, 0.1, 0.15, 0.2, 0.3),
        "random_rotation": (5.0, 10.0, 20.0, 30.0, 40.0, 50.0),
        "random_crop_pad": ((7, 8), (6, 8), (6, 7), (5, 7), (5, 6), (4, 6)),
        "random_crop_resize": ((7, 8), (6, 8), (6, 7), (5, 7), (5, 6), (4, 6)),
    },
    reasons={
        "dataset": "8 x 8 digits stand for every data set of the papers",
        "model": "a small network suffices for 8 x 8 pixels",
        "width": "a setting of the paper's network",
        "crop_padding": "8 x 8 digits are not cropped",
        "epochs": _CPU,
        "epochs of plain_vae": "convolutions alone reach the PSNR of PCA in "
        "so many",
        "gamma": "MMD² is then 0.003, as with 0.01 on CIFAR-10",
        "learning_rate": "convolutions alone reach the PSNR of PCA with it in "
        "the stated epochs",
        "batch_size": "1,097 training images give few larger batches",
        "drops": "at the same fractions of the training",
        "eps": "0.1 is about as hard on digits as 8/255 on CIFAR-10",
        "step_size": "in proportion to the radius",
        "latent_eps": "in proportion to the radius",
        "latent_step_size": "in proportion to the radius",
        "warmup_steps": "the same part of the training",
        "num_examples": "all 500 test images",
        "figure_eps": "in proportion to the radius",
        "figure_examples": "no more than the test images, and " + _CPU,
        "adaptive_examples": _CPU,
        "adaptive_steps": _CPU,
        "adaptive_draws": _CPU,
        "spsa_examples": _CPU,
        "eval_seeds": _CPU,
        "probe": _CPU,
    },
    left_out={"varmixup/table4": _NO_CORRUPTED.format("the digits")},
    told={
        f"{_HALVES}:low": "the digits 0 to 4",
        f"{_HALVES}:high": "the digits 5 to 9",
    },
)

_CROPS = ((26, 32), (24, 32), (22, 30), (20, 28), (18, 26), (16, 24))
_NARROW = {"model": "preact_resnet18", "width": 16}
_CIFAR10_CPU = Scale(
    name="cifar10_cpu",
    about="CIFAR-10, 20,000 of its training images, and narrow networks: what "
    "a desktop computer does in days.",
    datasets={"cifar10": "cifar10"},
    models={"": _NARROW},
    # 5,000 would take a third of the time, for attacks after each epoch.
    training={"epochs": 30, "num_train": 20_000, "num_validation": 1000},
    # 40 minutes of a core with 5 attack steps. In batches of 128, AT reached
    # 29.9 % under PGD-20 after the same epochs.
    attacked={"epochs": 10, "batch_size": 64},
    vae={"epochs": 30},
    # With gamma 0.1 25.3 dB on test images, where batches of 128 leave 23.2.
    plain_vae={"batch_size": 32},
    own={"curvature_regularization": {"warmup_steps": 94}},
    evaluation={
        "num_examples": 1000,
        "adaptive_examples": 100,
        "spsa_examples": 100,
        "eval_seeds": (0, 1, 2),
    },
    # Two networks vary more than three draws of 30 samples each.
    attacks={
        "autoattack": {"adaptive_examples": 500},
        "eot": {"adaptive_steps": 50, "adaptive_draws": 10},
        "cleverhans_pgd": {"eval_seeds": (0,)},
        "varmixup_pgd": {"eval_seeds": (0,)},
    },
    # About the parameters of the paper's Tables 4 and 5.
    grids={
        "gaussian_noise": (0.0125, 0.02, 0.03, 0.0375, 0.05, 0.075),
        "random_rotation": (5.0, 10.0, 20.0, 30.0, 40.0, 50.0),
        "random_crop_pad": _CROPS,
        "random_crop_resize": _CROPS,
    },
    seeds=(0, 1),
    reasons={
        "model": "PreActResNet-18 of width 16 instead of a full network",
        "width": "narrow, for CPUs",
        "epochs": "for CPUs",
        "batch_size": "twice as many steps in the same time",
        "batch_size of plain_vae": "four times as many steps bring "
        "convolutions alone 2 dB nearer to PCA",
        "drops": "at the same fractions of the training",
        "num_train": "for CPUs; a class-balanced subset",
        "num_validation": "for CPUs: attacked after each epoch",
        "warmup_steps": "the same part of the training",
        "num_examples": "for CPUs; a class-balanced subset",
        "adaptive_examples": "for CPUs",
        "adaptive_steps": "for CPUs",
        "adaptive_draws": "for CPUs",
        "spsa_examples": "for CPUs",
        "eval_seeds": "for CPUs",
    },
    left_out={
        "varmixup/table2_others": "Only CIFAR-10 is trained at this scale.",
        "varmixup/table3": "Its autoencoder is of Tiny ImageNet; only CIFAR-10 "
        "is trained at this scale.",
        "mixup_inference/table3": "Only CIFAR-10 is trained at this scale.",
        "adversarial_mixup/table2": "Only CIFAR-10 is trained at this scale.",
    },
)

_PAPER = Scale(
    name="paper",
    about="The paper's data, networks and lengths, for GPUs, in as many parts "
    "as it takes.",
    datasets={name: name for name in _ALL},
    transfer={name: name for name in _ALL},
)

SCALES = {scale.name: scale for scale in (_DIGITS, _CIFAR10_CPU, _PAPER)}


def find(name):
    """Returns the `Scale` called `name`.

    Raises:
        ValueError: there is none; the text names the nearest and lists all.
    """
    return SCALES[_checks.check_known(name, "scale", tuple(SCALES))]
