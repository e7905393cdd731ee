"""The names of common corruptions (Hendrycks and Dietterich, 2019)."""

SEVERITIES = (1, 2, 3, 4, 5)
# What "mean over all distortions" means in the literature: these fifteen.
STANDARD = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
# Held out by the authors for validation; never part of that mean.
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
