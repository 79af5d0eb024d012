"""The gallery: palettes, heat, what stands beneath a picture, and the page of pictures alone."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness.contracts import Cell
from reports import gallery, gallery_page, heat, page, plugins
from reports.records import Records

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

SIDE = 16
RAMP = np.repeat(np.arange(0, 256, 16, dtype=np.uint8)[:, None], SIDE, axis=1)
CLASSES = ("cat", "dog", "cow")


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_a_palette_lists_colors_by_share() -> None:
    pixels = np.zeros((2, 4, 3))
    pixels[0, 0] = (255, 0, 16)
    assert gallery.palette(png(pixels)) == (("#000000", 7 / 8), ("#ff0010", 1 / 8))


@pytest.mark.parametrize(("colors", "listed"), [(16, 16), (17, 0)])
def test_a_palette_of_many_colors_is_left_out(colors: int, listed: int) -> None:
    pixels = np.repeat(np.arange(colors)[:, None, None], 3, axis=2)
    assert len(gallery.palette(png(pixels))) == listed


def pixels(picture: bytes | str) -> np.ndarray:
    png = base64.b64decode(picture.split(",")[1]) if isinstance(picture, str) else picture
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def inferno(value: int) -> tuple[int, ...]:
    return tuple(round(255 * channel) for channel in mpl.colormaps["inferno"](value)[:3])


def test_heat_is_inferno() -> None:
    shown = pixels(heat.heated(png(RAMP)))
    for row, column in np.ndindex(SIDE, SIDE):
        assert tuple(shown[row, column]) == inferno(int(RAMP[row, column]))
    assert shown[0].sum() < shown[5].sum() < shown[15].sum(), "brighter where there is more"


def test_an_overlay_is_gray_with_heat_over_it() -> None:
    """Two colors under sixteen values give 32 colors, so that none is lost to the overlay's own palette."""
    few = np.zeros((SIDE, SIDE, 3), np.uint8)
    few[:, 5:] = (200, 100, 20)
    shown = pixels(heat.overlaid(png(few), png(RAMP))).astype(int)
    for row, column in np.ndindex(SIDE, SIDE):
        red, green, blue = (int(v) for v in few[row, column])
        gray = 0.299 * red + 0.587 * green + 0.114 * blue
        for channel, hot in enumerate(inferno(int(RAMP[row, column]))):
            assert abs(shown[row, column, channel] - (0.45 * gray + 0.55 * hot)) <= 1


def test_an_overlay_of_many_colors_stays_close_and_small() -> None:
    rows, columns = np.mgrid[:96, :96]
    many = np.stack([rows * 2, columns * 2, rows + columns], -1).astype(np.uint8)
    values = (127 + 127 * np.sin(rows / 20) * np.cos(columns / 15)).astype(np.uint8)
    made = heat.overlaid(png(many), png(values))
    wanted = (
        0.45 * (many @ [0.299, 0.587, 0.114])[..., None] + 0.55 * np.array([inferno(v) for v in range(256)])[values]
    )
    assert np.abs(pixels(made) - wanted).mean() < 6
    assert len(made) < 96 * 96


@pytest.fixture
def seen(bench: Bench) -> list[Cell]:
    """The original and a learned variant, right about image 0 and wrong about image 1, with all kinds of maps."""
    frame = bench.frame([1, 0, 1], p_true=[0.75, 0.21, 0.75])
    maps = {"cam": RAMP, "cam-original": RAMP.T.copy()}
    color = np.stack([RAMP, 255 - RAMP, RAMP], -1)
    learned = {"zebra": color, "train-time": color[::-1].copy(), "activation": RAMP.T.copy()}
    return [
        bench.seen(bench.cell(frame, "learned", 2, fitted_on="tinynet"), maps | learned, 0.62),
        bench.seen(bench.cell(frame, "median-cut", 2), maps, 0.62),
    ]


def strips(cells: Iterable[Cell], most: int | None = None) -> list[gallery.Strip]:
    return gallery.gallery(cells, CLASSES, Records(), most)


def test_what_is_seen_stands_beneath_the_picture(seen: list[Cell]) -> None:
    right, wrong = strips(seen)
    tiles = dict(right.rows)
    assert [view.caption for view in tiles["learned"][0].views] == [
        "evidence",
        "activation",
        "training (Eq.\u00a07)",
        "zebra",
    ]
    assert [view.caption for view in tiles["median-cut"][0].views] == ["evidence"]
    evidence, activation, training, zebra = (pixels(view.picture).astype(int) for view in tiles["learned"][0].views)
    decoded = pixels(tiles["learned"][0].picture)
    assert np.abs(evidence - pixels(heat.overlaid(png(decoded), png(RAMP)))).max() == 0
    assert np.abs(activation - [[inferno(v) for v in row] for row in RAMP.T]).max() == 0
    color = np.stack([RAMP, 255 - RAMP, RAMP], -1)
    assert np.array_equal(zebra, color), "a picture the report does not know is shown as it is"
    assert np.array_equal(training, color[::-1])
    assert [view.caption for view in right.views] == ["evidence"]
    assert np.array_equal(
        pixels(right.views[0].picture), pixels(heat.overlaid(png(pixels(right.original)), png(RAMP.T)))
    )
    assert right.p_true == 0.62
    assert (dict(wrong.rows)["learned"][0].p_true, wrong.truth) == (0.21, "dog")


