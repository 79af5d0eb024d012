"""What people write and mean otherwise: each costs one sentence that says what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contracts import BadInput
from harness.discovery import discover
from harness.registry import Registry
from harness.spec.file import read_spec
from harness.spec.resolve import resolve

GOOD = {"datasets": "[digits-on-photos]", "classifiers": "[alexnet]", "methods": "[median-cut]", "colors": "[2]"}
COLORCNN = "{{name: colorcnn, {}}}"

TRAPS = [
    # key, what is written there, the sentence
    ("seeds", "5", "seeds: 5 could mean one training with seed 5 or 5 trainings; write [5] or [0, 1, 2, 3, 4]."),
    ("seeds", "1", "seeds: 1 could mean one training with seed 1 or one training; write [1] or [0]."),
    ("seeds", "0", "seeds: 0 could mean one training with seed 0 or no training; write [0]."),
    ("seeds", "20", "seeds: 20 could mean one training with seed 20 or 20 trainings; write [20] or [0, 1, ..., 19] "
     "with every number written out."),
    ("seeds", "0-4", "seeds: '0-4' is one text; write a list: [0, 1, 2, 3, 4]."),
    ("seeds", "0, 1, 2", "seeds: '0, 1, 2' is one text; write a list: [0, 1, 2]."),
    ("seeds", "range(3, 5)", "seeds: 'range(3, 5)' is one text; write a list: [3, 4, 5]."),
    ("seeds", "[0..2]", "seeds: '0..2' is one text; write a list: [0, 1, 2]."),
    ("seeds", "five", "seeds: it should be a list, got 'five'."),
    ("colors", "2-64", "colors: '2-64' is one text; write a list: [2, 4, 8, 16, 32, 64]."),
    ("colors", "2:16", "colors: '2:16' is one text; write a list: [2, 4, 8, 16]."),
    ("colors", "3-5", "colors: '3-5' is one text; write a list: [3, 4, 5]."),
    ("colors", "2 4 8", "colors: '2 4 8' is one text; write a list: [2, 4, 8]."),
    ("colors", "010", "colors[0]: it should be a valid integer, got '010'; write 010 without quotes."),
    ("colors", "", "colors: it should be a list, got None (the value is empty)."),
    ("methods", "[colorcnn: {width: 16, colors: [2]}]",
     "methods[0]: the name belongs under the key name; write {name: colorcnn, params: {width: 16}, colors: [2]}."),
    ("methods", "[{colorcnn: , params: {width: 16}}]",
     "methods[0]: the name belongs under the key name; write {name: colorcnn, params: {width: 16}}."),
    ("methods", "{colorcnn: {width: 16}, otsu: }",
     "methods: it should be a list; write [{name: colorcnn, params: {width: 16}}, otsu]."),
    ("methods", "[colorcnn gamma=0 xi=1e-3]",
     "methods[0]: parameters belong in a mapping; write {name: colorcnn, params: {gamma: 0, xi: 0.001}}, not "
     "'colorcnn gamma=0 xi=1e-3'."),
    ("methods", "[colorcnn(gamma=0)]", "methods[0]: parameters belong in a mapping; write {name: colorcnn, params: "
     "{gamma: 0}}, not 'colorcnn(gamma=0)'."),
    ("methods", "[" + COLORCNN.format("params: gamma=1") + "]",
     "methods[0].params: it should be a mapping; write {gamma: 1}."),
    ("methods", "[" + COLORCNN.format("params: [gamma=1, xi=2]") + "]",
     "methods[0].params: it should be a mapping; write {gamma: 1, xi: 2}."),
    ("methods", "[" + COLORCNN.format("params: [gamma: 1, xi: 2]") + "]",
     "methods[0].params: it should be a mapping, not a list; write {gamma: 1, xi: 2}."),
    ("methods", "[" + COLORCNN.format("width: 16") + "]", "methods[0]: unknown key 'width' (known: name, params, "
     "colors, quality, search, taught_by); a parameter goes under params: {width: 16}."),
    ("methods", "[" + COLORCNN.format("params: {width:16}") + "]", "methods[0].params: method 'colorcnn' has no "
     "parameter 'width:16', did you mean 'width'? (has: ...; a colon needs a space after it."),
    ("methods", "[" + COLORCNN.format("params: {epochs: 1e2}") + "]",
     "methods[0].params.epochs: it should be a valid integer, got 100.0; write 100."),
    ("methods", "[" + COLORCNN.format("params: {epochs: 1_000}") + "]",
     "methods[0].params.epochs: it should be a valid integer, got '1_000'; write 1000 without quotes."),
    ("methods", "[" + COLORCNN.format("params: {palette_norm: None}") + "]",
     "methods[0].params.palette_norm: 'None' is a text like any other in YAML; write null."),
    ("methods", "[" + COLORCNN.format("params: {width: None}") + "]",
     "methods[0].params.width: it should be a valid integer, got 'None'; YAML's word for nothing is null."),
    ("methods", "[{name: median-cut, params: {dither: off}}]", "methods[0].params.dither: it should be 'none', "
     "'floyd-steinberg', 'floyd-steinberg-clipped' or 'floyd-steinberg-plain', got False; YAML reads yes, no, on and "
     "off as true and false, put "
     "such a word in quotes."),
    ("methods", "[{name: png, params: {optimize: 'yes'}}]",
     "methods[0].params.optimize: it should be a valid boolean, got 'yes'; write true or false."),
    ("quality", "[10]", "spec: unknown key 'quality' (known: ...; it belongs to a codec's own entry: {name: jpeg, "
     "quality: [10, 50]}."),
    ("params", "{gamma: 1}", "spec: unknown key 'params' (known: ...; parameters belong to a plugin's own entry: "
     "{name: colorcnn, params: {gamma: 0.5}}."),
    ("color", "[2]", "spec: unknown key 'color', did you mean 'colors'? (known: ...)."),
    ("seed", "[2]", "spec: unknown key 'seed', did you mean 'seeds'? (known: ...)."),
    ("method", "[otsu]", "spec: unknown key 'method', did you mean 'methods'? (known: ...)."),
    ("dataset", "[svhn]", "spec: unknown key 'dataset', did you mean 'datasets'? (known: ...)."),
]  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


@pytest.mark.parametrize(("key", "written", "expected"), TRAPS, ids=[f"{key}: {text}" for key, text, _ in TRAPS])
def test_a_trap_is_named_with_the_way_out(
    key: str, written: str, expected: str, registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("".join(f"{name}: {text}\n" for name, text in (GOOD | {key: written}).items()))
    with pytest.raises(BadInput) as error:
        resolve(read_spec(path), registry)
    sentence, (head, _, tail) = str(error.value), expected.partition("...")
    if "(has: ..." in expected or "(known: ..." in expected:
        assert sentence.startswith(head)
        assert sentence.endswith(tail)
    else:
        assert sentence == expected


@pytest.mark.parametrize(
    ("key", "written"),
    [("colors", "256"), ("seeds", "[5]"), ("methods", "[{name: png, params: {optimize: yes}}]"),
     ("methods", "[{name: colorcnn, params: {palette_norm: null, epochs: 0x10}}]")],
)  # fmt: skip
def test_what_can_only_mean_one_thing_is_taken(key: str, written: str, registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("".join(f"{name}: {text}\n" for name, text in (GOOD | {key: written}).items()))
    resolve(read_spec(path), registry)
