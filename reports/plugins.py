"""The built-in reports, as the registry knows them; what is slow to import is imported when a report is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from harness.contracts import Results
from harness.registry import report
from reports.lengths import Length, inches


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


@report("latex", summary="latex/*.tex: accuracies, comparisons and claims as tables for a paper, with booktabs")
class Latex:
    def write(self, results: Results, folder: Path) -> Path:
        from reports.latex import write_latex

        return write_latex(results, folder)


@report("markdown", summary="report.md: the answers and the tables as text")
class Markdown:
    def write(self, results: Results, folder: Path) -> Path:
        from reports.markdown import render
        from reports.templating import write_page

        return write_page(render(results), folder / "report.md")


@report("parquet", summary="cells.parquet, significance.parquet, pairs.parquet, ...: the tables with types and units")
class Parquet:
    def write(self, results: Results, folder: Path) -> Path:
        from reports.parquet import write_parquet

        return write_parquet(results, folder)


@report("json", summary="report.json: tables with units, answers, searches and the spec in one file for other programs")
class Json:
    def write(self, results: Results, folder: Path) -> Path:
        from reports.as_json import render
        from reports.templating import write_page

        return write_page(render(results), folder / "report.json")


@report(
    "index", summary="index.html of a folder of runs (fewcolors report FOLDER): the runs, and a leaderboard over them"
)
class Index:
    def write(self, results: Results, folder: Path) -> Path:
        from reports.index_page import render
        from reports.templating import write_page

        return write_page(render(results, folder), folder / "index.html")


@report("figures", summary="figures/*.pdf and *.svg: the figures for a paper, in a column's width")
class Figures:
    """Accuracy against colors and bits, ranks, sweeps and searches for print, as ``fewcolors figures`` asks for them.

    Args:
        width: Of each figure: 3.25in, 84mm, 8.4cm or 240pt (TeX's points).
        height: Likewise; null: what suits the width and the legend.
        format: Of the files.
        font_size: Points of ordinary text; small text has 80 % of it.
    """

    width: Length = "3.25in"
    height: Length | None = None
    format: Literal["pdf,svg", "svg,pdf", "pdf", "svg"] = "pdf,svg"
    font_size: Annotated[float, Field(ge=4, le=24)] = 8.0

    def write(self, results: Results, folder: Path) -> Path:
        from reports.printed import write_figures

        height = None if self.height is None else inches(self.height)
        return write_figures(results, folder, inches(self.width), height, self.font_size, self.format.split(","))
