"""A spec file's content, and the values that the command line replaces."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from harness.contracts import BadInput
from harness.spec.examples import spec_path
from harness.spec.loading import Refused, load_yaml

LARGEST_FILE = 2 << 20
"""Bytes of a spec."""


def read_spec(path: Path) -> dict[str, Any]:
    """The content of a spec file, or of the example of that name, not yet validated. Raises BadInput."""
    path = spec_path(path)
    content = read_mapping(path, "spec", "datasets, classifiers and methods")
    content.setdefault("name", re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-") or "run")
    return content


def read_mapping(path: Path, what: str, of: str) -> dict[str, Any]:
    """The mapping that a YAML file holds. what, of: the file and what it maps, in sentences. Raises BadInput."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise BadInput(f"{path}: the {what} cannot be read: it has more than {LARGEST_FILE >> 20} MiB.")
        content = load_yaml(text.decode("utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: the {what} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: the {what} cannot be read: it is not a text file in UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "it cannot be parsed")
        if "'\\t'" in str(problem):
            problem = "there is a tab here; indent lines with spaces only"
        kind = "" if isinstance(error, Refused) else "not valid YAML: "
        raise BadInput(f"{path}{line}: {kind}{problem}.") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: a {what} is a mapping with {of}, this is {_kind(content)}.")
    return content


def read_param(text: str) -> tuple[str, Any]:
    """``name=value``, the value as YAML. Raises BadInput."""
    return _param(text, "--param")


def _kind(content: object) -> str:
    return "empty" if content is None else f"a {type(content).__name__}"


def override(
    content: Mapping[str, Any],
    instead: Mapping[str, Sequence[Any]],
    *,
    further_methods: Sequence[str],
    baseline: str | None = None,
) -> dict[str, Any]:
    """A spec's content with other lists and another baseline where such are given, and with further methods.

    Plugins are named as in tables: ``image-folder root=photos side=32``. Raises BadInput.
    """
    changed = dict(content)
    for key, items in instead.items():
        if items:
            changed[key] = [_entry(item, key) if isinstance(item, str) else item for item in items]
    present = content.get("methods") or []
    if further_methods and isinstance(present, list):
        changed["methods"] = [*present, *(_entry(method, "methods") for method in further_methods)]
    if baseline is not None:
        changed["baseline"] = baseline
    return changed


def _entry(text: str, where: str) -> str | dict[str, Any]:
    option = f"--{where.removesuffix('s')} {text}"
    try:
        name, *params = shlex.split(text)
    except ValueError:
        raise BadInput(f"{option}: not a name, or a name with parameters as name=value.") from None
    return {"name": name, "params": dict(_param(param, option) for param in params)} if params else name


def _param(text: str, option: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        return name.strip(), load_yaml(value) if equals else _raise(option, text)
    except yaml.YAMLError:
        return _raise(option, text)


def _raise(option: str, text: str) -> NoReturn:
    raise BadInput(f"{option}: {text!r} is not of the form name=value.")
