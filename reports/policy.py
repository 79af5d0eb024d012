"""What a page may do: its content security policy names its own styles and its own script, and forbids all else."""

from __future__ import annotations

import base64
import hashlib
import html
import re

_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_STYLE = re.compile(r'\sstyle="([^"]*)"')
_DECLARATIONS = re.compile(r";(?![^()]*\))")
_NO_STYLE = re.compile(r"[<>{}@\\]")


def sealed(page: str, style: str, script: str = "") -> str:
    """The page with its policy as the first thing in its head.

    Hashes are of what the report itself wrote: a style or script that got into the page in any other way is not run.
    A policy cannot name style attributes one by one, so they become classes of one more style sheet.

    Args:
        page: With ``<meta charset="utf-8">`` at the beginning of its head, without a policy.
        style, script: The texts of its style sheet and its script.
    """
    page, rules = without_style_attributes(page)
    sources = {"script-src": [script] if script else [], "style-src": [style, rules] if rules else [style]}
    hashed = [f"{what} {' '.join(map(digest, texts))}" for what, texts in sources.items() if texts]
    policy = "; ".join(["default-src 'none'", *hashed, "img-src data:", "base-uri 'none'", "form-action 'none'"])
    meta = '<meta charset="utf-8">'
    page = page.replace(meta, f'{meta}\n<meta http-equiv="Content-Security-Policy" content="{policy}">', 1)
    return page.replace("</head>", f"<style>{rules}</style>\n</head>", 1) if rules else page


def digest(text: str) -> str:
    """A text between tags as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def without_style_attributes(page: str) -> tuple[str, str]:
    """The page with a class in place of each style attribute, and these classes as a style sheet."""
    names: dict[str, str] = {}

    def classed(tag: re.Match[str]) -> str:
        found = _STYLE.search(tag[0])
        if found is None:
            return tag[0]
        style = html.unescape(found[1])
        name = "" if _NO_STYLE.search(style) else names.setdefault(style, f"s{len(names)}")
        plain = tag[0].replace(found[0], "", 1)
        if ' class="' in plain:
            return plain.replace(' class="', f' class="{name} ', 1)
        return re.sub(r"(?=/?>$)", f' class="{name}"', plain, count=1)

    page = _TAG.sub(classed, page)
    return page, "".join(f"\n.{name}{{{_declared(style)}}}" for style, name in names.items())


def _declared(style: str) -> str:
    """Declarations that win over those of the style sheet, as a style attribute's do."""
    return ";".join(f"{one.strip()}!important" for one in _DECLARATIONS.split(style) if one.strip())
