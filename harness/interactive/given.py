"""What a user hands over in Python, as the engine takes it: a spec, plugins; and its sentences in Python's words."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.complaints import shown
from harness.contracts import BadInput
from harness.interactive.classes import source_of_class
from harness.sources import Source, read_source
from harness.spec.examples import plugin_argument
from harness.spec.file import override, read_spec
from harness.work.remote import is_uri

SpecLike = str | os.PathLike[str] | Mapping[str, Any]
"""A spec: the path of its file, the name of an example, or its content."""
PluginLike = str | os.PathLike[str] | type
"""A plugin that is not installed: ``file.py``, ``package.module``, or a class with its decorator."""
UNNAMED = "notebook"
"""What a spec is called that is handed over as a mapping without a name."""


@contextlib.contextmanager
def python_words() -> Iterator[None]:
    """Sentences about the command line's ``--colors`` speak of ``colors``."""
    try:
        yield
    except BadInput as error:
        raise BadInput(re.sub(r"--(?=[a-z])", "", str(error))) from error.__cause__


def read_given_spec(
    spec: SpecLike, instead: Mapping[str, object], methods: Sequence[str], baseline: str | None
) -> dict[str, Any]:
    """A spec's content, with other lists and baseline where such are given, and further methods. Raises BadInput."""
    if isinstance(instead.get("seeds"), int | np.integer):
        seed = instead["seeds"]
        raise BadInput(
            f"seeds: {seed} can be one training with seed {seed} or {seed} trainings; write [{seed}] or range({seed})."
        )
    lists = {key: _several(items) for key, items in instead.items()}
    return override(_content(spec), lists, further_methods=_several(methods), baseline=baseline)


def _content(spec: object) -> dict[str, Any]:
    """The one place where it is found out which spec is meant."""
    if isinstance(spec, Mapping):
        return {"name": UNNAMED} | _plain(spec)
    if isinstance(spec, str | os.PathLike):
        return read_spec(Path(spec))
    raise BadInput(f"spec: it should be the path of a spec file or a mapping with its content, got {shown(spec)}.")


def _plain(value: Any) -> Any:
    """Python's and numpy's ways to write a list, a number or a path, as YAML has them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _several(items: object) -> list[Any]:
    """One name or number is a list of one."""
    plain = _plain(items)
    return plain if isinstance(plain, list) else [plain]


def read_plugins(plugins: PluginLike | Sequence[PluginLike]) -> tuple[Source, ...]:
    """The source of each plugin, as it travels to workers. Raises BadInput."""
    single = isinstance(plugins, str | os.PathLike) or inspect.isclass(plugins)
    if not single and not isinstance(plugins, Sequence):
        raise BadInput(f"plugins: a list of plugins is needed, got {shown(plugins)}.")
    return tuple(_source(plugin) for plugin in ([plugins] if single else plugins))  # type: ignore[union-attr]


def _source(plugin: object) -> Source:
    if inspect.isclass(plugin):
        return source_of_class(plugin)
    if isinstance(plugin, str | os.PathLike):
        return read_source(plugin_argument(os.fspath(plugin)))
    raise BadInput(
        f"plugins: {shown(plugin)} is none; hand over a class with its decorator, the path of a .py file, "
        "or the name of a module."
    )


def as_path(value: object, name: str) -> Path:
    """Raises BadInput where a value is no path of a file system."""
    if not isinstance(value, str | os.PathLike):
        raise BadInput(f"{name}: a path is needed, got {shown(value)}.")
    if isinstance(value, str) and is_uri(value):
        raise BadInput(f"{name}: {shown(value)} is a URI, a folder is needed; fewcolors run and tune take a URI.")
    return Path(value)


def store_place(stated: str | os.PathLike[str] | None) -> str | Path:
    """Where artifacts are kept, a folder or a URI: what is stated, else ``FEWCOLORS_STORE``, else ``store``."""
    return as_place(stated if stated is not None else os.environ.get("FEWCOLORS_STORE") or "store")


def as_place(place: str | os.PathLike[str]) -> str | Path:
    """A store's folder as a path, or its URI. Raises BadInput for what is neither."""
    return place if isinstance(place, str) and is_uri(place) else as_path(place, "store")
