"""The specs and plugins that come with fewcolors, by name: in a checkout its folder ``examples``, installed with it."""

from __future__ import annotations

import ast
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.complaints import did_you_mean
from harness.contracts import BadInput

_HARNESS = Path(__file__).parent.parent
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
_SPECS = ("*.yaml", "paper/*.yaml", "rivals/*.yaml")


@dataclass(frozen=True)
class Example:
    """One example.

    Attributes:
        name: What the command line calls it: ``quickstart``, ``paper/fig9``, ``my_task.py``, ``plugin``.
        path: The file, or the folder of an installable plugin.
    """

    name: str
    path: Path

    @property
    def is_spec(self) -> bool:
        return self.path.suffix == ".yaml"

    @property
    def summary(self) -> str:
        """The first sentence of its own description."""
        about = self.path / "README.md" if self.path.is_dir() else self.path
        return _first_sentence(_description(about))

    @property
    def file_name(self) -> str:
        """What a copy of it is called."""
        return self.path.name


def examples_folder() -> Path:
    """Where the examples are: inside the installed package, or at the top of a checkout."""
    installed = _HARNESS / "examples"
    return installed if installed.is_dir() else _HARNESS.parent / "examples"


def all_examples() -> list[Example]:
    """Every example: specs, those of the paper and its rivals, plugins in a file, and one that can be installed."""
    folder = examples_folder()
    specs = [path for pattern in _SPECS for path in sorted(folder.glob(pattern))]
    plugins = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    whole = [path for path in [folder / "plugin"] if path.is_dir()]
    named = [Example(path.relative_to(folder).with_suffix("").as_posix(), path) for path in specs]
    return [*named, *(Example(path.name, path) for path in (*plugins, *whole))]


def find_example(name: str) -> Example:
    """The example of this name; a spec's ending ``.yaml`` may be left out. Raises BadInput."""
    known = {example.name: example for example in all_examples()}
    found = known.get(name) or known.get(name.removesuffix(".yaml"))
    if found is None:
        raise BadInput(f"{name}: there is no such example{did_you_mean(name, known)}; fewcolors examples lists them.")
    return found


def spec_path(path: Path) -> Path:
    """The spec's file: ``path`` where that is one, else the example of that name. Raises BadInput where it is none."""
    if os.path.lexists(path) and not path.is_dir():
        return path
    specs = {example.name: example.path for example in all_examples() if example.is_spec}
    name = path.as_posix()
    found = specs.get(name) or specs.get(name.removesuffix(".yaml"))
    if found is None and path.is_dir():
        return path  # what is wrong with it is said when it is read
    if found is None:
        guess = did_you_mean(name.removesuffix(".yaml").removeprefix("examples/"), specs)
        raise BadInput(f"{path}: there is no spec file or example of that name{guess}; fewcolors examples lists them.")
    return found


def plugin_argument(argument: str) -> str:
    """What ``--plugin`` names: as given, or the example's file where no file of that name exists."""
    if not argument.endswith(".py") or Path(argument).exists():
        return argument
    files = {example.name: example.path for example in all_examples() if not example.is_spec}
    return str(files.get(argument, argument))


def copy_example(example: Example, folder: Path) -> Path:
    """Copies an example into ``folder`` and gives the copy's path. Raises BadInput where that exists already."""
    target = folder / example.file_name
    if target.exists():
        raise BadInput(f"{target}: it exists already and is left as it is; name another folder with --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if example.path.is_dir():
            shutil.copytree(example.path, target, ignore=_NOT_COPIED)
        else:
            shutil.copyfile(example.path, target)
    except OSError as error:
        raise BadInput(f"{target}: it cannot be written: {error.strerror}.") from None
    return target


def _description(path: Path) -> str:
    """The comment at a spec's head, a module's docstring, or a README's title."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return ast.get_docstring(ast.parse(text)) or ""
    if path.suffix == ".md":
        return text.partition("\n")[0].strip("# ") + "."
    comment = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    return "\n".join(comment)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence = re.match(r".*?(?<!Fig)[.?!](?=\s|$)", paragraph)
    return sentence.group() if sentence else paragraph
