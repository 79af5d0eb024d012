"""The hash that represents a plugin's code in keys: its own source, its libraries, what is installed by version.

A module counts by its source, without comments and docstrings, unless it belongs to an installed distribution and is
unchanged: then the distribution counts by name and version. The standard library counts by Python's version.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.digests.installed import Installed, distribution_named, distribution_of, distributions_in
from harness.digests.modules import Module, find_spec, has_changed, is_standard, read_module
from harness.digests.needed import needed_of
from harness.digests.syntax import hash_of, imported_names, imports_of, nodes_of, tree_of
from harness.digests.unknown import Unknown, unknown_in

OURS = ("harness", "methods", "tasks", "reports")
_COVERED = ("harness.contracts", "harness.registry", "harness.sources", "harness.digests", "fewcolors")
"""What every plugin imports and no number comes from; their meaning is covered by the versions in ``harness.plan``."""
_UNCOUNTED = ("fewcolors", "pydantic", "safetensors", "typing-extensions")
"""Distributions that check or carry values and change none, and fewcolors, which counts by its source."""

Part = tuple[str, tuple[str, ...]]
"""Of a plugin's module: the name of its class and which of the class's methods are called."""


@dataclass(frozen=True, eq=False)
class Code:
    """What the numbers of a plugin come from.

    sources: module -> hash of its source. packages: installed distributions with their versions, and Python's.
    unknown: what else may change them and cannot be read off the source.
    """

    sources: Mapping[str, str]
    packages: frozenset[str]
    unknown: tuple[Unknown, ...]

    def digest(self, version: object = None) -> str:
        """One hash of it all. version: as the plugin states it, in the place of all source that is not fewcolors'."""
        stated = None if version is None else str(version)
        if stated not in self._digests:
            self._digests[stated] = self._digest(stated)
        return self._digests[stated]

    @functools.cached_property
    def _digests(self) -> dict[str | None, str]:
        return {}

    def _digest(self, version: str | None) -> str:
        counted = {name: found for name, found in self.sources.items() if version is None or _top(name) in OURS}
        meaning = [sorted(counted.items()), sorted(self.packages), version]
        return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()


@functools.cache
def source_digest(module: str) -> str:
    """Hash of a whole module and of what it uses."""
    return _Reader(module).read({module: None}).digest()


@functools.cache
def code_of(cls: type, called: tuple[str, ...]) -> Code:
    """What the methods ``called`` of a plugin class can reach.

    Of its module that is what these methods may use, of all others the whole.
    """
    own = cls.__module__
    bases = {base.__module__: None for base in cls.__mro__ if base.__module__ != own}
    return _Reader(own).read({**bases, own: (cls.__qualname__, called)})


@functools.cache
def _public_names() -> Mapping[str, str]:
    """``fewcolors.learning`` -> ``harness.learning``: what the public face, which the engine must not know, lists in
    its source as loaded when first used."""
    face = read_module("fewcolors")
    tree = tree_of(face) if face is not None else None
    for node in tree.body if tree is not None else []:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MODULES":
            return {f"fewcolors.{name}": module for name, module in ast.literal_eval(node.value).items()}
    return {}


def refresh() -> None:
    """Reads again if a file has changed since it was read: a notebook plans again and again."""
    if has_changed():
        forget()


def forget() -> None:
    """Forgets all that was read."""
    installed = (distribution_of, distribution_named, distributions_in)
    here = (source_digest, code_of, _hash_and_imports, _public_names, tree_of, nodes_of, imported_names)
    for cached in (*here, find_spec, read_module, is_standard, *installed):
        cached.cache_clear()


class _Reader:
    """Follows imports, from a plugin's module on."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._by_source = {*OURS, _top(own)}
        self._sources: dict[str, str] = {}
        self._packages = {f"python {sys.version_info.major}.{sys.version_info.minor}"}
        self._unknown: list[Unknown] = []
        self._seen: set[str] = set()

    def read(self, entries: Mapping[str, Part | None]) -> Code:
        """Modules, each whole or in part, and all that they use."""
        pending = list(entries.items())
        while pending:
            name, part = pending.pop()
            name = _public_names().get(name, name)
            if name in self._seen or _is_covered(name):
                continue
            if part is None:  # what was read in part can still be asked for as a whole, by another module
                self._seen.add(name)
            pending.extend((other, None) for other in self._follow(name, part))
        return Code(self._sources, frozenset(self._packages), tuple(self._unknown))

    def _follow(self, name: str, part: Part | None) -> Iterator[str]:
        """Takes one module in and gives what else it brings; ``package.*`` brings what its ``__all__`` names."""
        if name.endswith(".*"):
            yield from _listed_in(name.removesuffix(".*"))
            return
        if "." in name:
            yield name.rpartition(".")[0]  # importing a module runs its package
        if is_standard(name):
            self._packages |= {f"zlib {zlib.ZLIB_RUNTIME_VERSION}"} if name == "zlib" else set()
            return
        distribution = distribution_of(name) if _top(name) not in self._by_source else None
        if distribution is not None:
            yield from self._take_installed(distribution)
            return
        module = read_module(name)
        if module is not None:
            yield from self._take_source(module, part)

    def _take_source(self, module: Module, part: Part | None) -> frozenset[str]:
        counted = tree_of(module)
        if counted is not None and part is not None:
            counted = needed_of(counted, module.package, *part)
        if counted is not None and _top(module.name) not in OURS:
            self._unknown += unknown_in(module, counted)
        # The name of a plugin file's module ends with a hash of its bytes, which comments are part of.
        return self._take("" if module.name == self._own else module.name, module, counted)

    def _take_installed(self, distribution: Installed) -> Iterator[str]:
        """It counts by name and version, by the source of what is modified, and with what it computes with."""
        if distribution.name in _UNCOUNTED or distribution.label in self._packages:
            return
        self._packages.add(distribution.label)
        for module in distribution.modified:
            yield from self._take(module.name, module, tree_of(module))
        for required in distribution.computes_with:
            yield from self._take_installed(required)

    def _take(self, label: str, module: Module, counted: ast.Module | None) -> frozenset[str]:
        """counted: what of its syntax tree counts; None for what has none. Gives what that imports."""
        if counted is None:
            self._sources[label] = hashlib.sha256(module.data).hexdigest()
            return frozenset()
        self._sources[label], imports = _hash_and_imports(counted, module.package)
        return imports


@functools.cache
def _hash_and_imports(tree: ast.Module, package: str) -> tuple[str, frozenset[str]]:
    return hash_of(tree), frozenset(imports_of(tree, package))


def _listed_in(name: str) -> Iterator[str]:
    module = read_module(name)
    tree = tree_of(module) if module is not None else None
    for node in tree.body if tree is not None else []:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = (each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant))
            yield from (f"{name}.{each}" for each in names if isinstance(each, str))


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_covered(name: str) -> bool:
    return name == "harness" or any(name == module or name.startswith(f"{module}.") for module in _COVERED)
