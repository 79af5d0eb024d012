"""Whatever a name or a message holds, the terminal is told to do nothing by it."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.table import Table

from harness.cli.app import _check_arguments
from harness.complaints import harmless
from harness.contracts import BadInput
from harness.registry import quantizer
from harness.terminal import Screen

EVIL = "a\x1b[2J\x1b]0;title\x07b\rc\x9bd\udce9"


def test_text_on_a_screen_has_no_commands_and_rich_keeps_its_own():
    screen = Screen(file=io.StringIO(), force_terminal=True, color_system="standard", width=200)
    screen.print(EVIL, markup=False, style="red", highlight=False, soft_wrap=True)
    table = Table(EVIL)
    table.add_row(EVIL)
    screen.print(table)
    said = screen.file.getvalue()
    assert said.startswith("\x1b[31m"), "red is rich's"
    for command in ("\x1b[2J", "\x1b]", "\x07", "\r", "\x9b"):
        assert command not in said
    assert said.count(r"a\x1b[2J\x1b]0;t") == 3, "in the line, in the table's head and in its row"
    assert said.encode()


@given(st.text())
@settings(deadline=None)
def test_harmless_text_keeps_its_lines_and_nothing_else_that_is_not_printable(text):
    said = harmless(text)
    assert len(said.split("\n")) == len(text.split("\n"))
    assert all(line.isprintable() for line in said.split("\n"))
    assert harmless(said) == said


def test_an_argument_that_commands_the_terminal_is_refused_and_any_file_name_in_text_is_not():
    with pytest.raises(BadInput) as error:
        _check_arguments(["plan", "x\x1b[2J.yaml"])
    assert str(error.value) == r"the argument 'x\x1b[2J.yaml' holds the control character '\x1b'."
    _check_arguments(["plan", "caf\udce9.yaml", "a\nb", "größe"])


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "a\x1b[2J", "=1+1", "@x", "-x", "a.b", "a\n", "", "é", 61 * "a"])
def test_a_plugin_is_called_by_a_word(name):
    with pytest.raises(TypeError, match="needs a name of letters, digits"):
        quantizer(name)(type("Mine", (), {"palettize": lambda *_: None}))
