# ruff: noqa: ARG005 - toy plugins have no use for what they are handed

import importlib
import importlib.machinery
import importlib.metadata
import re
import types
import warnings
from pathlib import Path

import pytest

from harness import discovery
from harness.contracts import BadInput
from harness.discovery import discover
from harness.registry import quantizer
from harness.sources import read_source

REPOSITORY = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures("cleanup_modules")


def named(name, module="toy_installed"):
    return quantizer(name)(type("Installed", (), {"palettize": lambda self: None, "__module__": module}))


class Point:
    """Stands for an entry point of an installed distribution."""

    def __init__(self, name, loaded, dist=("toys", "1.2")):
        self.name, self.value, self.loaded = name, f"toy_{name}:Plugin", loaded
        self.dist = types.SimpleNamespace(name=dist[0], version=dist[1]) if dist else None

    def load(self):
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


@pytest.fixture
def install(monkeypatch):
    def installed(*points, group="fewcolors.methods"):
        monkeypatch.setattr(
            importlib.metadata, "entry_points", lambda *, group=None, wanted=group: points if group == wanted else ()
        )

    return installed


def test_all_that_is_built_in_is_found_from_there(install):
    install()
    plugins = list(discover())
    assert {p.origin for p in plugins} == {"built in"}
    assert {p.mark.kind for p in plugins} == {"method", "dataset", "classifier", "metric", "report", "claim"}


@pytest.mark.parametrize("group", discovery.ENTRY_POINT_GROUPS)
def test_an_installed_class_is_found_with_its_distribution(install, group):
    install(Point("one", named("one")), group=group)
    assert discover().get("method", "one", "test").origin == "toys 1.2"


def test_an_installed_module_gives_all_its_plugins(install):
    module = types.ModuleType("toy_installed")
    module.A, module.B = named("a"), named("b")
    install(Point("many", module, dist=None))
    found = discover()
    assert {found.get("method", name, "test").origin for name in "ab"} == {"toy_many:Plugin"}


@pytest.mark.parametrize(
    ("loaded", "reason"),
    [
        (ImportError("No module named 'gone'"), "ImportError: No module named 'gone'"),
        (RuntimeError("any\nthing"), "RuntimeError: any thing"),
        (object(), "AttributeError"),
        (type("Unmarked", (), {}), "AttributeError"),
    ],
)
def test_a_broken_installed_plugin_is_a_warning_and_costs_only_itself(install, loaded, reason):
    install(Point("broken", loaded), Point("sound", named("sound")))
    with pytest.warns(UserWarning, match=rf"plugin 'broken' of toys 1\.2 is left out: .*{reason}"):
        found = discover()
    assert "sound" in found.names("method")


def test_an_installed_duplicate_of_what_is_built_in_names_both(install):
    install(Point("clash", named("median-cut")))
    with pytest.raises(BadInput, match=r"'median-cut': one from built in, one from toys 1\.2"):
        discover()


FILE = """
from harness.registry import quantizer

@quantizer("{name}")
class Mine:
    def palettize(self, images, colors): ...
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import no_such_thing", "be loaded: ModuleNotFoundError: No module named 'no_such_thing' ({path}, line 1)."),
        ("\n\n1 / 0", "cannot be loaded: ZeroDivisionError: division by zero ({path}, line 3)."),
        ("raise RuntimeError('one\\ntwo')", "cannot be loaded: RuntimeError: one two ({path}, line 1)."),
        ("import sys; sys.exit(0)", "cannot be loaded: SystemExit: 0 ({path}, line 1)."),
        ("x = 1\ndef (", "cannot be loaded: SyntaxError: invalid syntax ({path}, line 2)."),
        ("import json\n\ndef f():\n    json.loads('{')\nf()", "({path}, line 4)."),
        ("x = 1", "holds no plugin: mark a class with @fc.quantizer(name), @fc.codec(name), "),
        ("", "holds no plugin"),
        ("from harness.registry import quantizer\n@quantizer('x')\nclass X: ...", "TypeError: method 'x' lacks palett"),
        (FILE.format(name="median-cut"), "two method plugins are called 'median-cut': one from built in, one from "),
    ],
)
def test_a_broken_file_is_one_sentence_that_names_it(tmp_path, install, text, sentence):
    install()
    path = tmp_path / "a-plugin.py"
    path.write_text(text)
    with pytest.raises(BadInput) as error:
        discover([read_source(str(path))], tmp_path)
    assert sentence.replace("{path}", str(path)) in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "reason"), [("x = 1\n1 / 0", "division by zero"), ("x = 1\ndef (", "invalid syntax")])
def test_a_mistake_in_another_module_of_a_plugins_package_is_found_there(tmp_path, install, monkeypatch, text, reason):
    (tmp_path / "toypackage").mkdir()
    (tmp_path / "toypackage" / "__init__.py").touch()
    (tmp_path / "toypackage" / "method.py").write_text("from toypackage import helper\n")
    (tmp_path / "toypackage" / "helper.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    install()
    place = re.escape(f"({tmp_path / 'toypackage' / 'helper.py'}, line 2)")
    with pytest.raises(BadInput, match=rf"^--plugin .*method\.py cannot be loaded: .*{reason} {place}\.$"):
        discover([read_source("toypackage.method")])

    point = Point("broken", None)
    point.value, point.load = "toypackage.method", lambda: importlib.import_module("toypackage.method")
    install(point)
    with pytest.warns(UserWarning, match=rf"plugin 'broken' of toys 1\.2 is left out: .*{reason} {place}$"):
        discover()


def test_a_file_that_was_broken_is_read_anew_once_it_is_mended(tmp_path, install):
    install()
    path = tmp_path / "mine.py"
    path.write_text("1 / 0")
    with pytest.raises(BadInput, match="division by zero"):
        discover([read_source(str(path))], tmp_path)
    path.write_text(FILE.format(name="mine"))
    assert discover([read_source(str(path))], tmp_path).get("method", "mine", "test").origin == str(path)


def test_what_is_installed_here_is_sound():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        discover()
