"""The source text of a plugin that is not installed: how it travels to workers."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import stat
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from harness.complaints import one_line
from harness.contracts import BadInput

_SINGLE = "fewcolors_plugin_"


@dataclass(frozen=True)
class Source:
    """A plugin that is not installed, as it travels to workers.

    name: the module's import name; that of a single file ends with a digest of its text, so that two files of the same
    name are two modules. path: where it lies on the driver's machine. files: relative path -> content of every Python
    file it consists of.
    """

    name: str
    path: str
    files: tuple[tuple[str, bytes], ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(sorted(self.files)).encode()).hexdigest()


def read_source(argument: str) -> Source:
    """``--plugin file.py`` or ``--plugin package.module``; BadInput where it is neither."""
    path = Path(argument)
    if argument.endswith(".py"):
        if not path.is_file():
            raise BadInput(f"--plugin {argument}: there is no such file.")
        text = path.read_bytes()
        name = f"{_SINGLE}{re.sub(r'[^A-Za-z0-9]', '_', path.stem)}_{hashlib.sha256(text).hexdigest()[:8]}"
        return Source(name, str(path.resolve()), ((f"{name}.py", text),))
    try:
        spec = importlib.util.find_spec(argument)
    except (ImportError, ValueError):
        spec = None
    except Exception as error:
        raise BadInput(f"--plugin {argument} cannot be loaded: {one_line(error)}.") from error
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise BadInput(f"--plugin {argument}: neither a .py file nor a module that can be imported.")
    return Source(argument, spec.origin, _files(argument))


def _files(module: str) -> tuple[tuple[str, bytes], ...]:
    """Every Python file of the package a module is in, or the one file it is; none where it cannot be found."""
    try:
        top = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        top = None
    if top is None:
        return ()
    if top.submodule_search_locations:
        root = Path(next(iter(top.submodule_search_locations)))
        return tuple((str(p.relative_to(root.parent)), p.read_bytes()) for p in sorted(root.rglob("*.py")))
    assert top.origin is not None
    return ((Path(top.origin).name, Path(top.origin).read_bytes()),)


def import_source(source: Source, scratch: Path | None = None) -> ModuleType:
    """Imports it from its own place if that still holds the same text, else from a copy under ``scratch``.

    scratch: where only this user can write; None: ``private_folder()``.
    """
    if source.name in sys.modules:
        return sys.modules[source.name]
    if source.name.startswith(_SINGLE):
        return _import_file(source, scratch)
    if _files(source.name) != source.files:
        sys.path.insert(0, str(_unpack(source, scratch)))
        importlib.invalidate_caches()
    return importlib.import_module(source.name)


def _import_file(source: Source, scratch: Path | None) -> ModuleType:
    here = Path(source.path)
    if not (here.is_file() and here.read_bytes() == source.files[0][1]):
        here = _unpack(source, scratch) / f"{source.name}.py"
    spec = importlib.util.spec_from_file_location(source.name, here)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[source.name]
        raise
    return module


def private_folder() -> Path:
    """Where copies of plugins are kept between the processes of this user; what lies there goes on Python's path.

    A folder of that name that is not ours alone (another user's, a link, open to others) is passed over with a warning,
    and a new one made.
    """
    folder = Path(tempfile.gettempdir()) / f"fewcolors-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
        return folder
    fresh = Path(tempfile.mkdtemp(prefix="fewcolors-"))
    warnings.warn(f"{folder} is not a folder that only this user can open; plugins are kept in {fresh}.", stacklevel=2)
    return fresh


def _holds(root: Path, source: Source) -> bool:
    """Whether all files of the plugin are there as they were read, and nothing beside them but what Python compiled."""
    try:
        there = {str(p.relative_to(root)): p for p in root.rglob("*") if not p.is_dir() or p.is_symlink()}
        there = {name: path for name, path in there.items() if path.parent.name != "__pycache__"}
        content = {name: path.read_bytes() for name, path in there.items() if not path.is_symlink()}
    except OSError:
        return False
    return there.keys() == content.keys() and content == dict(source.files)


def _unpack(source: Source, scratch: Path | None) -> Path:
    scratch = scratch or private_folder()
    root = scratch / f"fewcolors-plugin-{source.digest[:16]}"
    if root.exists() and not _holds(root, source):
        root = Path(tempfile.mkdtemp(prefix="fewcolors-plugin-", dir=scratch)) / "whole"
    if not root.is_dir():
        partial = root.with_name(f"{root.name}.{os.getpid()}.partial")
        for name, content in source.files:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(content)
        with contextlib.suppress(OSError):  # another worker of this machine was first
            partial.rename(root)
        shutil.rmtree(partial, ignore_errors=True)
    return root
