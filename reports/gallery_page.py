"""``gallery.html``: only pictures, all that the cells of a run have."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from harness.contracts import Results
from reports.gallery import Strip, gallery
from reports.records import Records, task_name
from reports.styles import styles_of
from reports.templating import fill_in


@dataclass(frozen=True)
class Section:
    """The pictures of one task."""

    name: str
    strips: tuple[Strip, ...]


def render(results: Results) -> str:
    """The page as text, every image that any cell has pictures of; the same results give the same bytes."""
    records = Records()
    sections = []
    in_order = sorted(results.cells, key=lambda cell: (cell.dataset, cell.judged_by))
    for (dataset, judge), cells in itertools.groupby(in_order, key=lambda cell: (cell.dataset, cell.judged_by)):
        strips = tuple(gallery(cells, results.classes.get(dataset, ()), records))
        if strips:
            sections.append(Section(task_name(dataset, judge), strips))
    return fill_in("gallery.html", results=results, sections=sections, styles=styles_of(results.cells))
