"""What the images are used for: datasets, classifiers and how classifiers are trained."""

PLUGIN_MODULES: tuple[str, ...] = (
    "tasks.digits_on_photos",
    "tasks.image_folder",
    "tasks.torchvision_sets",
    "tasks.tiny_imagenet",
    "tasks.classifiers",
    "tasks.imagenet_classifiers",
    "tasks.timm_classifier",
)
