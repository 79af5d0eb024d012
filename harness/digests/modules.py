"""Finds and reads modules without importing them: what a plugin imports (torch) need not be loaded to be hashed."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import sysconfig
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_STANDARD = tuple(f"{Path(sysconfig.get_path(which)).as_posix()}/" for which in ("stdlib", "platstdlib"))


@dataclass(frozen=True, eq=False)
class Module:
    """A module's file. package: what its relative imports start from. data: its source, or an extension's bytes."""

    name: str
    package: str
    file: str
    data: bytes


@functools.cache
def find_spec(name: str) -> ModuleSpec | None:
    """Where a module is, as Python itself would find it; its parents are not imported."""
    loaded: ModuleSpec | None = getattr(sys.modules.get(name), "__spec__", None)
    if loaded is not None:
        return loaded
    parent = name.rpartition(".")[0]
    if not parent:
        try:
            return importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
    package = find_spec(parent)
    if package is None or package.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(name, list(package.submodule_search_locations))


@functools.cache
def read_module(name: str) -> Module | None:
    """The module's file; None for a name that is no module and for one without a file, such as a namespace package."""
    spec = find_spec(name)
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    try:
        data: bytes = spec.loader.get_data(spec.origin)  # type: ignore[union-attr]  # also from a zip file
    except (AttributeError, OSError):
        return None
    _STATES[spec.origin] = _state(spec.origin)
    return Module(name, name if is_package(spec) else name.rpartition(".")[0], spec.origin, data)


_STATES: dict[str, tuple[int, int] | None] = {}
"""Files that were read -> their time and size then."""


def _state(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def has_changed() -> bool:
    """Whether a file that was read is another now (one that is gone stays as it was read); asked once a change."""
    changed = [file for file, state in _STATES.items() if _state(file) not in (state, None)]
    if changed:
        _STATES.clear()
    return bool(changed)


def is_package(spec: ModuleSpec) -> bool:
    return spec.submodule_search_locations is not None


@functools.cache
def is_standard(name: str) -> bool:
    """Whether a module is of the standard library, and not another one that hides it."""
    spec = find_spec(name)
    if spec is None:
        return False
    if not spec.has_location or spec.origin is None:
        return spec.origin in ("built-in", "frozen")
    inside = Path(spec.origin).as_posix()
    return inside.startswith(_STANDARD) and "/site-packages/" not in inside and "/dist-packages/" not in inside
