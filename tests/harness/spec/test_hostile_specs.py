"""A spec that was made to do harm costs one sentence: no number too large, no text too deep, no alias that explodes."""

import contextlib
import itertools
import json
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contracts import BadInput
from harness.discovery import discover
from harness.spec import loading
from harness.spec.file import read_spec
from harness.spec.loading import DEEPEST, load_yaml
from harness.spec.resolve import resolve

GOOD = {
    "datasets": "[digits-on-photos]",
    "classifiers": "[alexnet]",
    "methods": "[median-cut]",
    "colors": "[2]",
}
SELF = "an alias stands for a list or a mapping that it lies in itself."
DEEP = "lists and mappings lie in one another more than 50 deep."
BOMB = "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(9 * ['*' + chr(97 + n)])}]\n" for n in range(12))


def alexnet(params):
    return f"[{{name: alexnet, params: {{{params}}}}}]"


def colorcnn(params):
    return f"[{{name: colorcnn, {params}}}]"


KEYS = [
    # what one key of the spec is, and the end of the sentence
    ("classifiers", alexnet("rate: .inf"), "classifiers[0].params.rate: inf is not a finite number."),
    ("classifiers", alexnet("rate: 1e999"), "classifiers[0].params.rate: inf is not a finite number."),
    ("classifiers", alexnet("rate: [0.1, -.inf]"), "classifiers[0].params.rate: -inf is not a finite number."),
    ("classifiers", alexnet("epochs: 100000000000000000000"),
     "classifiers[0].params.epochs: 100000000000000000000 is beyond 9,007,199,254,740,992, the largest number there is "
     "here."),
    ("classifiers", alexnet("epochs: 1e20"),
     "classifiers[0].params.epochs: it should be a valid integer, got 1e+20."),
    ("classifiers", alexnet("epochs: 0x" + 5000 * "f"),
     "classifiers[0].params.epochs: a number of more than 30 digits is beyond 9,007,199,254,740,992, the largest "
     "number there is here."),
    ("seeds", f"[{5000 * '9'}]", f"not valid YAML: '{30 * '9'}' cannot be read as int."),
    ("datasets", "[2020-99-99]", "not valid YAML: '2020-99-99' cannot be read as timestamp."),
    ("seeds", '[!!bool "x"]', "not valid YAML: 'x' cannot be read as bool."),
    ("datasets", '[!!timestamp "x"]', "not valid YAML: 'x' cannot be read as timestamp."),
    ("seeds", '[!!int ""]', "not valid YAML: '' cannot be read as int."),
    ("datasets", "!!set [a]", "not valid YAML: a mapping is expected here."),
    ("margin", ".nan", "margin: it should be a finite number, got nan."),
    ("retraining", "{rate: .inf}", "retraining.rate: it should be a finite number, got inf."),
    ("resources", "{cells: {cpus: .inf}}", "resources.cells.cpus: it should be a finite number, got inf."),
    ("resources", "{cells: {memory: 1000000000000000000000}}",
     "resources.cells.memory: it should be less than or equal to 9007199254740992, got 1000000000000000000000."),
    ("seeds", "0-99999999999999999999999", "seeds: it should be a list, got '0-99999999999999999999999'."),
    ("methods", colorcnn("search: {gamma: {choice: [1, .inf]}}"),
     "methods[0].search.gamma.choice: inf is not a valid 'gamma', which is float >= 0."),
    ("datasets", "&a [*a]", SELF),
    ("retraining", "&a {epochs: *a}", SELF),
    ("classifiers", alexnet("rate: &a [*a]"), SELF),
    ("<<", "&a {<<: *a}", SELF),
    ("datasets", 2000 * "[" + 2000 * "]", DEEP),
    ("datasets", 2000 * "{a: " + 2000 * "}", DEEP),
    ("datasets", "\n" + "".join(f"{n * ' '}-\n" for n in range(1, 2000)), DEEP),
    ("colors", f"'{' '.join(9000 * ['1'])}'", "a value has 17,999 characters, at most 10,000 can be."),
    ("methods", colorcnn("params: {width: 1000000}"),
     "methods[0].params: 'colorcnn' would need 11,900 TiB of memory at the least with these parameters; no machine has "
     "more than 32."),
    ("methods", colorcnn("search: {width: {choice: [64, 1000000]}}"), "no machine has more than 32."),
    ("classifiers", alexnet("width: 1e300"), "no machine has more than 32."),
    ("datasets", "[{name: digits-on-photos, params: {train_images: 100000000000}}]", "no machine has more than 32."),
    ("methods", colorcnn(f"params: {{width: {list(range(1, 900))}, epochs: {list(range(1, 900))}}}"),
     "methods[0].params: its lists make 808,201 variants, at most 100,000 can be."),
]  # fmt: skip


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.mark.parametrize(("key", "value", "expected"), KEYS, ids=[f"{key}: {value[:40]}" for key, value, _ in KEYS])
def test_one_sentence_and_no_more(key, value, expected, registry, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in (GOOD | {key: value}).items()))
    with pytest.raises(BadInput) as error:
        resolve(read_spec(path), registry)
    sentence = str(error.value)
    assert sentence.endswith(expected), sentence
    assert sentence.isprintable()
    assert len(sentence) < 300


