"""Classes of a notebook as plugin files: whole, and nothing else; what cannot be written is said."""

import numpy as np
import pytest
from cells import Cells

import fewcolors as fc
from harness.discovery import discover
from harness.interactive.classes import source_of_class, text_of_class
from harness.interactive.given import read_plugins

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), np.uint8)


@pytest.fixture
def notebook():
    with Cells() as cells:
        cells.run(
            "import numpy as np\nimport fewcolors as fc\nfrom typing import Literal, Annotated\nimages = np.zeros(9)\n"
        )
        yield cells


HALVES = """
@fc.quantizer("halves")
class Halves:
    {field}

    def palettize(self, images, colors):
        indices = ({test}).astype(np.uint8)
        return fc.Palettized(indices, np.tile(np.array([[0], [{light}]], np.uint8), (len(images), 1, 3)))
"""


def halves(field="level: int = 100", test="images.mean(axis=3) > self.level", light="255"):
    return HALVES.format(field=field, test=test, light=light)


def of_file(cls):
    """The plugin that a worker makes of the class's text, which knows no notebook."""
    source = source_of_class(cls)
    assert source.name.startswith("fewcolors_plugin_")
    return discover([source]).get("method", "halves", "test").make({}, "test")


def check(notebook):
    here = notebook["Halves"]().palettize(IMAGES, 2).render()
    assert np.array_equal(of_file(notebook["Halves"]).palettize(IMAGES, 2).render(), here)
    assert here.any()
    assert not here.all()


def test_a_class_comes_with_its_imports_and_nothing_else(notebook):
    notebook.run("unused = 7\n" + halves() + "\nprint('another statement of the cell')\n")
    text = text_of_class(notebook["Halves"])
    assert text.startswith("import fewcolors as fc\nimport numpy as np\n")
    assert text.count("import") == 2
    assert "unused" not in text
    assert "another" not in text
    check(notebook)


def test_local_names_are_not_taken_for_those_of_the_notebook(notebook):
    """``images`` is an array of the notebook and an argument of the method."""
    notebook.run(halves())
    check(notebook)


@pytest.mark.parametrize(
    ("before", "cell"),
    [
        ("LIGHT = 254\n", halves(light="LIGHT")),
        ("def light(): return LIGHT\nLIGHT = 254\n", halves(light="light()")),
        (
            "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)\n",
            halves(light="255 * even(8)"),
        ),
        ("import functools\n@functools.lru_cache\ndef light():\n    return 254\n", halves(light="light()")),
        ("import numba\n@numba.njit\ndef light(x):\n    return x + 1\n", halves(light="light(253)")),
        (
            "class Base:\n    def light(self): return 254\n",
            halves(light="self.light()").replace("Halves:", "Halves(Base):"),
        ),
        ("from os.path import join as joined\n", halves(light="len(joined('a', 'b'))")),
        ("from pydantic import Field\n", halves("level: Annotated[int, Field(ge=1)] = 100")),
        ("", "from __future__ import annotations\n" + halves("level: Literal[100, 120] = 100")),
        ("ROWS = ((1, 2), {'a': [254]})\n", halves(light="ROWS[1]['a'][0]")),
        (
            "",
            halves().replace("def palettize", "@staticmethod\n    def one(): return np.uint8(1)\n\n    def palettize"),
        ),
    ],
    ids=[
        "constant",
        "function",
        "recursion",
        "lru_cache",
        "njit",
        "base class",
        "alias",
        "field",
        "future",
        "nested",
        "static",
    ],
)
def test_what_it_uses_of_the_notebook_comes_too(before, cell, notebook):
    notebook.run(before + "None\n")
    notebook.run(cell)
    check(notebook)


def test_a_helper_that_is_changed_changes_the_text_and_so_the_keys(notebook):
    notebook.run("def light(): return 254\n")
    notebook.run(halves(light="light()"))
    before = source_of_class(notebook["Halves"])
    assert source_of_class(notebook["Halves"]) == before
    notebook.run("def light(): return 200\n")
    assert source_of_class(notebook["Halves"]).digest != before.digest


@pytest.mark.parametrize(
    ("before", "cell", "sentence"),
    [
        ("table = np.zeros(3)\n", halves(light="table[0]"), "Halves uses table, which is array([0., 0., 0.]) of the"),
        ("light = lambda: 3\n", halves(light="light()"), "Halves uses light, which is"),
        ("nan = float('nan')\n", halves(light="nan"), "Halves uses nan, which is nan of the notebook"),
        (
            "def make():\n" + halves().replace("\n", "\n    ") + "\n    return Halves\n",
            "Halves = make()\n",
            "at the top of a cell",
        ),
        ("class Halves: pass\n", "0\n", "mark it with @fc.quantizer"),
    ],
    ids=["array", "lambda", "nan", "nested", "bare"],
)
def test_what_cannot_be_written_is_one_sentence(before, cell, sentence, notebook):
    notebook.run(before)
    notebook.run(cell)
    with pytest.raises(fc.BadInput, match="plugins: ") as raised:
        source_of_class(notebook["Halves"])
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_module_beside_the_notebook_is_refused(notebook, tmp_path, monkeypatch):
    (tmp_path / "beside_notebook.py").write_text("LIGHT = 254\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    notebook.run("import beside_notebook\n")
    notebook.run(halves(light="beside_notebook.LIGHT"))
    with pytest.raises(fc.BadInput, match="uses the module beside_notebook, which lies in this folder"):
        source_of_class(notebook["Halves"])


def test_without_a_text_a_file_is_asked_for():
    scope = {"__name__": "nowhere"}
    exec("import numpy as np\nimport fewcolors as fc\n" + halves(), scope)
    with pytest.raises(fc.BadInput, match=r"source text of Halves is not at hand .*; save the class as a file"):
        source_of_class(scope["Halves"])


def test_a_class_of_a_module_comes_as_that_module(tmp_path, monkeypatch):
    (tmp_path / "own_halves.py").write_text("import numpy as np\nimport fewcolors as fc\n" + halves())
    monkeypatch.syspath_prepend(str(tmp_path))
    import own_halves

    assert source_of_class(own_halves.Halves).name == "own_halves"


@pytest.mark.parametrize("plugins", [5, [5], ["a.txt"], ["nowhere.py"]])
def test_plugins_that_are_none_are_one_sentence(plugins):
    with pytest.raises(fc.BadInput, match=r"neither a \.py file|is none; hand over|no such file"):
        read_plugins(plugins if isinstance(plugins, list) else [plugins])
