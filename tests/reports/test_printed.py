"""Figures for a paper: as wide as stated, whole, the same twice."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from harness.contracts import BadInput
from harness.discovery import discover
from reports.lengths import inches
from reports.printed import figures_of, on_paper


def draw(results: Any, folder: Path, **params: Any) -> dict[str, bytes]:
    """The files that ``fewcolors figures`` writes, by name."""
    plugin = discover().get("report", "figures", "figures").make(params, "figures")
    shown = plugin.write(results, folder)
    return {path.name: path.read_bytes() for path in sorted(shown.parent.iterdir())}


@pytest.fixture
def run(bench, searches) -> Any:
    cells = [bench.plain(v, level, s + level / 40) for v, s in (("median-cut", 0.4), ("net", 0.6)) for level in (2, 8)]
    cells.append(bench.plain("original", None, 0.95))
    cells += [bench.plain(f"net g={g}", 4, 0.5 + g / 10, method="net", params={"gamma": g}) for g in (0, 1, 2)]
    cells += [bench.plain(f"net {w}", 4, 0.7, method="net2", params={"backbone": w}) for w in ("unet", "dncnn")]
    return bench.results(cells, searches=(searches.of(searches.drawn(6)),))


@pytest.fixture
def over_tasks(bench) -> Any:
    """Five variants, one of a long name, on four tasks."""
    long = "median-cut dither=floyd-steinberg-clipped"
    shares = {"net": 0.8, "median-cut": 0.6, "wu": 0.7, "octree-gervautz": 0.5, long: 0.3}
    cells = [
        bench.plain(variant, 2, share + number / 100, dataset=f"set {number}")
        for number in range(4)
        for variant, share in shares.items()
    ]
    return bench.results(cells)


def size(name: str, content: bytes) -> tuple[float, float]:
    """Width and height in inches, as the file states them."""
    if name.endswith(".pdf"):
        (box,) = re.findall(rb"/MediaBox \[ *0 0 ([\d.]+) ([\d.]+) *\]", content)
        return float(box[0]) / 72, float(box[1]) / 72
    found = re.search(rb'<svg [^>]*?height="([\d.]+)pt"[^>]*?width="([\d.]+)pt"', content)
    found = found or re.search(rb'<svg (?=[^>]*height="([\d.]+)pt")(?=[^>]*width="([\d.]+)pt")', content)
    assert found is not None
    return float(found[2]) / 72, float(found[1]) / 72


def test_every_figure_is_as_wide_as_stated_and_the_same_twice(run, tmp_path: Path) -> None:
    files = draw(run, tmp_path, width="84mm", font_size=7.0)
    assert files == draw(run, tmp_path, width="84mm", font_size=7.0)
    kinds = ("colors-toys-tinynet", "bits-file-", "bits-payload-", "bits-entropy-", "sweep-net-over-gamma", "search-")
    drawn = [name for name in files if name != "captions.md"]
    assert all(any(name.startswith(kind) for name in drawn) for kind in (*kinds, "sweep-net2-over-backbone"))
    assert {name.removesuffix(".pdf") for name in drawn if name.endswith("pdf")} == {
        name.removesuffix(".svg") for name in drawn if name.endswith("svg")
    }
    for name in drawn:
        assert size(name, files[name])[0] == pytest.approx(84 / 25.4, abs=0.005), name
        assert f"**{name[:-4]}**: " in files["captions.md"].decode()
        if name.endswith(".pdf"):
            assert b"/CIDFontType2" in files[name] or b"/Subtype /TrueType" in files[name], "embedded as TrueType"
            assert b"/Type3" not in files[name]
            assert b"Date" not in files[name]
        else:
            assert b"<text" not in files[name], "letters are outlines"
            assert b"<dc:date>" not in files[name]


def test_a_stated_height_holds_with_the_legend_inside(run, tmp_path: Path) -> None:
    files = draw(run, tmp_path, width="5in", height="3in", format="svg")
    assert not any(name.endswith(".pdf") for name in files)
    assert size("colors-toys-tinynet.svg", files["colors-toys-tinynet.svg"]) == pytest.approx((5, 3), abs=0.01)


def test_text_has_the_stated_size_and_all_lies_within_the_figure(run) -> None:
    for printed in figures_of(run):
        figure = on_paper(printed, 3.25, None, 8.0)
        assert figure is not None
        FigureCanvasAgg(figure).draw()
        sizes = {round(axes.xaxis.label.get_fontsize(), 3) for axes in figure.axes if axes.get_xlabel()}
        without_labels = printed.name.startswith("search") and printed.name.endswith("-all")
        assert sizes == (set() if without_labels else {8.0})
        tight = figure.get_tightbbox()
        assert tight.x0 > -0.02, printed.name
        assert tight.y0 > -0.02, printed.name
        assert tight.x1 < 3.27, printed.name
        assert tight.y1 < figure.get_figheight() + 0.02, printed.name


def test_all_parameters_of_a_search_are_drawn_together(run, tmp_path: Path) -> None:
    files = draw(run, tmp_path, format="svg")
    (name,) = (name for name in files if name.startswith("search-") and name.endswith("-all.svg"))
    captions = files["captions.md"].decode()
    assert f"**{name.removesuffix('.svg')}**: Parameters and validation accuracy of every trial" in captions
    assert "The thick line is the best trial and the paper's setting." in captions
    single = replace(run, searches=tuple(replace(s, space={"gamma": s.space["gamma"]}) for s in run.searches))
    assert not [name for name in draw(single, tmp_path / "single") if "-all" in name]


@pytest.mark.parametrize(("width", "text"), [(3.25, 8.0), (2.4, 7.0), (7.0, 9.0)])
def test_mean_ranks_are_drawn_with_whole_names(over_tasks, width: float, text: float) -> None:
    (ranks,) = (printed for printed in figures_of(over_tasks) if printed.name.startswith("ranks-"))
    assert ranks.name == "ranks-2-colors"
    assert "Mean ranks at 2 colors over 4 tasks" in ranks.caption
    figure = on_paper(ranks, width, None, text)
    assert figure is not None
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    words = {"".join(said.get_text().split()): said.get_window_extent() for said in axes.texts}
    for place, variant in enumerate(("net", "wu", "median-cut", "octree-gervautz"), 1):
        assert {f"{variant}{place}.00", f"{place}.00{variant}"} & words.keys()
    assert any(said.endswith("median-cutdither=floyd-steinberg-clipped") for said in words)
    for (_, one), (_, other) in itertools.combinations(words.items(), 2):
        assert not one.overlaps(other)
    across, up = figure.get_size_inches() * figure.dpi
    assert across == pytest.approx(width * figure.dpi)
    assert all(box.x0 >= 0 and box.x1 <= across and box.y0 >= 0 and box.y1 <= up for box in words.values())


def test_mean_ranks_take_the_stated_height(over_tasks, bench, tmp_path: Path) -> None:
    files = draw(over_tasks, tmp_path, width="5in", height="4in", format="svg")
    assert size("", files["ranks-2-colors.svg"]) == pytest.approx((5, 4), abs=0.01)
    with pytest.raises(BadInput, match="too low for ranks-2-colors"):
        on_paper(next(p for p in figures_of(over_tasks) if p.name.startswith("ranks")), 3.25, 1.3, 8.0)
    assert not [printed for printed in figures_of(bench.results([])) if "ranks" in printed.name]


def test_what_does_not_fit_is_said(run, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="make them wider"):
        draw(run, tmp_path, width="1in")
    with pytest.raises(BadInput, match="too low"):
        draw(run, tmp_path, height="0.5in")


def test_a_run_without_points_has_captions_alone(bench, tmp_path: Path) -> None:
    assert draw(bench.results([]), tmp_path) == {"captions.md": b"# Figures\n"}
    failed = replace(bench.results([bench.cell(None, "net", 2)]), searches=())
    assert list(draw(failed, tmp_path)) == ["captions.md"]


@pytest.mark.parametrize(
    ("stated", "expected"), [("3.25in", 3.25), ("25.4mm", 1.0), ("2.54 cm", 1.0), ("72.27pt", 1.0), (".5in", 0.5)]
)
def test_lengths(stated: str, expected: float) -> None:
    assert inches(stated) == pytest.approx(expected)


@pytest.mark.parametrize("wrong", ["3", "in", "-1in", "3px", "1e3in", ""])
def test_what_is_no_length(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"3\.25in, 84mm"):
        inches(wrong)
