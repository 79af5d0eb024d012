"""The page's templates and how they are filled in and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports import wording
from reports.records import level_words
from reports.styles import PALETTE

_TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = ("short_path", "percent", "share", "points", "number", "signed", "listing")
_FUNCTIONS = ("percent_interval", "points_interval", "p_value", "effect", "effect_interval")


def fill_in(template: str, **values: Any) -> str:
    """A page as text. Whatever is put in is escaped; a name that no value has is an error."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {name: getattr(wording, name) for name in _FILTERS}
    environment.filters["pretty"] = lambda value: json.dumps(value, ensure_ascii=False, default=str)
    environment.globals |= {name: getattr(wording, name) for name in _FUNCTIONS}
    environment.globals |= {"level_words": level_words, "palette": PALETTE}
    return environment.get_template(template).render(values)


def write_page(page: str, path: Path) -> Path:
    """Writes a page, whole or not at all, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return path
