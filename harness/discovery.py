"""Where plugins are found: built in, installed (entry points), and in files and modules named by the user."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from types import ModuleType

from harness.complaints import one_line
from harness.contracts import BadInput
from harness.registry import Registry
from harness.sources import Source, import_source

BUILT_IN = ("methods", "tasks", "reports")
ORIGIN_BUILT_IN = "built in"
ENTRY_POINT_GROUPS = ("fewcolors.methods", "fewcolors.tasks", "fewcolors.reports")


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
            _add_source(registry, source, scratch or Path.cwd())
    return registry


def _built_in() -> Registry:
    """What the packages beside the engine hold. Raises BadInput where another package hides one of them."""
    registry = Registry()
    home = Path(__file__).parent.parent
    for package in BUILT_IN:
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None or Path(found.origin).parent.parent != home:
            raise BadInput(
                f"another module called {package!r} ({found.origin if found else None}) hides the one of fewcolors; "
                "start from another folder or take it off the Python path."
            )
        registry.add_module(importlib.import_module(package), ORIGIN_BUILT_IN)
    return registry


def _add_source(registry: Registry, source: Source, scratch: Path) -> None:
    try:
        module = import_source(source, scratch)
        count = registry.add_module(module, source.path)
    except BadInput:
        raise
    except (Exception, SystemExit) as error:
        raise BadInput(f"--plugin {source.path} cannot be loaded: {one_line(error)}.") from error
    if not count:
        raise BadInput(
            f"--plugin {source.path} holds no plugin: mark a class with @quantizer, @codec, @dataset or @classifier."
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
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's package may fail in any way
        warnings.warn(f"plugin {point.name!r} of {origin} is left out: {one_line(error)}", stacklevel=2)
