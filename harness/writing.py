"""Files written completely or not at all: a file never exists in part under its name."""

from __future__ import annotations

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


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Writes YAML, keys in their order."""
    write_whole(path, yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True).encode())
