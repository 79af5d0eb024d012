"""Files written completely or not at all, and JSON files with a checksum."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file, and makes the folders it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Writes JSON with sorted keys."""
    write_whole(path, (json.dumps(content, indent=1, sort_keys=True, default=str) + "\n").encode())


SEAL = "sha256"
"""Under which name sealed JSON holds the digest of all its other content."""


class BrokenSeal(ValueError):
    """Sealed JSON is not what was written."""


class TooDeep(ValueError):
    """JSON is nested deeper than Python reads and writes it."""

    def __str__(self) -> str:
        return "lists and mappings lie too deep in one another"


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON as ``write_json``, with a digest of what it says."""
    write_json(path, sealed(content))


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """As plain JSON values, with a digest of what they say."""
    plain = json.loads(json.dumps(dict(content), default=str))
    return plain | {SEAL: seal_of(plain)}


def read_sealed(path: Path) -> dict[str, Any]:
    """What ``write_sealed`` wrote, less the digest; JSON without one is taken as it is.

    Raises ValueError where it is damaged (BrokenSeal where it is JSON nevertheless), and OSError.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it is not a file")
    return unsealed(path.read_bytes())


def unsealed(text: bytes) -> dict[str, Any]:
    """The same of what such a file holds."""
    content = parsed(text)
    if not isinstance(content, dict):
        raise BrokenSeal("it holds no mapping")
    seal = content.pop(SEAL, None)
    if seal is not None and seal != seal_of(content):
        raise BrokenSeal("its checksum is another")
    return content


def parsed(text: str | bytes) -> Any:
    """What JSON says. Raises ValueError, also where a name stands twice, or where it is too deep to be read."""
    try:
        return json.loads(text, object_pairs_hook=unique)
    except RecursionError:
        raise TooDeep from None


def seal_of(content: Mapping[str, Any]) -> str:
    """The digest of plain JSON values, whatever their order and layout. Raises ValueError where they lie too deep."""
    return hashlib.sha256(plain_json(content, sort_keys=True).encode()).hexdigest()


def plain_json(content: Any, *, sort_keys: bool = False) -> str:
    """Plain values as JSON. Raises ValueError where they lie too deep in one another."""
    try:
        return json.dumps(content, sort_keys=sort_keys)
    except RecursionError:
        raise TooDeep from None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict. Raises ValueError where a name stands twice, which no writer of ours leaves."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BrokenSeal("a name stands in it twice")
    return found


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Writes YAML, keys in their order."""
    write_whole(path, yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True).encode())
