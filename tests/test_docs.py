"""The documentation says what the code has."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import fewcolors as fc
from harness.contracts import Lesson

REPOSITORY = Path(__file__).parents[1]
LEARNED = (REPOSITORY / "docs" / "learned-methods.md").read_text()
API = "\n".join(page.read_text() for page in (REPOSITORY / "docs" / "api").glob("*.md"))
SHOWN = set(re.findall(r"^::: (\S+)$", API, re.MULTILINE)) - {"fewcolors"}  # of that only the docstring is shown


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Lesson)])
def test_every_field_of_a_lesson_is_described(field):
    assert f"\n| `{field}` |" in LEARNED
    assert f"\n    {field}: " in inspect.getdoc(Lesson)


def test_the_training_loop_is_described_with_its_signature():
    from harness.learning import train

    block = LEARNED.split("fc.learning.train(\n")[1].split("\n)\n")[0]
    described = [line.strip().partition(",")[0].partition("=")[0] for line in block.splitlines()]
    assert described == list(inspect.signature(train).parameters)


def test_the_page_of_the_house_names_every_module():
    house = (REPOSITORY / "docs" / "architecture.md").read_text()
    engine = REPOSITORY / "harness"
    modules = [path for path in engine.rglob("*.py") if path.stem not in ("__init__", "__main__")]
    names = {path.stem for path in modules if path.parent.name != "cli"}
    assert {name for name in names if f"`{name}`" not in house} == set()


@pytest.mark.parametrize("name", fc.__all__)
def test_everything_public_is_on_a_page_of_the_interface(name):
    public = getattr(fc, name)
    if inspect.isclass(public) or inspect.isfunction(public):
        assert {public.__module__, f"{public.__module__}.{public.__name__}"} & SHOWN