TAGS = "null bool int float binary timestamp omap pairs set str seq map merge value".split()
NODES = ["x", '""', "[1]", "{a: 1}", "[a: 1]", "[[1]]", "{}", "[]", "'='", "{? [1] : 2}", "'0x'", "{<<: [1]}"]
PLACES = ["a: {}", "{}", "? {}\n: 1", "[{}]", "a: {{<<: {}}}", "- !!set {{? {} : ~}}"]


@pytest.mark.parametrize("place", PLACES)
def test_whatever_a_tag_stands_before_is_read_or_refused(place):
    for tag, node in itertools.product(TAGS, NODES):
        with contextlib.suppress(yaml.YAMLError):
            load_yaml(place.format(f"!!{tag} {node}"))


def test_aliases_written_out_are_few(tmp_path):
    (tmp_path / "bomb.yaml").write_text("a: &a [" + ", ".join(9 * "x") + "]\n" + BOMB)
    with pytest.raises(BadInput, match="with its aliases written out it has more than 1,000,000 values"):
        read_spec(tmp_path / "bomb.yaml")


def test_an_alias_is_as_good_as_what_it_stands_for():
    assert load_yaml("a: &a {x: [1, 2]}\nb: *a\nc: {<<: *a, y: 3}") == {
        "a": {"x": [1, 2]},
        "b": {"x": [1, 2]},
        "c": {"x": [1, 2], "y": 3},
    }


def test_a_spec_may_be_as_deep_as_is_said():
    nested = DEEPEST - 1
    assert load_yaml(nested * "[" + nested * "]")
    with pytest.raises(yaml.YAMLError):
        load_yaml((nested + 2) * "[" + (nested + 2) * "]")


def test_python_objects_are_bounded_too(registry):
    endless: list[object] = []
    endless.append(endless)
    content = {key: yaml.safe_load(value) for key, value in GOOD.items()}
    content["classifiers"] = [{"name": "alexnet", "params": {"rate": endless}}]
    with pytest.raises(BadInput, match="lie too deep in one another, or in themselves"):
        resolve(content, registry)


def test_a_file_without_end_is_not_read(tmp_path):
    path = tmp_path / "long.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(BadInput, match="it has more than 2 MiB"):
        read_spec(path)


def refused(tmp_path, registry, text):
    """What is said of a spec's text, and the seconds of this process's time that it took."""
    (tmp_path / "long.yaml").write_text(text)
    began = time.process_time()
    with pytest.raises(BadInput) as error:
        resolve(read_spec(tmp_path / "long.yaml"), registry, called="long.yaml")
    return str(error.value), time.process_time() - began


