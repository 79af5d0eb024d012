"""Names of files and folders."""

import pytest

from harness.naming import folder_names, plain_name


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("colorcnn gamma=0.5 2 colors", "colorcnn-gamma=0.5-2-colors"),
        ("a/b\\c: d", "a-b-c-d"),
        ("../x", "x"),
        (".hidden-", "hidden"),
        ("\u00fc", "unnamed"),
        ("", "unnamed"),
        ("x" * 120, "x" * 120),
    ],
)
def test_a_name_is_plain(words, name):
    assert plain_name(words) == name


def test_long_names_are_cut_and_still_differ_at_their_ends():
    names = [plain_name(f"{'x' * 300} seed {seed}") for seed in (0, 1)]
    assert len(set(names)) == 2
    assert [len(name) for name in names] == [120, 120]


def test_folders_never_have_the_same_name():
    words = ["m a=1-2-colors", "m/a=1-2-colors", "M a=1-2-colors", "\u00fc", "../x"]
    assert folder_names(words) == ["m-a=1-2-colors", "m-a=1-2-colors-2", "M-a=1-2-colors-3", "unnamed", "x"]
    assert len(set(folder_names(["x" * 300, "x" * 300]))) == 2
