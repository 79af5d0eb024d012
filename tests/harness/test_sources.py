import os
import sys
import tempfile

import pytest

from harness.contracts import BadInput
from harness.discovery import discover
from harness.registry import Registry
from harness.sources import Source, import_source, private_folder, read_source

PLUGIN = """
from __future__ import annotations
from harness.contracts import Palettized
from harness.registry import quantizer

@quantizer("{name}")
class Mine:
    gamma: float = {gamma}

    def palettize(self, images, colors) -> Palettized: ...
"""


def plugin(name="mine", gamma=1.0):
    return PLUGIN.format(name=name, gamma=gamma)


pytestmark = pytest.mark.usefixtures("cleanup_modules")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def gamma_of(module):
    registry = Registry()
    registry.add_module(module, "test")
    return registry.get("method", "mine", "test").make({}, "test").gamma


def test_a_file_whose_name_is_no_module_name(tmp_path):
    source = read_source(str(write(tmp_path / "my-own.method v2.py", plugin())))
    module = import_source(source, tmp_path)
    assert source.name.isidentifier()
    assert gamma_of(module) == 1.0
    assert module.__file__ == source.path
    assert import_source(source, tmp_path) is module


def test_two_files_of_the_same_name_are_two_modules(tmp_path):
    sources = [read_source(str(write(tmp_path / folder / "mine.py", plugin(folder)))) for folder in ("one", "two")]
    names = discover(sources, tmp_path).names("method")
    assert {"one", "two"} <= set(names)


def test_a_file_that_was_changed_after_it_was_read_is_imported_as_it_was(tmp_path):
    path = write(tmp_path / "mine.py", plugin(gamma=1.0))
    source = read_source(str(path))
    write(path, plugin(gamma=2.0))
    assert gamma_of(import_source(source, tmp_path / "scratch")) == 1.0
    assert gamma_of(import_source(read_source(str(path)), tmp_path / "scratch")) == 2.0


def test_a_file_travels_to_where_the_original_is_not(tmp_path):
    path = write(tmp_path / "mine.py", plugin())
    source = read_source(str(path))
    path.unlink()
    module = import_source(source, tmp_path / "scratch")
    assert gamma_of(module) == 1.0
    assert module.__file__.startswith(str(tmp_path / "scratch"))


def package(root, gamma=1.0):
    write(root / "toy_package" / "__init__.py", "")
    write(root / "toy_package" / "deep" / "__init__.py", "")
    write(root / "toy_package" / "deep" / "method.py", plugin(gamma=gamma) + "\nfrom toy_package.helper import VALUE\n")
    write(root / "toy_package" / "helper.py", "VALUE = 1\n")
    return root


def test_a_module_of_a_package_travels_with_its_package(tmp_path, monkeypatch):
    with monkeypatch.context() as context:
        context.syspath_prepend(str(package(tmp_path / "here")))
        source = read_source("toy_package.deep.method")
    assert {name for name, _ in source.files} == {
        "toy_package/__init__.py",
        "toy_package/helper.py",
        "toy_package/deep/__init__.py",
        "toy_package/deep/method.py",
    }
    forget("toy_package")
    module = import_source(source, tmp_path / "scratch")
    assert gamma_of(module) == 1.0
    assert module.__file__.startswith(str(tmp_path / "scratch"))


def forget(top):
    for name in [name for name in sys.modules if name.partition(".")[0] == top]:
        del sys.modules[name]


@pytest.mark.parametrize(("gamma", "copied"), [(1.0, False), (2.0, True)])
def test_a_package_that_is_there_too_is_used_only_if_it_is_the_same(tmp_path, monkeypatch, gamma, copied):
    with monkeypatch.context() as context:
        context.syspath_prepend(str(package(tmp_path / "driver")))
        source = read_source("toy_package.deep.method")
    forget("toy_package")
    monkeypatch.syspath_prepend(str(package(tmp_path / "worker", gamma)))
    module = import_source(source, tmp_path / "scratch")
    assert gamma_of(module) == 1.0
    assert module.__file__.startswith(str(tmp_path / ("scratch" if copied else "worker")))


def test_a_single_module_on_the_path(tmp_path, monkeypatch):
    write(tmp_path / "toy_single.py", plugin())
    monkeypatch.syspath_prepend(str(tmp_path))
    source = read_source("toy_single")
    assert [name for name, _ in source.files] == ["toy_single.py"]
    assert gamma_of(import_source(source, tmp_path)) == 1.0


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("no-such.py", "--plugin no-such.py: there is no such file."),
        ("no_such_module", "--plugin no_such_module: neither a .py file nor a module that can be imported."),
        ("no_such.module", "--plugin no_such.module: neither a .py file nor"),
        ("harness.no_such", "--plugin harness.no_such: neither a .py file nor"),
        ("harness.plan.no_such", "--plugin harness.plan.no_such: neither a .py file nor"),
        (".relative", "--plugin .relative: neither"),
        ("", "--plugin : neither"),
        ("sys", "--plugin sys: neither"),
        ("folder/name", "--plugin folder/name: neither"),
        ("toy_raising.module", "--plugin toy_raising.module cannot be loaded: RuntimeError: not today."),
    ],
)
def test_what_is_no_plugin_source(tmp_path, monkeypatch, argument, sentence):
    write(tmp_path / "toy_raising" / "__init__.py", "raise RuntimeError('not today')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BadInput) as error:
        read_source(argument)
    assert str(error.value).startswith(sentence)


def test_the_digest_of_a_source_covers_names_and_contents():
    base = Source("x", "/x.py", (("x.py", b"1"),))
    assert base.digest == Source("x", "/elsewhere.py", (("x.py", b"1"),)).digest
    assert base.digest != Source("x", "/x.py", (("x.py", b"2"),)).digest
    assert base.digest != Source("x", "/x.py", (("y.py", b"1"),)).digest


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The system's folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_copies_lie_where_only_this_user_can_write(temporary):
    folder = private_folder()
    assert folder.parent == temporary
    assert folder.stat().st_mode & 0o777 == 0o700
    assert private_folder() == folder


@pytest.mark.parametrize("planted", ["open", "link", "file"])
def test_a_folder_that_others_prepared_is_passed_over(planted, temporary):
    place = temporary / f"fewcolors-{os.geteuid()}"
    if planted == "open":
        place.mkdir()
        place.chmod(0o777)
    elif planted == "link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(temporary / "elsewhere")
    else:
        place.touch()
    with pytest.warns(UserWarning, match="is not a folder that only this user can open"):
        folder = private_folder()
    assert folder != place
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_copy_with_a_file_too_many_is_not_put_on_the_path(tmp_path, monkeypatch):
    with monkeypatch.context() as context:
        context.syspath_prepend(str(package(tmp_path / "here")))
        source = read_source("toy_package.deep.method")
    scratch = tmp_path / "scratch"
    planted = scratch / f"fewcolors-plugin-{source.digest[:16]}"
    for name, content in source.files:
        write(planted / name, content.decode())
    write(planted / "json.py", "raise SystemExit('planted')")
    forget("toy_package")
    module = import_source(source, scratch)
    assert gamma_of(module) == 1.0
    assert not module.__file__.startswith(str(planted))
    assert str(planted) not in sys.path