def spec_with(key, value):
    return "".join(f"{key}: {value}\n" for key, value in (GOOD | {key: value}).items())


MANY = [
    (spec_with("methods", f"[{', '.join(f'nosuch{n}' for n in range(90_000))}]"), "at least 1,000 errors"),
    (spec_with("colors", f"[{', '.join(140_000 * ['x'])}]"), "at least 1,000 errors"),
    (spec_with("methods", "\n" + 24_000 * "- {nam: x, b: 1}\n"), "at least 1,000 errors"),
    ("".join(f"k{n}: 1\n" for n in range(70_000)), "at least 1,000 errors"),
    ("".join(f"k{n}: 1\n" for n in range(80_000)), ", line 75000: it has more than 150,000 values."),
    (spec_with("colors", f"[{', '.join(400_000 * ['2'])}]"), ", line 4: it has more than 150,000 values."),
    (spec_with("colors", f"[[{', '.join(20_000 * ['2'])}], {60 * '['}{60 * ']'}]"), DEEP),
]


@pytest.mark.parametrize(("text", "expected"), MANY, ids=range(len(MANY)))
def test_a_long_spec_costs_few_lines_and_seconds(text, expected, registry, tmp_path):
    said, seconds = refused(tmp_path, registry, text)
    assert expected in said
    assert len(said.splitlines()) <= 22
    assert seconds < 10, "minutes without these limits"


@pytest.mark.parametrize("libyaml", [True, False])
def test_sixteen_thousand_methods_are_read_whatever_parses_them(libyaml, tmp_path, monkeypatch):
    if not libyaml:
        monkeypatch.setattr(loading, "HAS_LIBYAML", False)
    count = 16_000 if libyaml else 2_000
    entries = [{"name": "kmeans", "params": {"seed": n, "n_init": 1e-3}} for n in range(count)]
    path = tmp_path / "long.yaml"
    path.write_text("methods:\n" + "".join(f"- {json.dumps(entry)}\n" for entry in entries))
    assert read_spec(path)["methods"] == entries
    path.write_text("a: [" + ", ".join(10_000 * ["1e-3, 010, 0x10, 2:16, no, ~"]) + "]")
    assert read_spec(path)["a"] == 10_000 * [0.001, "010", 16, "2:16", False, None]
    path.write_text("a: 1\na: 2\n" + 40_000 * " \n")
    with pytest.raises(BadInput, match="not valid YAML: duplicate key 'a'"):
        read_spec(path)


def test_values_are_counted_without_libyaml_too(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "HAS_LIBYAML", False)
    monkeypatch.setattr(loading, "MOST_WRITTEN", 100)
    (tmp_path / "long.yaml").write_text(f"a: [{', '.join(100 * ['1'])}]")
    with pytest.raises(BadInput, match=r"long\.yaml, line 1: it has more than 100 values"):
        read_spec(tmp_path / "long.yaml")


SCALARS = st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3))


def complaint(content, registry):
    """What is said of a spec, empty where it is taken."""
    try:
        resolve(content, registry)
    except BadInput as error:
        return str(error)
    return ""


@given(st.sampled_from(["datasets", "classifiers", "methods", "metrics", "seeds", "resources", "search"]), VALUES)
@settings(deadline=None, max_examples=60)
def test_whatever_stands_in_a_spec_is_taken_or_refused(registry, key, value):
    content = {name: yaml.safe_load(text) for name, text in GOOD.items()} | {key: value}
    said = complaint(content, registry)
    assert said == "" or said.endswith(".")


@given(VALUES)
@settings(deadline=None, max_examples=40)
def test_whatever_is_a_parameter_is_taken_or_refused_in_its_place(registry, value):
    content = {name: yaml.safe_load(text) for name, text in GOOD.items()}
    content["classifiers"] = [{"name": "alexnet", "params": {"rate": value}}]
    said = complaint(content, registry)
    assert said == "" or "classifiers[0].params" in said
