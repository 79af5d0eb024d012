"""Small data sets in the published formats, written by tests, and plugins made to expect just these."""

import hashlib
import io
import pickle
import struct
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from tasks.published import PublishedSet
from tasks.torchvision_sets import Cifar10, Cifar100, Stl10, Svhn

CLASSES = tuple(f"class {n}" for n in range(10))


@dataclass
class Written:
    """A data set that a test wrote: the plugin that reads it, and what it must give."""

    plugin: type[PublishedSet]
    folder: Path
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classes: tuple[str, ...]

    def make(self, **params):
        return self.plugin(data_root=str(self.folder), **params)

    @property
    def expected(self):
        return self.plugin.expected

    def path(self, number=0):
        return self.folder / list(self.expected.files)[number]

    def expect(self, monkeypatch, **other):
        monkeypatch.setattr(self.plugin, "expected", replace(self.expected, **other))


def draw(count, side, classes=10):
    generator = np.random.default_rng(count)
    images = generator.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return images, (np.arange(count) * 7 + 3) % classes


class Python2Pickler(pickle._Pickler):
    """As the files of 2009 were written: strings are bytes, NumPy 1's module names, ``dtype('u1', 0, 1)``."""

    def save_string(self, text):
        raw = text.encode("ascii") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(text)

    dispatch = {**pickle._Pickler.dispatch, bytes: save_string, str: save_string}  # noqa: RUF012


def write_pickle(path, content):
    path.parent.mkdir(exist_ok=True)
    written = io.BytesIO()
    Python2Pickler(written, protocol=2).dump(content)
    text = written.getvalue().replace(b"numpy._core.", b"numpy.core.")
    path.write_bytes(text.replace(b"\x89\x88\x87", b"K\x00K\x01\x87", 1))


def rows_of_planes(images):
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def write_cifar10(folder, count=10):
    base, train, test = folder / "cifar-10-batches-py", draw(5 * count, 32), draw(count + 2, 32)
    for number, rows in enumerate(np.split(np.arange(5 * count), 5), start=1):
        batch = {"data": rows_of_planes(train[0][rows]), "labels": train[1][rows].tolist()}
        write_pickle(base / f"data_batch_{number}", batch)
    write_pickle(base / "test_batch", {"data": rows_of_planes(test[0]), "labels": test[1].tolist()})
    write_pickle(base / "batches.meta", {"label_names": list(CLASSES)})
    return Written(Cifar10, folder, train, test, CLASSES)


def write_cifar100(folder, count=10):
    base, train, test = folder / "cifar-100-python", draw(5 * count, 32, 100), draw(count + 2, 32, 100)
    for name, (images, labels) in {"train": train, "test": test}.items():
        coarse = (labels // 5).tolist()
        content = {"data": rows_of_planes(images), "fine_labels": labels.tolist(), "coarse_labels": coarse}
        write_pickle(base / name, content)
    classes = tuple(f"fine {n}" for n in range(100))
    write_pickle(base / "meta", {"fine_label_names": list(classes), "coarse_label_names": ["coarse"] * 20})
    return Written(Cifar100, folder, train, test, classes)


def write_stl10(folder, count=2):
    base, train, test = folder / "stl10_binary", draw(5 * count, 96), draw(count + 2, 96)
    base.mkdir()
    for name, (images, labels) in {"train": train, "test": test}.items():
        (base / f"{name}_X.bin").write_bytes(images.transpose(0, 3, 2, 1).tobytes())  # planes, columns first
        (base / f"{name}_y.bin").write_bytes((labels + 1).astype(np.uint8).tobytes())
    (base / "class_names.txt").write_text("\n".join(CLASSES))
    return Written(Stl10, folder, train, test, CLASSES)


def write_svhn(folder, count=10):
    train, test = draw(5 * count, 32), draw(count + 2, 32)
    for name, (images, labels) in {"train": train, "test": test}.items():
        content = {"X": images.transpose(1, 2, 3, 0), "y": np.where(labels == 0, 10, labels)[:, None].astype(np.uint8)}
        scipy.io.savemat(folder / f"{name}_32x32.mat", content, do_compression=True)
    return Written(Svhn, folder, train, test, tuple("0123456789"))


WRITERS = {"cifar10": write_cifar10, "cifar100": write_cifar100, "stl10": write_stl10, "svhn": write_svhn}
ARCHIVED = [name for name in WRITERS if name != "svhn"]


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write(name, folder, monkeypatch, **params):
    """Writes a small data set, its archive if it has one, and makes the plugin expect just these files."""
    folder.mkdir()
    written = WRITERS[name](folder, **params)
    before = written.expected
    base = folder / Path(next(iter(before.files))).parts[0]
    if base.is_dir():
        (base / "unlabeled_X.bin").write_bytes(b"neither needed nor read")
        with tarfile.open(folder / before.downloads[0].name, "w:gz") as archive:
            archive.add(base, base.name)
        (base / "unlabeled_X.bin").unlink()
    written.expect(
        monkeypatch,
        files={file: known and md5(folder / file) for file, known in before.files.items()},
        downloads=tuple(
            replace(d, md5=md5(folder / d.name), bytes=(folder / d.name).stat().st_size) for d in before.downloads
        ),
        train=len(written.train[0]),
        test=len(written.test[0]),
        names=tuple(name.replace(" ", "_") for name in written.classes),
    )
    return written


def canonical(images, labels):
    """By label, then by the sha256 of the pixels, one image after the other."""
    rows = sorted((int(label), hashlib.sha256(image.tobytes()).hexdigest(), n)
                  for n, (image, label) in enumerate(zip(images, labels, strict=True)))  # fmt: skip
    return np.stack([images[n] for _, _, n in rows]), np.array([label for label, _, _ in rows])


def write_folders(root, written, test_name="test"):
    """The same images as class folders of PNGs, in files whose names say nothing about their order."""
    for split, (images, labels) in (("train", written.train), (test_name, written.test)):
        for name in written.expected.names:
            (root / split / name).mkdir(parents=True)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            name = hashlib.md5(f"{split} {number}".encode()).hexdigest()
            Image.fromarray(image).save(root / split / written.expected.names[label] / f"{name}.png")
    return root
