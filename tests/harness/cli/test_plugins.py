"""``fewcolors list``: all plugins, and one in full."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.contracts import BadInput
from harness.discovery import discover

BUILT_IN = [plugin for plugin in discover() if plugin.origin == "built in"]


@pytest.mark.parametrize("plugin", BUILT_IN, ids=lambda plugin: f"{plugin.mark.kind} {plugin.name}")
def test_every_parameter_of_what_is_built_in_is_explained(plugin) -> None:
    assert [parameter.name for parameter in plugin.parameters if not parameter.explanation] == []
    assert plugin.mark.summary


def shown(*arguments: str) -> str:
    ended = CliRunner().invoke(app, ["list", *arguments], env={"COLUMNS": "200"})
    assert ended.exit_code == 0, ended.exception
    return ended.output


def test_one_plugin_is_shown_in_full() -> None:
    text = shown("colorcnn")
    for line in ("kind     ", "origin   ", "level    ", "learned  ", "needs   ", "--scale small", "paper"):
        assert f"  {line}" in text
    assert "colors, 2 to 256" in text
    assert "yes, once for each color count" in text
    assert "    gamma: float >= 0 = 1.0\n        Weight of the regularizer R.\n" in text
    assert "median-cut" not in text
    assert text.count("Weight of the regularizer R.") == 1, "not in the description as well"


def test_a_plugin_that_nobody_knows() -> None:
    error = CliRunner().invoke(app, ["list", "colorcn"]).exception
    assert isinstance(error, BadInput)
    assert str(error) == "colorcn: there is no such plugin, did you mean 'colorcnn'?; fewcolors list shows all."


@pytest.mark.parametrize("plugin", BUILT_IN, ids=lambda plugin: f"{plugin.mark.kind} {plugin.name}")
def test_everything_built_in_can_be_shown(plugin) -> None:
    assert shown(plugin.name).startswith(plugin.name)
