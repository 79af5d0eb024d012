"""What the page's script needs of a figure: whose each part is, what each point says, and the figure as a file.

A figure works without any of it. ``templates/script.js`` says what it does with it.
"""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib import rc_context, rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure

from reports.points import Point
from reports.records import level_words
from reports.wording import number, percent, percent_interval

_OF, _JOINS = "variant: ", "joins: "
_REACH = 6
"""Points: how near a pointer must come to a point."""
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class Mark:
    """A point that says its numbers. x, y: where, in the units of the axes. variant: what it is hidden with."""

    axes: Axes
    x: float
    y: float
    variant: str
    words: str


def belongs(variant: str, *artists: Artist) -> None:
    """These parts of a figure, children of its axes, are hidden and highlighted with the variant."""
    for artist in artists:
        artist.set_label(f"{_OF}{variant}")


def joins(variants: Sequence[str], artist: Artist) -> None:
    """This part of a figure, a child of its axes, is hidden once fewer than two of these variants are shown."""
    artist.set_label(f"{_JOINS}{json.dumps(variants)}")


def numbers(point: Point, name: str = "") -> str:
    """What a point says, a line for each thing: name (or variant) and level, accuracy, colors, bits; no empty line."""
    bits = [
        f"{number(value, 3)} {words}"
        for column, words in (("bpp_file", "file"), ("bpp_payload", "payload"), ("bpp_entropy", "entropy"))
        if (value := point.mean(column)) > 0
    ]
    colors = point.mean("colors_per_image")
    lines = [
        ", ".join(filter(None, [name or point.variant, level_words(point.level_kind, point.level)])),
        f"{percent(point.accuracy)} {percent_interval(point.lo, point.hi)}".strip(),
        f"{number(colors, 1)} colors per image" if colors > 0 else "",
        f"bits per pixel: {', '.join(bits)}" if bits else "",
    ]
    return "\n".join(filter(None, lines))


def name_parts(figure: Figure) -> dict[str, str]:
    """The id of each part that belongs to a variant or joins several, and its attribute that says so; parts without
    an id are given one."""
    found: dict[str, str] = {}
    for artist in (one for axes in figure.axes for one in axes.get_children()):
        label = str(artist.get_label())
        for prefix, attribute in ((_OF, "data-variant"), (_JOINS, "data-joins")):
            if label.startswith(prefix):
                gid = artist.get_gid() or f"part-{len(found)}"
                artist.set_gid(gid)
                found[gid] = f'{attribute}="{html.escape(label.removeprefix(prefix))}"'
    return found


def with_variants(svg: str, name: str, parts: Mapping[str, str]) -> str:
    """The figure's SVG, ids prefixed with its name, with each part's attribute (``name_parts``) beside its id."""

    def opened(found: re.Match[str]) -> str:
        attribute = parts.get(found[1])
        return found[0] if attribute is None else f'<g id="{name}-{found[1]}" {attribute}>'

    return re.sub(rf'<g id="{re.escape(name)}-([^"]*)">', opened, svg)


def hover_targets(figure: Figure, marks: Sequence[Mark]) -> str:
    """An invisible circle over each point, with its words as title: browsers show these without a script, too."""
    height = 72 * figure.get_figheight()
    said = []
    for mark in marks:
        x, y = mark.axes.transData.transform((mark.x, mark.y)) * 72 / figure.dpi
        said.append(
            f'<circle class="point" data-variant="{html.escape(mark.variant)}" cx="{x:.1f}" cy="{height - y:.1f}" '
            f'r="{_REACH}"><title>{html.escape(mark.words)}</title></circle>'
        )
    return "\n".join(said)


class Drawing(NamedTuple):
    """A figure as SVG. text: its text stays text. outlined: its text is outlines of letters."""

    text: str
    outlined: str


class _Streams:
    """Both forms of a drawing while they are written; a renderer takes it for its file."""

    def __init__(self) -> None:
        self._written = {"none": io.StringIO(), "path": io.StringIO()}
        self.open: Sequence[str] = tuple(self._written)

    def write(self, text: str) -> None:
        for fonts in self.open:
            self._written[fonts].write(text)

    def drawing(self) -> Drawing:
        return Drawing(*(stream.getvalue() for stream in self._written.values()))


class _Renderer(RendererSVG):
    """Writes text in both forms: most of the time that a figure takes is its layout, which is the same for both."""

    def __init__(self, width: float, height: float, streams: _Streams) -> None:
        super().__init__(width, height, streams, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        self._streams = streams

    def draw_text(self, *args: Any, **options: Any) -> None:
        self.writer.comment("")  # ends the tag that is open, in both
        both = self._streams.open
        for fonts in both:
            self._streams.open = (fonts,)
            rcParams["svg.fonttype"] = fonts
            super().draw_text(*args, **options)
        self._streams.open = both


def drawn(figure: Figure) -> Drawing:
    """The figure as matplotlib writes it, at 72 dots an inch and without metadata."""
    width, height = 72 * figure.get_size_inches()
    with rc_context():
        figure.dpi = 72
        renderer = _Renderer(width, height, streams := _Streams())
        figure.draw(renderer)
        renderer.finalize()
    return Drawing(*(_bare(svg) for svg in streams.drawing()))


def _bare(svg: str) -> str:
    return re.sub(r"\s*<!--  -->|<metadata>.*?</metadata>", "", svg[svg.index("<svg") :].strip(), flags=re.DOTALL)


def files(drawing: Drawing, title: str) -> str:
    """An invisible element with a figure as two files."""
    packed = (base64.b64encode(gzip.compress(_file(svg, title).encode(), mtime=0)) for svg in drawing)
    return '<metadata data-svg="{}" data-outlined="{}"></metadata>'.format(*(each.decode() for each in packed))


def _file(svg: str, title: str) -> str:
    """SVG that stands alone, in the light page's colors."""
    svg = svg.replace("font-family: 'DejaVu Sans'", "font-family: 'DejaVu Sans', Arial, sans-serif")
    svg = svg.replace(">", f">\n <title>{html.escape(title)}</title>", 1)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + _NOT_XML.sub("\ufffd", svg)
