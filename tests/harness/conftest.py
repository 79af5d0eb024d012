"""Toy plugins of every kind, so that the engine is tested without the rooms it must not know."""

# ruff: noqa: ARG002 - toy plugins have no use for what they are handed

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from pydantic import Field

from harness import digests
from harness.contracts import BadInput, DatasetArrays, Images, Lesson, Needs, Palettized, Split
from harness.registry import Registry, classifier, codec, dataset, quantizer, report
from harness.spec.resolve import Spec, resolve


@quantizer("flat", summary="every pixel the first color")
class Flat:
    gamma: Annotated[float, Field(ge=0)] = 1.0
    steps: int = 3
    dither: Literal["none", "some"] = "none"
    bins: list[int] = dataclasses.field(default_factory=lambda: [1, 2])
    side: int | Literal["all"] = 1
    slow: bool = False

    def palettize(self, images: Images, colors: int) -> Palettized:
        return Palettized(np.zeros(images.shape[:3], np.uint8), np.zeros((len(images), colors, 3), np.uint8))


@quantizer("learned")
class Learned(Flat):
    needs = Needs(cpus=2, gpus="required", memory=1000)
    paper: ClassVar[Mapping[str, object]] = {"gamma": 0.5, "steps": 3}
    scales: ClassVar[Mapping[str, Mapping[str, object]]] = {"small": {"steps": 5}}

    def fit(self, lesson: Lesson) -> None: ...
    def state(self) -> Mapping[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any], device: str) -> None: ...


@quantizer("joint")
class Joint(Learned):
    joint_colors = True


@codec("squeeze", quality=(0, 10), default_qualities=(1, 5))
class Squeeze:
    def encode(self, images: Images, quality: int | None) -> list[bytes]:
        return [b"x" for _ in images]

    def decode(self, files: list[bytes]) -> Images:
        return np.zeros((len(files), 2, 2, 3), np.uint8)


@codec("plain", quality=None)
class Plain(Squeeze):
    pass


@dataset("dots")
class Dots:
    n: Annotated[int, Field(ge=1)] = 4
    needs = Needs(seconds=60)

    def load(self) -> DatasetArrays:
        split = Split.of(np.zeros((self.n, 2, 2, 3), np.uint8), np.arange(self.n) % 2)
        return DatasetArrays(split, split, ("a", "b"))


@dataset("on-disk")
class OnDisk(Dots):
    path: str

    def check(self) -> None:
        if not Path(self.path).is_file():
            raise BadInput(f"path: there is no file {self.path}.")

    def fingerprint(self) -> str:
        return hashlib.sha256(Path(self.path).read_bytes()).hexdigest()


@classifier("net")
class Net:
    epochs: int = 1
    rate: float = 0.1

    def build(self, classes: int) -> None: ...
    def fit(self, lesson: Lesson) -> None: ...


@report("tables")
class Tables:
    def write(self, results: object, folder: Path) -> Path:
        return folder


@report("html")
class Page(Tables):
    pass


TOYS = (Flat, Learned, Joint, Squeeze, Plain, Dots, OnDisk, Net, Tables, Page)


@pytest.fixture
def registry() -> Registry:
    found = Registry()
    for toy in TOYS:
        found.add(toy, "toys")
    return found


BASE: Mapping[str, Any] = {
    "name": "toy",
    "datasets": ["dots"],
    "classifiers": ["net"],
    "methods": ["flat", "learned", "squeeze"],
    "colors": [2, 4],
}


@pytest.fixture
def make_spec(registry: Registry) -> Callable[..., Spec]:
    """A spec of toys; keywords replace what is asked for."""
    return lambda **changes: resolve({**BASE, **changes}, registry)


@pytest.fixture
def cleanup_modules() -> Any:
    """Forgets modules, their digests and search paths that a test brings in."""
    digests.forget()
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:] = path
    digests.forget()
