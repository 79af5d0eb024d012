"""A stranger's exception in words: whatever it holds, it becomes a short line that any terminal and file takes."""

import csv
import io

import pytest

from harness.complaints import LONGEST, LONGEST_TRACEBACK, BadInputs, Complaints, one_line, printable, traceback_of
from harness.contracts import BadInput


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no message either")


class Sly(Exception):
    def __str__(self):
        class Text(str):
            def __add__(self, other):
                raise RuntimeError

            __getitem__ = __len__ = __format__ = split = __add__

        return Text("sly")


class Exits(BaseException):
    def __str__(self):
        raise SystemExit(3)


ODD = {
    "plain": (ValueError("no"), "ValueError: no"),
    "lines": (ValueError("one\ntwo\r\n\tthree"), "ValueError: one two three"),
    "nul": (ValueError("a\0b"), r"ValueError: a\x00b"),
    "a terminal's commands": (ValueError("\x1b[2Jgone\x07"), r"ValueError: \x1b[2Jgone\x07"),
    "a lone surrogate": (ValueError("\ud800"), r"ValueError: \ud800"),
    "right to left": (ValueError("\u202eabc"), r"ValueError: \u202eabc"),
    "other scripts": (ValueError("größer als 5 €, 色"), "ValueError: größer als 5 €, 色"),
    "no message": (Silent(), "Silent: its message cannot be shown"),
    "a str that is none": (Sly(), "Sly: sly"),
    "no exception": (Exits(), "Exits: its message cannot be shown"),
    "an odd name": (type("a\nb\x1b", (Exception,), {})("x"), r"a b\x1b: x"),
}


@pytest.mark.parametrize("case", ODD)
def test_any_exception_is_one_line_that_can_be_printed_and_stored(case):
    error, expected = ODD[case]
    line = one_line(error)
    assert line == expected
    assert type(line) is str
    assert line.isprintable()
    csv.writer(io.StringIO()).writerow([line.encode().decode()])
    assert all(part.isprintable() for part in traceback_of(error).split("\n"))


@pytest.mark.parametrize("text", ["x" * 5_000_000, "x " * 2_500_000, "\ud800" * 5_000_000, "\n" * 5_000_000 + "end"])
def test_five_megabytes_keep_start_and_end(text):
    error = ValueError("START" + text + "END")
    line, trace = one_line(error), traceback_of(error)
    assert len(line) <= LONGEST
    assert len(trace) <= LONGEST_TRACEBACK
    assert line.startswith("ValueError: START")
    assert line.endswith("END")
    assert trace.rstrip().endswith("END")


def test_a_text_that_is_cut_shows_where():
    assert printable("a" * 30 + "b" * 30, 37) == "a" * 20 + " [...] " + "b" * 10
    assert printable("short", 50) == "short"


def test_a_traceback_keeps_its_lines():
    try:
        raise KeyError("\x1b")
    except KeyError as error:
        lines = traceback_of(error).split("\n")
    assert lines[0] == "Traceback (most recent call last):"
    assert "test_complaints.py" in lines[1]


@pytest.mark.parametrize(("count", "lines", "last"), [(2, 3, "  1."), (20, 21, "  19."), (21, 22, "  and 1 more.")])
def test_twenty_complaints_are_printed_and_how_many_more_there_are(count, lines, last):
    said = str(BadInputs("a.yaml", [f"{number}." for number in range(count)])).splitlines()
    assert said[0] == f"a.yaml has {count} errors:"
    assert (len(said), said[-1]) == (lines, last)


def test_what_a_thousand_complaints_are_about_is_looked_at_no_further():
    outer, seen = Complaints("a.yaml"), 0

    def look():
        nonlocal seen
        inner = Complaints("methods")
        for seen in range(100_000):
            inner.add(f"methods[{seen}] is wrong.")

    with pytest.raises(BadInput) as error, outer.gathering():
        look()
    assert seen == 999
    assert str(error.value).startswith("a.yaml has at least 1,000 errors:\n  methods[0] is wrong.\n")
    assert str(error.value).endswith("\n  and 980 more.")
