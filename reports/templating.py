"""The page's templates and how they are filled in and written."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import wording
from reports.policy import sealed
from reports.records import level_words
from reports.reproducing import install_commands
from reports.significance import TESTS_IN_WORDS
from reports.styles import PALETTE

_TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = ("short_path", "percent", "share", "points", "number", "counted", "signed", "listing")
_FUNCTIONS = ("percent_interval", "points_interval", "p_value", "effect", "effect_interval", "status_command")


def fill_in(template: str, script: str = "", style: str = "page.css", **values: Any) -> str:
    """A page as text. Whatever is put in is escaped; a name that no value has is an error.

    script: a file beside the templates with the script that the page has; it is put in as it is. style: a template of
    its style sheet.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {name: getattr(wording, name) for name in _FILTERS}
    environment.filters["pretty"] = lambda value: json.dumps(value, ensure_ascii=False, default=str)
    environment.filters["csv_link"] = _csv_link
    environment.globals |= {name: getattr(wording, name) for name in _FUNCTIONS}
    environment.globals["install_commands"] = install_commands
    environment.globals |= {"level_words": level_words, "palette": PALETTE, "tests_in_words": TESTS_IN_WORDS}
    own = {"style": environment.get_template(style).render()}
    if script:
        own["script"] = (_TEMPLATES / script).read_text(encoding="utf-8")
    page = environment.get_template(template).render(values | {name: Markup(text) for name, text in own.items()})
    return sealed(page, **own)


def _csv_link(text: str) -> str:
    """A file of CSV as an address that holds it whole."""
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def write_page(page: str, path: Path) -> Path:
    """Writes a page, whole or not at all, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return path