def test_an_untouched_variant_tells_of_the_original(bench: Bench) -> None:
    frame = bench.frame([0, 1, 1], p_true=[0.31, 0.75, 0.75])
    text = page.render(bench.results([bench.cell(frame, "original", None), bench.cell(frame, "median-cut", 2)]))
    assert text.count("true class 31\u202f%") == 2
    (first, second) = strips([bench.cell(frame, "untouched", None)])
    assert first.rows == ()
    assert (first.p_true, second.p_true) == (0.31, 0.75)


def test_pictures_of_variants_with_one_level_stand_side_by_side(seen: list[Cell], bench: Bench) -> None:
    (strip, _) = strips(seen)
    assert (strip.is_single, strip.across) == (True, 5), "the picture and the learned variant's four views"
    assert 'class="rows single"' in re.sub(r"s\d+ ", "", gallery_page.render(bench.results(seen)))
    (plain, _) = strips([replace(seen[1], gallery={n: replace(p, maps={}) for n, p in seen[1].gallery.items()})])
    assert (plain.is_single, plain.across) == (True, 2), "a name needs some room"
    more = [*seen, bench.cell(bench.frame([1, 0, 1]), "median-cut", 4)]
    assert {(strip.is_single, strip.across) for strip in strips(more)} == {(False, 2)}
    assert "rows single" not in gallery_page.render(bench.results(more))


def test_without_maps_there_is_no_view(bench: Bench) -> None:
    (first, _) = strips([bench.cell(bench.frame([1, 1]), "median-cut", 2)])
    assert (first.views, first.p_true, first.rows[0][1][0].views) == ((), None, ())


def test_only_wrong_pictures_name_the_true_class(seen: list[Cell], bench: Bench) -> None:
    text = gallery_page.render(bench.results(seen))
    assert text.count("true class 21\u202f%") == 2
    assert "true class 75" not in text
    assert text.count("true class 62\u202f%") == 2, "once for each image"


def test_the_gallery_alone_holds_every_image(bench: Bench, seen: list[Cell], tmp_path: Path) -> None:
    frame = bench.frame([1] * 9)
    cell = bench.cell(frame, "octree", 4)
    assert cell.records is not None
    cells = [*seen, replace(cell, gallery=bench.pictures(cell.records.parent, 4, range(9)))]
    results = bench.results(cells)
    path = plugins.Gallery().write(results, tmp_path / "pictures")
    assert path == tmp_path / "pictures" / "gallery.html"
    assert [found.name for found in path.parent.iterdir()] == ["gallery.html"]
    text = path.read_text(encoding="utf-8")
    for number in range(9):
        assert f"<small>image {number}</small>" in text
    assert "more images" not in text
    assert gallery_page.render(replace(results, cells=tuple(reversed(cells)))) == text
    assert "No pictures were kept." in gallery_page.render(bench.results([replace(c, gallery={}) for c in cells]))


def test_an_image_is_called_by_its_files_name(bench: Bench) -> None:
    names = ['test/cat/<img src=x onerror="alert(1)">.png', "test/dog/" + "x" * 240 + "end.png", None]
    frame = bench.frame([1, 1, 1]).assign(name=pd.array(names, "string"))
    text = page.render(bench.results([bench.cell(frame, "octree", 4)]))
    assert "<img src=x" not in text
    assert "test/cat/&lt;img src=x onerror=&#34;alert(1)&#34;&gt;.png</small><br><small>image 0</small>" in text
    assert "xxxend.png</small><br><small>image 1</small>" in text
    assert f">{'x' * 100}" not in text, "a caption is not as long as a file's name may be"
    (first, second) = strips([bench.cell(frame.assign(name=pd.array([None] * 3, "string")), "octree", 8)])
    assert first.name == second.name == ""


def test_a_page_shows_a_few_images_and_folds_the_rest(bench: Bench) -> None:
    cell = bench.cell(bench.frame([1] * 9), "octree", 4)
    assert cell.records is not None
    text = page.render(bench.results([replace(cell, gallery=bench.pictures(cell.records.parent, 4, range(9)))]))
    assert text.count('class="strip"') == gallery.MOST_IMAGES
    assert f"{gallery.MOST_IMAGES - 2} more images" in text


@pytest.mark.parametrize(("tasks", "images"), [(1, 6), (124, 6), (125, 6), (126, 5), (400, 1), (2000, 1)])
def test_many_pictures_of_an_image_leave_fewer_images(seen: list[Cell], tasks: int, images: int) -> None:
    """Each of these tasks has two pictures of an image: the decoded one and the evidence. A page holds 1,500."""
    plain = replace(seen[1], gallery={0: replace(seen[1].gallery[0], maps={"cam": Path("unread.png")})})
    assert gallery.images_for([[plain]] * tasks) == images
    assert tasks * 2 * images <= gallery.MOST_PICTURES or images == 1
