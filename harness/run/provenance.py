"""When, how and with which code a run was computed: ``environment.json`` in its folder."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from harness.discovery import ENTRY_POINT_GROUPS
from harness.sources import Source
from harness.writing import read_sealed, write_sealed

ENVIRONMENT = "environment.json"
_PATIENCE = 20
"""Seconds that git is given."""


def record_provenance(folder: Path, sources: Iterable[Source], computing: bool) -> None:
    """Writes when, how and with which code a run is computed. A run that computes nothing leaves what was written.

    Args:
        folder: The run's.
        sources: Plugins that are not installed.
        computing: Whether anything is to be computed.
    """
    if computing or not (folder / ENVIRONMENT).is_file():
        write_sealed(
            folder / ENVIRONMENT,
            {
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "command": command(sys.argv),
                "code": commit_of(Path(__file__)) or installed_from("fewcolors"),
                "plugins": [{"name": Path(source.path).name} | commit_of(Path(source.path)) for source in sources],
                "distributions": _with_plugins(),
            },
        )


def read_provenance(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """What ``record_provenance`` wrote: ``date`` (UTC, ISO 8601), ``command``, ``code``, ``plugins`` that are not
    installed and ``distributions`` that bring others, each with ``commit`` and ``dirty`` where they are known, and with
    ``url`` where pip fetched it from a repository; empty where nothing was recorded. ``say`` is told of damage."""
    try:
        return read_sealed(folder / ENVIRONMENT)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        say(f"{folder / ENVIRONMENT}: cannot be read ({error}); the report does not say when and how the run was made.")
        return {}


def command(arguments: list[str]) -> str:
    """The command line as it was typed, nothing where another program started the run."""
    program = Path(arguments[0]) if arguments else Path()
    ours = program.stem in ("fewcolors", "fewcolors_command") or program.parts[-2:] == ("harness", "__main__.py")
    return shlex.join(["fewcolors", *arguments[1:]]) if ours else ""


def commit_of(path: Path) -> dict[str, Any]:
    """The commit of the git repository that tracks a file, or any file of a folder, and whether tracked files differ
    from it (``dirty``).

    Returns:
        Nothing where no repository tracks it, or there is no git.
    """
    folder, name = (path, ".") if path.is_dir() else (path.parent, path.name)
    if _git(folder, "ls-files", "--error-unmatch", "--", name) is None:
        return {}
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/")
    return {} if commit is None or changes is None else {"commit": commit, "dirty": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None where it fails."""
    settings = ["-c", "core.fsmonitor=false"]
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *settings, *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()


def installed_from(distribution: str) -> dict[str, Any]:
    """The commit of the repository that pip fetched a distribution from, or in which it is installed for editing.

    Returns:
        Nothing where pip recorded neither (PEP 610).
    """
    try:
        recorded = json.loads(importlib.metadata.distribution(distribution).read_text("direct_url.json") or "{}")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return {}
    url, vcs = urlsplit(recorded.get("url", "")), recorded.get("vcs_info", {})
    if vcs.get("commit_id"):
        public = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
        return {"commit": vcs["commit_id"], "dirty": False, "url": f"{vcs['vcs']}+{public}"}
    if recorded.get("dir_info", {}).get("editable") and url.scheme == "file":
        return commit_of(Path(url2pathname(url.path)))
    return {}


def _with_plugins() -> list[dict[str, Any]]:
    """The installed distributions that bring plugins, by name."""
    points = (point for group in ENTRY_POINT_GROUPS for point in importlib.metadata.entry_points(group=group))
    versions = {point.dist.name: point.dist.version for point in points if point.dist}
    return [{"name": name, "version": versions[name]} | installed_from(name) for name in sorted(versions)]
