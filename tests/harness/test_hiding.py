"""A user's own modules that are called like ours: said where they would be taken, and only there."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.contracts import BadInput
from harness.discovery import discover
from harness.hiding import MODULES, check_here, check_workers

REPOSITORY = Path(__file__).parents[2]
START = "from fewcolors_command import main\nmain()\n"


class Editable:
    """Finds our modules as an editable install does: last, and not by the path."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> object:
        package, file = REPOSITORY / name / "__init__.py", REPOSITORY / f"{name}.py"
        if name not in MODULES:
            return None
        return importlib.util.spec_from_file_location(name, package if package.exists() else file)


@pytest.fixture(params=["on the path", "editable"])
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Our modules are found in one way or the other, and in no third."""
    others = [entry for entry in sys.path if entry and not (Path(entry) / "harness").is_dir()]
    monkeypatch.setattr(sys, "path", [*others, *([str(REPOSITORY)] if request.param == "on the path" else [])])
    finders = [importlib.machinery.BuiltinImporter, importlib.machinery.PathFinder]
    monkeypatch.setattr(sys, "meta_path", [*finders, *([Editable] if request.param == "editable" else [])])
    return str(request.param)


def file(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()

    return make


@pytest.mark.parametrize(
    "name", ["tasks.py", "reports.py", "fewcolors.py", "methods/__init__.py", "harness/__init__.py"]
)
@pytest.mark.usefixtures("installed")
def test_a_module_that_workers_would_take_is_named(name: str, tmp_path: Path) -> None:
    check_workers(tmp_path)
    file(name)(tmp_path)
    module = name.split("/")[0].removesuffix(".py")
    with pytest.raises(BadInput) as error:
        check_workers(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / name} would be imported instead of the module {module!r} of ")
    assert str(error.value).endswith("rename it or start from another folder.")


def test_a_folder_without_init_is_taken_only_where_ours_are_not_on_the_path(installed: str, tmp_path: Path) -> None:
    file("methods/notes.txt")(tmp_path)
    if installed == "on the path":
        check_workers(tmp_path)
    else:
        with pytest.raises(BadInput, match=r"/methods would be imported instead of the module 'methods' of fewcolors"):
            check_workers(tmp_path)


@pytest.mark.usefixtures("installed")
def test_our_own_checkout_hides_nothing() -> None:
    check_workers(REPOSITORY)
    check_here()


def test_a_module_that_is_there_already_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    shadow = types.ModuleType("reports")
    shadow.__spec__ = importlib.machinery.ModuleSpec("reports", None)
    monkeypatch.setitem(sys.modules, "reports", shadow)
    with pytest.raises(BadInput, match=r"another module called 'reports' .* hides the one of fewcolors"):
        discover()


@pytest.fixture
def command(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command as its script starts it: the folder it is started in is not on the path, unless it is put there."""
    script = tmp_path_factory.mktemp("bin") / "fewcolors"
    script.write_text(START)

    def run(*arguments: str, path: str = str(REPOSITORY)) -> Any:
        line = [sys.executable, str(script), *arguments]
        return subprocess.run(line, cwd=tmp_path, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False)

    return run


WORKERS = "{} would be imported instead of the module {!r} of fewcolors, because Ray's workers look first in "
HERE = "another module called {1!r} ({0}) hides the one of fewcolors; "


@pytest.mark.parametrize(
    ("name", "on_path", "arguments", "said"),
    [
        ("tasks.py", False, ["run", "quickstart"], WORKERS),
        ("tasks.py", False, ["plan", "quickstart"], WORKERS),
        ("fewcolors.py", False, ["tune", "tune"], WORKERS),
        ("tasks.py", True, ["run", "quickstart"], HERE),
        ("tasks.py", True, ["list"], HERE),
        ("fewcolors.py", True, ["list"], HERE),
        ("harness.py", True, ["--help"], HERE),
        ("harness/__init__.py", True, ["--help"], HERE),
    ],
)
def test_the_command_says_it_before_anything_is_done(
    name: str, on_path: bool, arguments: list[str], said: str, tmp_path: Path, command: Callable[..., Any]
) -> None:
    file(name)(tmp_path)
    ended = command(*arguments, path=f"{tmp_path}:{REPOSITORY}" if on_path else str(REPOSITORY))
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    module = name.split("/")[0].removesuffix(".py")
    place = tmp_path / (module if module == "harness" and name.endswith("__init__.py") else name)
    assert ended.stderr.startswith(f"fewcolors: {said.format(place, module)}")
    assert ended.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {name.split("/")[0]}, "nothing is left behind"


def test_nothing_is_said_where_nothing_is_hidden(tmp_path: Path, command: Callable[..., Any]) -> None:
    file("methods/notes.txt")(tmp_path)
    file("tasks.py")(tmp_path)
    assert command("list").returncode == 0, "a command without workers takes ours"
    (tmp_path / "tasks.py").unlink()
    ended = command("plan", "quickstart")
    assert (ended.returncode, ended.stderr) == (0, "")
