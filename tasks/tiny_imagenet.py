"""tiny-imagenet-200 as it is published: from its archive, without extracting it, or from the extracted folder."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

from harness.contracts import Augmentation, BadInput, DatasetArrays
from harness.registry import dataset
from tasks.listings import TINY_IMAGENET
from tasks.places import nearest
from tasks.published import PublishedSet, check_files, fetch, published, splits
from tasks.tiny_imagenet_files import Folder, Found, Tree, Zipped, decode, list_images, root_in


@dataset("tiny-imagenet-200", summary="tiny ImageNet: 100,000 + 10,000 images, 64x64, 200 classes")
class TinyImageNet(PublishedSet):
    """tiny-imagenet-200 (Stanford CS231n), from ``tiny-imagenet-200.zip`` or ``tiny-imagenet-200/`` in ``data_root``.

    As in the paper the validation set is the test split, the test set's labels being unpublished; it is read with
    ``val/val_annotations.txt``. Classes are in ascending order of their WordNet ids, as in folders of classes; their
    names are the first synonym in ``words.txt``; images are called by their files below ``tiny-imagenet-200``. Gray
    images are repeated in all channels. Normalized with ImageNet's constants, augmented by a horizontal flip and a crop
    after zero padding of 8 pixels, as in the paper's code. Images are in ascending order of class and name.

    ``data_root`` may also be the extracted folder itself, and validation images may be in folders of classes, where the
    authors' script puts them.

    The archive is read in place, and is preferred if both are there. Images are decoded in as many threads as there
    are cores.
    """

    expected = TINY_IMAGENET

    def check(self) -> None:
        """BadInput where there is neither a whole archive nor a whole folder, and ``download`` is off. No image is
        decoded."""
        folder, _ = self._place()
        if self._extracted(folder) is None:
            check_files(self.expected, folder, self.download)

    def fingerprint(self) -> str:
        """Of the archive, there or to be got: its published md5, which ``load`` insists on. Of a folder: sha256 over
        the names, labels and sizes of its images, as 110,000 files take long to read; an image that was replaced by one
        of as many bytes goes unnoticed. So the two have different keys."""
        folder, note = self._place()
        if note:
            warnings.warn(note, stacklevel=1)
        extracted = self._extracted(folder)
        return published(self.expected) if extracted is None else extracted[1].digest()

    def load(self) -> DatasetArrays:
        """BadInput names the first file that is missing, damaged or not of the published size."""
        folder, _ = self._place()
        if (extracted := self._extracted(folder)) is not None:
            return self._decode(*extracted)
        fetch(self.expected, folder, self.download)
        with zipfile.ZipFile(self._archive(folder)) as archive:
            tree = Zipped(archive)
            return self._decode(tree, list_images(tree, self.expected))

    def _place(self) -> tuple[Path, str]:
        """Where archive or folder are, and a sentence where that is not ``data_root``."""

        def holds(folder: Path) -> bool:
            return self._archive(folder).exists() or root_in(folder) is not None

        return (self.folder, "") if self.download else nearest(self.folder, holds, self.expected.title)

    def _archive(self, folder: Path) -> Path:
        return folder / self.expected.downloads[0].name

    def _extracted(self, folder: Path) -> tuple[Folder, Found] | None:
        """The extracted folder, where it and no archive is there; an incomplete one counts only without download."""
        root = root_in(folder)
        if self._archive(folder).exists() or root is None:
            return None
        tree = Folder(root)
        try:
            return tree, list_images(tree, self.expected)
        except BadInput:
            if self.download:
                return None
            raise

    def _decode(self, tree: Tree, found: Found) -> DatasetArrays:
        train = decode(tree, found.train, self.expected), found.train_labels
        test = decode(tree, found.test, self.expected), found.test_labels
        return DatasetArrays(
            *splits(self.expected, self.folder, train, test, classes=found.classes, names=(found.train, found.test)),
            classes=found.classes,
            augmentation=Augmentation(flip=True, crop_padding=8),
        )
