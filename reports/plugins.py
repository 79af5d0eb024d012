"""The built-in reports, as the registry knows them; what is slow to import is imported when a report is written."""

from __future__ import annotations

from pathlib import Path

from harness.contracts import Results
from harness.registry import report


@report("tables", summary="cells.csv, significance.csv, pairs.csv, bits.csv: every cell, every paired test, BD-rates")
class Tables:
    def write(self, results: Results, folder: Path) -> Path:
        from reports.tables import write_tables

        return write_tables(results, folder)


@report("html", summary="index.html: the answer, figures, tables, tests, gallery and recipe in one self-contained file")
class Html:
    def write(self, results: Results, folder: Path) -> Path:
        from reports.page import render
        from reports.templating import write_page

        return write_page(render(results), folder / "index.html")


@report("gallery", summary="gallery.html, pictures alone: images as every variant leaves them, what is seen in them")
class Gallery:
    def write(self, results: Results, folder: Path) -> Path:
        from reports.gallery_page import render
        from reports.templating import write_page

        return write_page(render(results), folder / "gallery.html")
