"""What the page's script finds in a figure: whose each part is, what points say and where, and the figure as files."""

from __future__ import annotations

import math
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from harness.contracts import Cell
from reports.alive import Mark, belongs, numbers
from reports.drawing import canvas, drawing, to_svg
from reports.points import Point

HOSTILE = """</title><script>alert(1)</script>"'&\u2028\x07"""
SVG = "{http://www.w3.org/2000/svg}"


def cell_of(variant: str) -> Cell:
    place = {"dataset": "toys", "classifier": "net", "method": "m", "variant": variant, "params": {}}
    level = {"level_kind": "colors", "level": 2, "seed": 0, "fitted_on": "", "split": "test", "precision": "fp32"}
    return Cell(**place, **level, key="", status="ok")


def test_a_point_says_what_is_known_of_it() -> None:
    measured = (("colors_per_image", 1.98), ("bpp_file", 1.25), ("bpp_payload", math.nan), ("bpp_entropy", 0.5))
    known = Point("net", cell_of("net"), "colors", 2, "ok", "", 1, 1, 0.853, 0.8, 0.9, measured=measured)
    assert numbers(known).replace("\u202f", " ").split("\n") == [
        "net, 2 colors",
        "85.3 % [80.0, 90.0]",
        "2.0 colors per image",
        "bits per pixel: 1.250 file, 0.500 entropy",
    ]
    bare = Point("original", cell_of("original"), "none", None, "ok", "", 1, 1, 0.9)
    assert numbers(bare, "toys, gamma 0").replace("\u202f", " ").split("\n") == ["toys, gamma 0", "90.0 %"]


@pytest.fixture(scope="module")
def svg() -> str:
    with drawing("f"):
        figure, axes = canvas("x", (0.1, 0.2, 0.8, 0.7))
        axes.set(xlim=(0, 1), ylim=(0, 1))
        belongs(HOSTILE, *axes.plot([0, 1], [0, 1], color="#0173b2"), axes.text(0.5, 0.5, HOSTILE.replace("\x07", "")))
        belongs("plain", axes.scatter([0.5], [0.5]))
        return to_svg(figure, "f", HOSTILE, [Mark(axes, 0.25, 0.5, HOSTILE, HOSTILE)])


def test_parts_and_points_name_their_variant(svg: str) -> None:
    root = ElementTree.fromstring(svg.replace("\x07", ""))
    owners = [(element.tag, element.get("data-variant")) for element in root.iter() if element.get("data-variant")]
    hostile = HOSTILE.replace("\x07", "")
    assert sorted(owners) == sorted([("g", hostile)] * 2 + [("g", "plain"), ("circle", hostile)])
    (point,) = root.iter("circle")
    assert "".join(point.itertext()) == hostile
    width, height = 5.4 * 72, 3.7 * 72
    x, y = width * (0.1 + 0.8 * 0.25), height * (1 - 0.2 - 0.7 * 0.5)
    assert (float(point.get("cx", "")), float(point.get("cy", ""))) == pytest.approx((x, y), abs=0.06)


def test_the_figure_is_in_it_as_two_files_that_stand_alone(
    svg: str, unpacked: Callable[[str], tuple[str, str]]
) -> None:
    plain, outlined = unpacked(svg)
    for text in (plain, outlined):
        root = ElementTree.fromstring(text)
        assert root.tag == f"{SVG}svg"
        assert root.findtext(f"{SVG}title") == HOSTILE.replace("\x07", "\ufffd")
        assert "var(" not in text
        assert "#0173b2" in text
        assert not list(root.iter(f"{SVG}script"))
    assert "accuracy, %" in [element.text for element in ElementTree.fromstring(plain).iter(f"{SVG}text")]
    assert not list(ElementTree.fromstring(outlined).iter(f"{SVG}text"))
    assert len(list(ElementTree.fromstring(outlined).iter(f"{SVG}use"))) > len("accuracy")
