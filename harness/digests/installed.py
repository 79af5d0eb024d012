"""Which installed distribution a module belongs to, and which of its files have changed since it was installed."""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.metadata
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.digests.modules import Module, find_spec, is_package

_CODE = re.compile(r"^(.+\.(?:py|so|pyd)),sha256=([^,]+),(\d+)$", re.MULTILINE)
"""A line of a RECORD: a Python module, its hash and its size."""
_LARGE = 32 << 20
"""Bytes from which on a file of the right size is taken for the right one."""
_COMPILED = re.compile(r"\.(?:so|pyd),")


@dataclass(frozen=True, eq=False)
class Installed:
    """A distribution in a folder of the path. record: its RECORD after a line break; empty where it has none."""

    folder: Path
    distribution: importlib.metadata.Distribution
    record: str

    @functools.cached_property
    def name(self) -> str:
        return re.sub(r"[-_.]+", "-", self.distribution.name).lower()

    @functools.cached_property
    def computes_with(self) -> tuple[Installed, ...]:
        """Those that it requires and that bring compiled code, such as numpy."""
        stated = [each for each in self.distribution.requires or () if "extra ==" not in each]
        found = [distribution_named(re.split(r"[^\w.-]", each, maxsplit=1)[0]) for each in stated]
        return tuple(each for each in found if each is not None and _COMPILED.search(each.record))

    @functools.cached_property
    def label(self) -> str:
        """Name and version; what was not installed from an index has the hash of its files besides, as its version
        can stay while they change."""
        version = self.distribution.version
        if not self.distribution.read_text("direct_url.json"):
            return f"{self.name} {version}"
        hashes = sorted(f"{path},{wanted}" for path, (wanted, _) in self._files.items())
        return f"{self.name} {version} {hashlib.sha256(repr(hashes).encode()).hexdigest()}"

    @functools.cached_property
    def _files(self) -> Mapping[str, tuple[str, int]]:
        """Path -> (sha256, bytes) of all its code, as it was installed."""
        return {path: (wanted, int(size)) for path, wanted, size in _CODE.findall(self.record)}

    @functools.cached_property
    def modified(self) -> tuple[Module, ...]:
        """Its modules that are not as they were installed; only files of another size, and those younger than its
        RECORD, are read."""
        own = re.search(r"^([^,\n/]+\.dist-info/RECORD),", self.record, re.MULTILINE)
        since = (self.folder / own[1]).stat().st_mtime_ns if own else 0
        found = []
        for path, (wanted, size) in self._files.items():
            file = f"{self.folder}/{path}"
            try:
                state = os.stat(file)
                if state.st_size == size and (state.st_mtime_ns < since or size > _LARGE):
                    continue
                data = Path(file).read_bytes()
            except OSError:
                continue
            if base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=") != wanted:
                parts = PurePosixPath(path).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                package = name if parts[-1] == "__init__" else name.rpartition(".")[0]
                found.append(Module(name, package, file, data))
        return tuple(found)


@functools.cache
def distribution_of(module: str) -> Installed | None:
    """The distribution that brought a module; None where there is none, or where it only points to a folder."""
    spec = find_spec(module)
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    file = Path(spec.origin)
    depth = module.count(".") + is_package(spec)
    if depth >= len(file.parents):
        return None
    folder = file.parents[depth]
    listed = f"\n{file.relative_to(folder).as_posix()},"
    top = module.partition(".")[0]
    for each in distributions_in(folder):
        if listed in each.record if each.record else _claims(each, top):
            direct = json.loads(each.distribution.read_text("direct_url.json") or "{}")
            return None if direct.get("dir_info", {}).get("editable") else each
    return None


@functools.cache
def distribution_named(name: str) -> Installed | None:
    """An installed distribution by its name."""
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    return _installed(found)


@functools.cache
def distributions_in(folder: Path) -> tuple[Installed, ...]:
    """Those with a ``.dist-info`` folder: an ``.egg-info`` also lies beside sources that nobody installed."""
    found = importlib.metadata.distributions(path=[str(folder)])
    return tuple(installed for installed in map(_installed, found) if installed is not None)


def _installed(found: importlib.metadata.Distribution) -> Installed | None:
    record = found.read_text("RECORD") or ""
    if not record and not found.read_text("WHEEL") and not found.read_text("INSTALLER"):
        return None
    return Installed(Path(str(found.locate_file(""))), found, f"\n{record}" if record else "")


def _claims(each: Installed, top: str) -> bool:
    """Whether a distribution that lists no files says that a top-level module is its own."""
    stated = (each.distribution.read_text("top_level.txt") or each.name.replace("-", "_")).split()
    return top in stated
