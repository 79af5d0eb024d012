"""What the page shows of one task's bits: a figure and a table for each kind of bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from reports.figures import against_bits, around_level
from reports.points import Task
from reports.styles import Style
from reports.trade_offs import KINDS, Bits, TradeOff, first_kind, trade_offs, without_bits


@dataclass(frozen=True)
class BitsView:
    """One kind of bits. first: shown before a reader asks for another. left_out: variants without such bits. far_off:
    variants that the figure leaves out, with their bits per pixel."""

    id: str
    bits: Bits
    first: bool
    figure: Markup
    left_out: tuple[str, ...]
    far_off: tuple[tuple[str, float], ...]
    rows: tuple[TradeOff, ...]


def bits_views(task: Task, styles: Mapping[str, Style], spec: Mapping[str, Any], name: str) -> tuple[BitsView, ...]:
    """A view of each kind of bits that some point of the task has. ``name`` is unique on the page."""
    found = [(bits, rows) for bits in KINDS if (rows := trade_offs(task, bits, spec.get("baseline")))]
    wanted = first_kind(spec)
    first = wanted if wanted in [bits.kind for bits, _ in found] else KINDS[0].kind
    return tuple(
        BitsView(
            id=f"{name}-{bits.kind}",
            bits=bits,
            first=bits.kind == first,
            figure=Markup(against_bits(task, styles, f"{name}-{bits.kind}-drawn", bits)),  # our own; matplotlib escapes
            left_out=tuple(without_bits(task, bits)),
            far_off=tuple((point.variant, point.mean(bits.column)) for point in around_level(task, bits)[1]),
            rows=rows,
        )
        for bits, rows in found
    )
