"""The commands that install what a run was computed with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any


def install_commands(made: Mapping[str, Any], version: str) -> tuple[str, ...]:
    """For a shell, in order: fewcolors and the installed distributions that brought plugins, each as it was.

    Args:
        made: What the run recorded of its code (``Results.environment["run"]``).
        version: Of fewcolors.
    """
    first = {"name": "fewcolors", "version": version} | dict(made.get("code", {}))
    others: Sequence[Mapping[str, Any]] = made.get("distributions", ())
    return tuple(line for known in (first, *others) for line in _installing(known))


def _installing(known: Mapping[str, Any]) -> list[str]:
    name, commit = " ".join(str(known["name"]).split()), str(known.get("commit") or "")
    if commit and known.get("url"):
        return ["pip install " + shlex.quote(f"{name} @ {known['url']}@{commit}")]
    if commit:
        return [f"git checkout {shlex.quote(commit)}  # in a clone of the repository of {name}", "pip install ."]
    version = str(known.get("version") or "")
    is_known = bool(version) and " " not in version
    return ["pip install " + shlex.quote(f"{name}=={version}" if is_known else name)]
