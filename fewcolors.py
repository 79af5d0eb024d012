"""The public face of fewcolors: ``import fewcolors as fc`` is all that users and plugins import.

Decorators and contracts are here at once; ``fc.learning`` (which needs torch) and ``fc.encoding`` load when first used.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from harness import __version__
from harness.contracts import (
    CIFAR10_NORMALIZATION,
    IMAGENET_NORMALIZATION,
    VALIDATION_ACCURACY,
    Augmentation,
    BadInput,
    Cell,
    ContractError,
    DatasetArrays,
    Images,
    Lesson,
    MethodHooks,
    Needs,
    Normalization,
    Palettized,
    PluginHooks,
    Results,
    Split,
)
from harness.registry import classifier, codec, dataset, metric, quantizer, report

if TYPE_CHECKING:
    from harness import encoding, learning

MODULES = {"encoding": "harness.encoding", "learning": "harness.learning"}
"""Modules that load when first used; a plugin that uses one has its source in its keys."""

__all__ = [
    "CIFAR10_NORMALIZATION",
    "IMAGENET_NORMALIZATION",
    "VALIDATION_ACCURACY",
    "Augmentation",
    "BadInput",
    "Cell",
    "ContractError",
    "DatasetArrays",
    "Images",
    "Lesson",
    "MethodHooks",
    "Needs",
    "Normalization",
    "Palettized",
    "PluginHooks",
    "Results",
    "Split",
    "__version__",
    "classifier",
    "codec",
    "dataset",
    "encoding",
    "learning",
    "metric",
    "quantizer",
    "report",
]


def __getattr__(name: str) -> ModuleType:
    if name in MODULES:
        return importlib.import_module(MODULES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
