"""What a class's docstring says: its description, and the parameters that its sections explain."""

from __future__ import annotations

import inspect
import re

_SECTIONS = ("Args:", "Attributes:")
_HEADING = re.compile(r"[A-Z][A-Za-z ]*:$")
_ENTRY = re.compile(r"(\w+)(?: \([^)]*\))?:\s*(.*)")


def description_of(cls: type) -> str:
    """The docstring of the class itself without its sections of parameters; empty where it has none of its own."""
    return "\n".join(line for line, section in _lines(cls) if section not in _SECTIONS).strip()


def explanations_of(cls: type) -> dict[str, str]:
    """What ``Args`` or ``Attributes`` of the class and of its bases say of each name, the class's own words first.

    Examples:
        >>> class Posterize:
        ...     '''Fewer steps.
        ...
        ...     Args:
        ...         gamma: Brightness is raised to it.
        ...     '''
        >>> explanations_of(Posterize)
        {'gamma': 'Brightness is raised to it.'}
    """
    found: dict[str, str] = {}
    for owner in inspect.getmro(cls):
        for name, text in _explained(owner).items():
            found.setdefault(name, text)
    return found


def _explained(cls: type) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    name, indent = "", None
    for line, section in _lines(cls):
        if section not in _SECTIONS or line == section or not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        indent = depth if indent is None else indent
        entry = _ENTRY.match(line.strip()) if depth <= indent else None
        if entry:
            name = entry[1]
            found[name] = [entry[2]]
        elif name:
            found[name].append(line.strip())
    return {name: " ".join(filter(None, parts)) for name, parts in found.items()}


def _lines(cls: type) -> list[tuple[str, str]]:
    """Each line with the heading of the section it is in, the heading's own line included."""
    text, section, lines = vars(cls).get("__doc__") or "", "", []
    if text.startswith(f"{cls.__name__}("):  # what dataclasses write where nobody has written anything
        return []
    for line in inspect.cleandoc(text).splitlines():
        if _HEADING.match(line):
            section = line
        elif line.strip() and not line.startswith(" "):
            section = ""
        lines.append((line, section))
    return lines
