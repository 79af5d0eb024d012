"""The commands that install what a run was computed with, as the page has them."""

from __future__ import annotations

import html
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from reports.page import render
from reports.reproducing import install_commands

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

COMMIT = "0123abc"


@pytest.mark.parametrize(
    ("code", "version", "lines"),
    [
        (
            {"commit": COMMIT, "dirty": False},
            "0.1.0",
            ("git checkout 0123abc  # in a clone of the repository of fewcolors", "pip install ."),
        ),
        (
            {"commit": COMMIT, "dirty": False, "url": "git+https://example.org/f"},
            "0.1.0",
            ("pip install 'fewcolors @ git+https://example.org/f@0123abc'",),
        ),
        ({}, "0.1.0", ("pip install fewcolors==0.1.0",)),
        ({}, "not installed", ("pip install fewcolors",)),
    ],
)
def test_fewcolors_is_installed_as_it_was(code: dict[str, Any], version: str, lines: tuple[str, ...]) -> None:
    assert install_commands({"code": code}, version) == lines


def test_what_brought_plugins_is_installed_too_and_can_command_nothing() -> None:
    hostile = {"name": "x; rm -rf\nq", "version": "1;ls"}
    (_, *lines) = install_commands({"code": {}, "distributions": [{"name": "mine", "version": "2"}, hostile]}, "1")
    assert lines[0] == "pip install mine==2"
    assert shlex.split(lines[1]) == ["pip", "install", "x; rm -rf q==1;ls"]
    (_, checkout, _) = install_commands({"code": {}, "distributions": [hostile | {"commit": "$(ls)"}]}, "1")
    assert shlex.split(checkout, comments=True) == ["git", "checkout", "$(ls)"]


def test_the_page_says_how_to_reproduce_a_run(bench: Bench) -> None:
    made = {
        "date": "2026-01-02T03:04:05+00:00",
        "command": "fewcolors run s.yaml",
        "code": {"commit": COMMIT, "dirty": False},
        "plugins": [],
        "distributions": [{"name": "mine", "version": "2", "commit": "4567def", "dirty": True}],
    }
    run = bench.results([bench.plain("a", 2, 0.5)], environment={"run": made, "versions": {"fewcolors": "0.1.0"}})
    page = html.unescape(render(run))
    assert "git checkout 0123abc  # in a clone of the repository of fewcolors\npip install .\n" in page
    assert "git checkout 4567def  # in a clone of the repository of mine\npip install .\n" in page
    assert page.index("pip install .") < page.index("fewcolors run spec.yaml")
    assert "<dt>plugins of mine 2</dt><dd>commit <code>4567def</code> <b>and changes" in page
    assert "so the commit alone may compute something else" in page
    before = {name: said for name, said in made.items() if name != "distributions"}
    older = bench.results(run.cells, environment={"run": before})
    assert "so the commit alone" not in render(older)
