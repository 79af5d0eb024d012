"""The JSON Schema of a spec, as editors use it: it takes what is taken and shows what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from harness.cli import app
from harness.spec.file import read_spec
from harness.spec.schema import SpecFile, json_schema

REPOSITORY = Path(__file__).parents[3]
SPECS = [path for path in sorted((REPOSITORY / "examples").rglob("*.yaml")) if path.parent.name != "cluster"]
SCHEMA = json.loads(json_schema())
GOOD = "datasets: [digits-on-photos]\nclassifiers: [alexnet]\nmethods: [median-cut]\n"


def complaints(content: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.json_path for error in validator.iter_errors(content)]


def test_it_is_a_schema_and_the_one_beside_the_documentation() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads((REPOSITORY / "docs" / "spec.schema.json").read_text()) == SCHEMA, "fewcolors schema writes it"


def test_the_command_prints_and_writes_it(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["schema"]).output == json_schema()
    assert CliRunner().invoke(app, ["schema", "--out", "new/spec.schema.json"]).exit_code == 0
    assert (tmp_path / "new" / "spec.schema.json").read_text() == json_schema()


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_examples_pass(path: Path) -> None:
    assert complaints(yaml.safe_load(path.read_text())) == []
    assert complaints(read_spec(path)) == [], "with the name that reading adds"


def test_every_key_is_explained() -> None:
    for name, definition in {"a spec": SCHEMA, **SCHEMA["$defs"]}.items():
        for key, about in definition["properties"].items():
            assert about.get("description"), f"{key} of {name}"


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("colors: 4", None),
        ("methods: [{name: jpeg, quality: 10}, {name: otsu, colors: [2]}, original]", None),
        ("resources: {cells: {gpus: required}}", None),
        ("seeds: [0, 1]", None),
        ("seeds: 5", "$.seeds"),
        ("colors: 2-64", "$.colors"),
        ("colors: [1]", "$.colors"),
        ("methods: [colorcnn: {width: 16}]", "$.methods[0]"),
        ("methods: [{name: otsu, param: {}}]", "$.methods[0]"),
        ("methods: otsu", "$.methods"),
        ("resources: {cell: {cpus: 1}}", "$.resources"),
        ("resources: {quantizers/colorcnn: {cpus: 1}, cells/alexnet: {gpus: 0}}", None),
        ("resources: {quantizer/colorcnn: {cpus: 1}}", "$.resources"),
        ("resources: {quantizers/colorcnn: {cpu: 1}}", "$.resources['quantizers/colorcnn']"),
        ("methods: [{name: colorcnn, search: {gamma: {uniforn: [0, 1]}}}]", "$.methods[0]"),
        ("colours: [2]", "$"),
    ],
)
def test_it_takes_short_forms_and_nothing_that_is_refused(more: str, place: str | None) -> None:
    content = yaml.safe_load(GOOD) | yaml.safe_load(more)
    assert complaints(content) == ([] if place is None else [place])
    if place is None:
        SpecFile.model_validate(content)
