"""What is published: the wheel and its metadata, and how to cite it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser

import pytest
import yaml
from workplace import EXAMPLES, REPOSITORY

from harness import __version__

PACKAGES = ("harness", "methods", "tasks", "reports")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, really built, of what a fresh checkout holds; nothing is downloaded and nothing installed."""
    source, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for folder in (*PACKAGES, "examples"):
        shutil.copytree(
            REPOSITORY / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for file in REPOSITORY.iterdir():
        if file.is_file():
            shutil.copy(file, source)
    code = f"from setuptools.build_meta import build_wheel; build_wheel({str(out)!r})"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", code], cwd=source, env=environment, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def of_checkout(folder: str) -> set[str]:
    kept = (path for path in (REPOSITORY / folder).rglob("*") if path.is_file())
    hidden = ("__pycache__", ".egg-info")
    return {path.relative_to(REPOSITORY).as_posix() for path in kept if not any(part in str(path) for part in hidden)}


def test_the_wheel_holds_every_file_of_the_four_packages_and_nothing_beside_them(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if not name.startswith(("fewcolors-", "harness/examples/"))}
    modules = {path.name for path in REPOSITORY.glob("*.py") if path.name != "setup.py"}
    assert names == modules.union(*map(of_checkout, PACKAGES))
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_the_wheel_holds_every_example(wheel: zipfile.ZipFile) -> None:
    names = {name.removeprefix("harness/") for name in wheel.namelist() if name.startswith("harness/examples/")}
    assert names == of_checkout("examples")
    assert wheel.read("harness/examples/quickstart.yaml") == (EXAMPLES / "quickstart.yaml").read_bytes()


def test_the_wheel_says_under_which_license_and_what_it_needs(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert metadata["License-Expression"] == "MIT"
    text = next(name for name in wheel.namelist() if name.endswith("/LICENSE"))
    assert "the fewcolors authors" in wheel.read(text).decode()
    assert metadata["Version"] == __version__
    assert metadata["Keywords"]
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert not [line for line in needed if line.startswith("statsmodels")]


def test_how_to_cite_is_as_the_citation_file_format_wants_it() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert all(citation[key] for key in ("message", "title", "authors"))
    assert citation["type"] == "software"
    assert (citation["version"], citation["license"]) == (__version__, PROJECT["license"])
    (paper,) = citation["references"]
    assert (paper["type"], paper["title"]) == ("conference-paper", "Learning to Structure an Image with Few Colors")
    assert [author["family-names"] for author in paper["authors"]] == ["Hou", "Zheng", "Gould"]


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["version"] == __version__
    assert __version__ in (REPOSITORY / "CHANGELOG.md").read_text()
