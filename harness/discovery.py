"""Where plugins are found: built in, installed (entry points), and in files and modules named by the user."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from types import ModuleType

from harness.complaints import one_line, with_place
from harness.contracts import BadInput
from harness.hiding import check_here
from harness.registry import Registry
from harness.sources import Source, import_source

BUILT_IN = ("methods", "tasks", "reports")
ORIGIN_BUILT_IN = "built in"
ENTRY_POINT_GROUPS = ("fewcolors.methods", "fewcolors.tasks", "fewcolors.metrics", "fewcolors.reports")


def discover(
    sources: Iterable[Source] = (), scratch: Path | None = None, origins: Collection[str] | None = None
) -> Registry:
    """All plugins: built in, installed (entry points), then those of ``sources``.

    A broken installed plugin is a warning with its origin. A broken one of ``sources`` is BadInput. origins: nothing is
    imported but what is built in and what comes from one of these.
    """
    registry = _built_in()
    for group in ENTRY_POINT_GROUPS:
        for point in importlib.metadata.entry_points(group=group):
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
            if origins is None or origin in origins:
                _add_installed(registry, point, origin)
    for source in sources:
        if origins is None or source.path in origins:
            _add_source(registry, source, scratch)
    return registry


def _built_in() -> Registry:
    """What the packages beside the engine hold. Raises BadInput where another package hides one of them."""
    registry = Registry()
    check_here()
    for package in BUILT_IN:
        registry.add_module(importlib.import_module(package), ORIGIN_BUILT_IN)
    return registry


def _add_source(registry: Registry, source: Source, scratch: Path | None) -> None:
    try:
        module = import_source(source, scratch)
        count = registry.add_module(module, source.path)
    except BadInput:
        raise
    except (Exception, SystemExit) as error:
        reason = with_place(error, _root(source))
        raise BadInput(f"--plugin {source.path} cannot be loaded: {reason}.") from error
    if not count:
        raise BadInput(
            f"--plugin {source.path} holds no plugin: mark a class with @fc.quantizer(name), @fc.codec(name), "
            "@fc.dataset(name), @fc.classifier(name), @fc.metric(name), @fc.report(name) or @fc.claim(name, ...)."
        )


def _add_installed(registry: Registry, point: importlib.metadata.EntryPoint, origin: str) -> None:
    try:
        loaded = point.load()
        if isinstance(loaded, ModuleType):
            registry.add_module(loaded, origin)
        else:
            registry.add(loaded, origin)
    except BadInput:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a third-party package may fail in any way
        warnings.warn(f"plugin {point.name!r} of {origin} is left out: {_reason(point, error)}", stacklevel=2)


def _root(source: Source) -> Path:
    """The file of a plugin, or the folder of the package it is in."""
    path, top = Path(source.path), source.name.partition(".")[0]
    return next((folder for folder in path.parents if folder.name == top), path)


def _reason(point: importlib.metadata.EntryPoint, error: BaseException) -> str:
    """What is wrong with an installed plugin, and where in its package."""
    try:
        found = importlib.util.find_spec(point.value.partition(":")[0].partition(".")[0])
    except (ImportError, ValueError):
        found = None
    if found is None or found.origin is None:
        return one_line(error)
    home = Path(found.origin)
    return with_place(error, home.parent if found.submodule_search_locations else home)
