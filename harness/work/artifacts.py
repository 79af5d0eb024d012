"""Reads back what jobs have stored."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.contracts import Augmentation, DatasetArrays, Images, Normalization, Palettized, Split
from harness.registry import Registry
from harness.spec.schema import Stage
from harness.work.applying import decode_all
from harness.work.store import Store

if TYPE_CHECKING:
    import torch

ABOUT = "about.json"
NETWORK = "network.safetensors"
STATE = "state.safetensors"
GALLERY = "gallery"


def read_about(store: Store, stage: Stage, key: str) -> dict[str, Any]:
    """What an artifact says of itself: plugin, params, seconds and what its stage adds."""
    about: dict[str, Any] = json.loads((store.path(stage, key) / ABOUT).read_text())
    return about


def load_dataset(store: Store, key: str) -> DatasetArrays:
    """A stored dataset; its arrays are memory-mapped, writes to them stay in this process."""
    return _load_dataset(store.path("datasets", key))


@lru_cache(maxsize=4)
def _load_dataset(folder: Path) -> DatasetArrays:
    about = json.loads((folder / ABOUT).read_text())

    def split(name: str) -> Split:
        return Split(
            *(np.load(folder / f"{name}_{part}.npy", mmap_mode="c") for part in ("images", "labels", "groups"))
        )

    return DatasetArrays(
        train=split("train"),
        test=split("test"),
        classes=tuple(about["classes"]),
        normalization=Normalization(*(tuple(about["normalization"][name]) for name in ("mean", "std"))),
        augmentation=Augmentation(**about["augmentation"]),
        batch_size=about["batch_size"],
    )


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


def load_decoded(store: Store, key: str, registry: Registry) -> Images:
    """The test images as a decoder shows them: ``uint8 [N, H, W, 3]``."""
    folder = store.path("applied", key)
    if (folder / "indices.npy").is_file():
        return Palettized(np.load(folder / "indices.npy"), np.load(folder / "palettes.npy")).render()
    about = read_about(store, "applied", key)
    coded, ends = np.load(folder / "coded.npy").tobytes(), np.load(folder / "ends.npy")
    files = [coded[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    plugin = registry.get("method", about["plugin"], "stored images")
    return decode_all(plugin.make(about["params"], plugin.name), files, tuple(about["shape"]))
