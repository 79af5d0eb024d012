"""What the images must still be good for: datasets, classifiers and how classifiers are trained."""

PLUGIN_MODULES: tuple[str, ...] = (
    "tasks.digits_on_photos",
    "tasks.image_folder",
    "tasks.torchvision_sets",
    "tasks.tiny_imagenet",
    "tasks.classifiers",
)
