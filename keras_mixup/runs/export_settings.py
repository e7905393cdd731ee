"""The settings of an export."""

from typing import TYPE_CHECKING
from typing import Any

from keras_mixup import _checks
from keras_mixup import _settings
from keras_mixup import registry
from keras_mixup._settings import field
from keras_mixup.runs import data_settings
from keras_mixup.runs import shared
from keras_mixup.runs._owned import owned
from keras_mixup.runs.settings import check_vae

_OWNED = owned("defence", "defence")
_DETECTORS = ("mixup_inference_pl", "mixup_inference_combined")


class _ExportSettings(_settings.Settings):
    """The settings of `export`: these, and those of the registered defences."""

    run_dir = shared.RUN_DIR
    classifier = shared.CLASSIFIER
    dataset = shared.DATASET.but(unset="that of the run")
    data_dir = shared.DATA_DIR.but(unset="that of the run")
    defence: "str" = field(
        "mixup_inference_ol",
        f"none, or one of {', '.join(registry.names('defence'))}.",
    )
    pool_per_class: "int | None" = field(
        None,
        "Pool: training images of each class, chosen by seed.",
        1,
        (("defence", registry.taking("defence", "pool")),),
        "all",
    )
    seed = shared.SEED
    vae = shared.VAE.but(
        owners=(("defence", registry.taking("defence", "vae")),),
        unset="none, so it must be given",
    )
    threshold = _OWNED["threshold"].but(
        owners=(("defence", _DETECTORS),), unset="0.2"
    )
    threshold_fpr: "float | None" = field(
        None,
        "The same, chosen on validation images for this false positive rate.",
        owners=(("defence", _DETECTORS),),
        unset="none",
    )
    threshold_images: "int" = field(
        1000,
        "Validation images for threshold_fpr, at most.",
        1,
        (("defence", _DETECTORS),),
    )
    name: "str | None" = field(
        None, "Model name.", unset="that of the run, and the defence"
    )
    saved_models: "str" = field("saved_models", "Folder of all exports.")
    version: "int | None" = field(
        None, "Version.", 1, unset="one above the largest there"
    )
    default_signature: "str" = field(
        "serving_default", "Signature that clients get who name none."
    )
    warmup: "bool" = field(
        True, "Write warm-up requests (needs tensorflow-serving-api)."
    )
    allow_untrained: "bool" = field(
        False, "Export a classifier that looks untrained."
    )

    def value(self, name: str) -> Any:
        """Returns the setting; for "dataset" its kind."""
        if name == "dataset":
            return data_settings.kind_of(self.dataset)
        return getattr(self, name)

    def check(self) -> None:
        """Raises `ValueError` for settings that do not go together."""
        known = ("none", *registry.names("defence"))
        registry.check_name("defence", self.defence, known)
        super().check()
        if self.threshold is not None and self.threshold_fpr is not None:
            raise ValueError("threshold and threshold_fpr exclude each other.")
        entry = self.entry
        if entry and "vae" in entry.arguments:
            check_vae(self.vae, f"defence={self.defence}")
        if self.name is not None:
            plain = self.name not in ("", ".", "..") and "/" not in self.name
            expected = "the name of one folder"
            _checks.check(plain, "name", expected, self.name)

    @property
    def entry(self) -> registry.Entry | None:
        """The defence's `registry.Entry`, or None."""
        if self.defence == "none":
            return None
        return registry.entry("defence", self.defence)


if TYPE_CHECKING:  # What a checker and the site see of it.

    class ExportSettings(_ExportSettings):
        """The settings of `export`, given by name.

        `keras-mixup export --help` lists all of them, with what they mean.
        """

else:
    ExportSettings = _settings.complete(
        _ExportSettings,
        [
            *(
                setting
                for name, setting in _OWNED.items()
                if name not in ("max_inputs", "score")
            ),
            *data_settings.SETTINGS,
        ],
    )
