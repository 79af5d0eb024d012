"""Checks that Python finds our modules by their names: a user's own ``tasks.py`` or ``methods/`` may come first."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

from harness.contracts import BadInput

MODULES = ("harness", "methods", "tasks", "reports", "fewcolors")
"""What is imported under its own name, here and on workers."""
_HOME = Path(__file__).parent.parent


def check_here() -> None:
    """Raises BadInput where this process has another module under the name of one of ours, or would import it."""
    for name in MODULES:
        try:
            found = importlib.util.find_spec(name)
        except ValueError:  # a module in sys.modules that was never found
            found = None
        if not _is_ours(found):
            raise BadInput(
                f"another module called {name!r} ({_place(found)}) hides the one of fewcolors; start from another "
                "folder or take it off the Python path."
            )


def check_workers(folder: Path) -> None:
    """Raises BadInput where this process or workers would import another module under the name of one of ours.

    Args:
        folder: Where the command is started; Ray puts it first on its workers' path.
    """
    check_here()
    with _path_beginning_with(folder):
        found = {name: _find(name) for name in MODULES}
    for name, spec in found.items():
        if not _is_ours(spec):
            raise BadInput(
                f"{_place(spec)} would be imported instead of the module {name!r} of fewcolors, because Ray's workers "
                "look first in the folder where the command is started; rename it or start from another folder."
            )


@contextlib.contextmanager
def _path_beginning_with(folder: Path) -> Iterator[None]:
    before = sys.path[:]
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def _find(name: str) -> ModuleSpec | None:
    """What an import would find if nothing were imported yet."""
    for finder in sys.meta_path:
        found = finder.find_spec(name, None)
        if found is not None:
            return found
    return None


def _is_ours(found: ModuleSpec | None) -> bool:
    if found is None or found.origin is None:
        return False
    file = Path(found.origin).resolve()
    home, ours = file.parent.parent if file.name == "__init__.py" else file.parent, home_of_ours()
    return home == ours or (is_sent(home) and home.parent == ours.parent)


def home_of_ours() -> Path:
    """The folder that our modules are in."""
    return _HOME.resolve()


def is_sent(home: Path) -> bool:
    """Whether Ray has brought this folder here from the driver; it puts each module into one of its own."""
    return "runtime_resources" in home.parts


def _place(found: ModuleSpec | None) -> str:
    """The file, or the folder of a package without ``__init__.py``."""
    if found is None:
        return "not found"
    return found.origin or next(iter(found.submodule_search_locations or ()), "not found")
