"""Reads back what jobs have stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.complaints import escaped, printable
from harness.contracts import Augmentation, DatasetArrays, Images, Normalization, Palettized, Split
from harness.registry import Registry
from harness.spec.schema import Stage
from harness.work.applying import chunk_size, decode_all
from harness.work.store import ABOUT, Store, damaged
from harness.writing import parsed, write_json

if TYPE_CHECKING:
    import torch

NETWORK = "network.safetensors"
STATE = "state.safetensors"
GALLERY = "gallery"
ARRAYS = ("images", "labels", "groups")
NAMES = "names.json"
"""Of a split's images, where they have any; of printable characters only."""


def read_about(store: Store, stage: Stage, key: str) -> dict[str, Any]:
    """What an artifact says of itself: plugin, params, seconds and what its stage adds. Raises DamagedArtifact."""
    try:
        about: dict[str, Any] = parsed(store.read(stage, key, ABOUT))
    except ValueError as error:
        raise damaged(stage, key, [printable(f"{ABOUT}: {error}", 200)]) from None
    return about


def write_split(folder: Path, part: str, split: Split) -> None:
    """Writes one part of a dataset, ``train`` or ``test``, as ``load_dataset`` reads it."""
    for name in ARRAYS:
        np.save(folder / f"{part}_{name}.npy", getattr(split, name))
    if split.names:
        write_json(folder / f"{part}_{NAMES}", [escaped(name) for name in split.names])


def load_dataset(store: Store, key: str) -> DatasetArrays:
    """A stored dataset, its arrays memory-mapped anew: what is written to them is seen by whoever was given them only.

    They are writable because torch wants them so; a page that is written to is copied then, no file and no other
    mapping changes.
    """
    folder, about = store.path("datasets", key), read_about(store, "datasets", key)

    def split(part: str) -> Split:
        images, labels, groups = (np.load(folder / f"{part}_{name}.npy", mmap_mode="c") for name in ARRAYS)
        return Split(images, labels, groups, read_names(store, key, part))

    return DatasetArrays(
        train=split("train"),
        test=split("test"),
        classes=tuple(about["classes"]),
        normalization=Normalization(*(tuple(about["normalization"][name]) for name in ("mean", "std"))),
        augmentation=Augmentation(**about["augmentation"]),
        batch_size=about["batch_size"],
    )


def read_names(store: Store, key: str, part: str = "test") -> tuple[str, ...]:
    """The names of a stored dataset's images, empty where it has none. Raises DamagedArtifact."""
    file = f"{part}_{NAMES}"
    there = (store.path("datasets", key) / file).is_file()
    return tuple(json.loads(store.read("datasets", key, file))) if there else ()


def load_classifier(store: Store, key: str, registry: Registry, classes: int, device: str) -> torch.nn.Module:
    """A stored classifier on the device, frozen."""
    about = read_about(store, "classifiers", key)
    plugin = registry.get("classifier", about["plugin"], "stored classifier")
    return stored_network(store.path("classifiers", key), plugin.make(about["params"], plugin.name), classes, device)


def stored_network(folder: Path, classifier: Any, classes: int, device: str) -> torch.nn.Module:
    """The network whose weights are in ``folder``, on the device, frozen."""
    from safetensors.torch import load_file

    from harness.learning import freeze

    network: torch.nn.Module = classifier.build(classes)
    network.load_state_dict(load_file(folder / NETWORK))
    return freeze(network.to(device))


def read_state(store: Store, key: str) -> dict[str, torch.Tensor]:
    """The state of a fitted method, for its ``load``."""
    from safetensors.torch import load_file

    return load_file(store.path("quantizers", key) / STATE)


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """The test images as a decoder shows them, decoded where they are asked for.

    Attributes:
        shape: [N, H, W, 3].
        decode: The images of these rows, ``int64 [n]``: ``uint8 [n, H, W, 3]``.
    """

    shape: tuple[int, ...]
    decode: Callable[[NDArray[np.int64]], Images]

    def take(self, rows: Sequence[int]) -> Images:
        """The images of these rows."""
        return self.decode(np.asarray(rows, np.int64))

    def chunks(self) -> Iterator[Images]:
        """All of them in order, a chunk at a time."""
        step = chunk_size(*self.shape[1:3])
        for start in range(0, self.shape[0], step):
            yield self.decode(np.arange(start, min(start + step, self.shape[0])))


def open_decoded(store: Store, key: str, registry: Registry) -> DecodedImages:
    """The test images of an ``applied`` artifact; its files stay on disk until images are asked for."""
    folder, about = store.path("applied", key), read_about(store, "applied", key)
    shape = tuple(about["shape"])
    if (folder / "indices.npy").is_file():
        indices, palettes = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("indices", "palettes"))
        return DecodedImages(shape, lambda rows: Palettized(indices[rows], palettes[rows]).render())
    coded, ends = np.load(folder / "coded.npy", mmap_mode="r"), np.load(folder / "ends.npy")
    starts = np.concatenate([[0], ends[:-1]])
    plugin = registry.get("method", about["plugin"], "stored images")
    codec = plugin.make(about["params"], plugin.name)

    def decode(rows: NDArray[np.int64]) -> Images:
        files = [coded[starts[row] : ends[row]].tobytes() for row in rows]
        return decode_all(codec, files, (len(rows), *shape[1:]))

    return DecodedImages(shape, decode)
