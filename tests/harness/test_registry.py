# ruff: noqa: ARG001, ARG002, ARG005 - toy plugins have no use for what they are handed

import sys
import types
from abc import ABC, abstractmethod
from typing import Annotated

import pytest
from pydantic import Field

from harness.complaints import did_you_mean, shown
from harness.contracts import BadInput, Needs
from harness.registry import Registry, claim, classifier, codec, dataset, metric, quantizer, report


@pytest.mark.parametrize(
    ("decorator", "kind", "methods", "level_kind", "levels", "defaults"),
    [
        (quantizer("x", summary="s"), "method", ["palettize"], "colors", (2, 256), None),
        (codec("x", summary="s"), "method", ["encode", "decode"], "quality", (1, 100), (10, 30, 50, 70, 90)),
        (codec("x", summary="s", quality=(0, 3), default_qualities=(1,)), "method", ["encode", "decode"], "quality",
         (0, 3), (1,)),
        (codec("x", summary="s", quality=None), "method", ["encode", "decode"], "none", None, None),
        (dataset("x", summary="s"), "dataset", ["load"], "none", None, None),
        (classifier("x", summary="s"), "classifier", ["build", "fit"], "none", None, None),
        (metric("x", summary="s"), "metric", ["measure"], "none", None, None),
        (claim("x", statement="s"), "claim", ["judge"], "none", None, None),
        (report("x", summary="s"), "report", ["write"], "none", None, None),
    ],
)  # fmt: skip
def test_each_decorator_marks_its_kind_and_asks_for_its_methods(decorator, kind, methods, level_kind, levels, defaults):
    cls = decorator(type("Some", (), {name: lambda self: None for name in methods}))
    registry = Registry()
    registry.add(cls, "here")
    plugin = registry.get(kind, "x", "test")
    mark = plugin.mark
    assert (mark.kind, mark.name, mark.summary) == (kind, "x", "s")
    assert (mark.level_kind, mark.levels, mark.default_levels) == (level_kind, levels, defaults)
    assert (plugin.origin, plugin.needs, plugin.paper, plugin.learns) == ("here", Needs(), {}, False)
    for missing in methods:
        incomplete = type("Some", (), {name: lambda self: None for name in methods if name != missing})
        with pytest.raises(TypeError, match=rf"{kind} 'x' lacks .*{missing}\(\)"):
            decorator(incomplete)


@pytest.mark.parametrize("name", ["psnr", "accuracy", "image", "lossless_share"])
def test_a_metric_is_not_called_like_a_column_that_tables_have(name):
    with pytest.raises(TypeError, match=f"metric '{name}': tables have a column of this name already"):
        metric(name)


def test_parameters_have_names_types_and_defaults(registry):
    flat = {p.name: p for p in registry.get("method", "flat", "test").parameters}
    assert flat["gamma"].default == "1.0"
    assert flat["bins"].default == "[1, 2]"
    assert flat["dither"].type == "'none' | 'some'"
    on_disk = {p.name: p.default for p in registry.get("dataset", "on-disk", "test").parameters}
    assert on_disk == {"path": "required", "n": "4"}


def test_what_a_method_states_beside_its_parameters(registry):
    learned, joint = (registry.get("method", name, "test") for name in ("learned", "joint"))
    assert learned.learns
    assert not learned.joint_colors
    assert joint.joint_colors
    assert joint.needs == Needs(cpus=2, gpus="required", memory=1000)
    assert joint.paper == {"gamma": 0.5, "steps": 3}


@pytest.mark.parametrize(
    ("stated", "one"), [({}, True), ({"joint_colors": True}, True), ({"joint_colors": False}, False)]
)
def test_a_parameter_may_choose_whether_one_training_serves_all_color_counts(stated, one):
    def fit(self, lesson): ...

    own = {"__annotations__": {"joint_colors": bool}, "joint_colors": True, "fit": fit, "state": fit, "load": fit}
    registry = Registry()
    registry.add(quantizer("a")(plain(**own)), "test")
    (plugin,) = registry
    assert plugin.joint_colors
    assert plugin.joins_colors(plugin.make(stated, "here")) is one


def test_valid_parameters_make_an_instance_and_are_written_out(registry):
    flat = registry.get("method", "flat", "test")
    instance = flat.make({"gamma": 2, "side": "all", "bins": [3]}, "here")
    assert isinstance(instance.gamma, float)
    assert flat.defaults_written_out(instance) == {
        "gamma": 2.0,
        "steps": 3,
        "dither": "none",
        "bins": [3],
        "side": "all",
        "slow": False,
    }
    assert flat.make({}, "here").bins == [1, 2]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"gama": 1}, "here: method 'flat' has no parameter 'gama', did you mean 'gamma'? (has: gamma, steps, "),
        ({"zzz": 1}, "here: method 'flat' has no parameter 'zzz' (has: gamma, "),
        ({"gamma": "1"}, "here.gamma: it should be a valid number, got '1'; write 1 without quotes."),
        ({"gamma": True}, "here.gamma: it should be a valid number, got True."),
        ({"gamma": None}, "here.gamma: it should be a valid number, got None (the value is empty)."),
        ({"gamma": -1}, "here.gamma: it should be greater than or equal to 0, got -1."),
        ({"gamma": float("nan")}, "here.gamma: nan is not a finite number."),
        ({"steps": 1.0}, "here.steps: it should be a valid integer, got 1.0; write 1."),
        ({"steps": True}, "here.steps: it should be a valid integer, got True."),
        ({"slow": 1}, "here.slow: it should be a valid boolean, got 1; write true or false."),
        ({"slow": "yes"}, "here.slow: it should be a valid boolean, got 'yes'; write true or false."),
        ({"dither": "floyd"}, "here.dither: it should be 'none' or 'some', got 'floyd'."),
        ({"side": "some"}, "here.side: it should be a valid integer or 'all', got 'some'."),
        ({"bins": 3}, "here.bins: it should be a list, got 3."),
        ({"bins": [1, "2"]}, "here.bins[1]: it should be a valid integer, got '2'; write 2 without quotes."),
        ({"bins": {"a": 1}}, "here.bins: it should be a list, got {'a': 1}."),
        ({"gamma": {1, 2}}, "here.gamma: {1, 2} is not a plain YAML value."),
    ],
)
def test_invalid_parameters_are_one_sentence(registry, params, sentence):
    with pytest.raises(BadInput) as error:
        registry.get("method", "flat", "test").make(params, "here")
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_everything_that_is_wrong_with_parameters_is_said_at_once_and_nothing_that_follows_from_it(registry):
    with pytest.raises(BadInput) as error:
        registry.get("dataset", "on-disk", "test").make({"n": 0, "pth": "x", "m": 1}, "here")
    assert str(error.value).splitlines() == [
        "here has 3 errors:",
        "  here: dataset 'on-disk' has no parameter 'pth', did you mean 'path'? (has: n, path).",
        "  here: dataset 'on-disk' has no parameter 'm' (has: n, path).",
        "  here.n: it should be greater than or equal to 1, got 0.",
    ], "that path is missing follows from its being misspelt"


def test_null_in_pythons_words_is_no_text(registry):
    @dataset("one")
    class One:
        root: str | None = "x"
        side: float | None = 1.0

        def load(self): ...

    registry.add(One, "here")
    for name in ("root", "side"):
        with pytest.raises(BadInput, match=rf"^here\.{name}: .*'None'.*; write null\.$"):
            registry.get("dataset", "one", "test").make({name: "None"}, "here")
    assert registry.get("dataset", "one", "test").make({"root": "none"}, "here").root == "none"


def test_a_missing_parameter_is_named(registry):
    with pytest.raises(BadInput, match=r"^here\.path: it is missing and has no default\.$"):
        registry.get("dataset", "on-disk", "test").make({"n": 3}, "here")


def posts(error):
    def post_init(self):
        raise error

    return {"load": lambda self: None, "__post_init__": post_init}


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (type("A", (), {"load": lambda self: None, "__annotations__": {"x": types.CodeType}, "x": None}),
         "here: the annotations of 'bad' can't be validated: Unable to generate .*'code'>.$"),
        (type("A", (), {"load": lambda self: None, "__annotations__": {"x": "Flot"}, "x": 1}),
         "here: the annotations of 'bad' can't be validated: .* not fully defined"),
        (type("A", (), posts(ValueError("x and y do not go together"))), "^here: x and y do not go together.$"),
        (type("A", (), posts(KeyError("oops"))), "^here: 'bad' can't be made with these parameters: KeyError: 'oops'"),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_made_is_a_sentence(cls, sentence):
    registry = Registry()
    registry.add(dataset("bad")(cls), "here")
    with pytest.raises(BadInput, match=sentence) as error:
        registry.get("dataset", "bad", "test").make({}, "here")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("parameter", "value", "accepted"),
    [("bins", [1, 2], True), ("bins", [[1], [2]], False), ("gamma", [1.0], False), ("steps", 2, True)],
)
def test_a_list_is_told_from_a_list_of_variants(registry, parameter, value, accepted):
    assert registry.get("method", "flat", "test").accepts(parameter, value) is accepted


def test_a_list_parameter_is_told_beside_a_required_one():
    @dataset("two")
    class Two:
        root: str
        sides: list[Annotated[int, Field(ge=1)]]

        def load(self):
            return None

    registry = Registry()
    registry.add(Two, "here")
    plugin = registry.get("dataset", "two", "test")
    assert plugin.accepts("sides", [1, 2])
    assert not plugin.accepts("sides", [0])


def test_unknown_names_say_what_was_meant_and_what_there_is(registry):
    with pytest.raises(BadInput, match=r"^m\[0\]: there is no method 'fat', did you mean 'flat'\? \(known: flat, "):
        registry.get("method", "fat", "m[0]")
    with pytest.raises(BadInput, match=r"no classifier 'flat' \(known: net\)"):
        registry.get("classifier", "flat", "classifiers[0]")


def test_duplicate_names_name_both_origins_and_the_same_class_twice_is_none(registry):
    registry.add(registry.get("method", "flat", "test").cls, "again")
    other = quantizer("flat")(type("Other", (), {"palettize": lambda self: None}))
    with pytest.raises(BadInput, match="two method plugins are called 'flat': one from toys, one from elsewhere; "):
        registry.add(other, "elsewhere")
    registry.add(dataset("flat")(type("Other", (), {"load": lambda self: None})), "another kind may have the name")
    assert registry.names("dataset") == ["dots", "flat", "on-disk"]


def test_a_module_gives_its_own_plugins_and_those_of_the_modules_it_lists(registry, monkeypatch):
    flat = registry.get("method", "flat", "test").cls
    inner, outer = types.ModuleType("toy_inner"), types.ModuleType("toy_outer")
    inner.Own = quantizer("own")(type("Own", (), {"palettize": lambda self: None, "__module__": "toy_inner"}))
    inner.Plain = type("Plain", (inner.Own,), {"__module__": "toy_inner"})
    inner.Imported = flat
    outer.PLUGIN_MODULES = ("toy_inner",)
    monkeypatch.setitem(sys.modules, "toy_inner", inner)
    fresh = Registry()
    assert fresh.add_module(outer, "a package") == 1
    assert [(p.name, p.origin) for p in fresh] == [("own", "a package")]


@pytest.mark.parametrize(
    ("name", "hint"), [("gama", ", did you mean 'gamma'?"), ("xyz", ""), (3, ""), ("Gamma", ", did you mean 'gamma'?")]
)
def test_did_you_mean(name, hint):
    assert did_you_mean(name, ["gamma", "steps"]) == hint


def test_long_values_are_shown_short():
    for value in ("x" * 5000, list(range(5000)), {i: i for i in range(5000)}, "a\nb"):
        assert len(shown(value)) < 80
        assert "\n" not in shown(value)


def test_a_parameter_called_like_class_data_is_a_parameter():
    @quantizer("versioned")
    class Versioned:
        version: int = 3
        needs: float = 1.5
        paper: str = "x"

        def palettize(self, images, colors):
            return None

    registry = Registry()
    registry.add(Versioned, "here")
    plugin = registry.get("method", "versioned", "test")
    assert plugin.version is None
    assert plugin.needs == Needs()
    assert plugin.paper == {}
    assert plugin.make({"version": 4}, "test").version == 4


@pytest.mark.parametrize(("cpus", "gpus"), [(1.5, None), (0.001, None), (1, 2.5), (1, -1)])
def test_needs_that_cannot_be_given_out_are_refused(cpus, gpus):
    with pytest.raises(ValueError, match=r"whole number|or more"):
        Needs(cpus=cpus, gpus=gpus)


def test_a_base_class_that_only_promises_a_method_does_not_pass_for_it():
    class Recipe(ABC):
        @abstractmethod
        def build(self, classes):
            """Left to others."""

        def fit(self, lesson):
            return None

    with pytest.raises(TypeError, match=r"classifier 'promised' lacks build\(\)"):
        classifier("promised")(type("Promised", (Recipe,), {}))


def test_what_a_plugin_lacks_it_is_given():
    @codec("bare")
    class Bare:
        def encode(self, images, quality): ...
        def decode(self, files): ...

    bare = Bare()
    assert (bare.check(), bare.fingerprint(), bare.departures("d", ("c",))) == (None, None, ())
    assert (bare.cycle(), bare.tiles(9, 9), bare.explain(None, 3), bare.onnx_module(3)) == (1, 1, {}, None)

    @dataset("own")
    class Own:
        def load(self): ...
        def fingerprint(self):
            return "mine"

    assert Own().fingerprint() == "mine"
    assert not hasattr(Own(), "tiles")


@pytest.mark.parametrize("wrong", [{"__annotations__": {"tiles": int}, "tiles": 3}, {"check": "a string"}])
def test_the_name_of_an_optional_method_is_taken(wrong):
    with pytest.raises(TypeError, match=r"method 'bad': (tiles|check) is the name of an optional method"):
        quantizer("bad")(type("Bad", (), {"palettize": lambda *_: None, **wrong}))


def plain(**more):
    return type("Mine", (), {"palettize": lambda *_: None, **more})


@pytest.mark.parametrize(
    ("decorate", "cls", "sentence"),
    [
        (quantizer, plain(), "a method's decorator needs a name of letters, .*, got <class"),
        (lambda c: quantizer("Bad Name!")(c), plain(), "needs a name of letters, .*, got 'Bad Name!'"),
        (lambda c: quantizer("fun")(c), lambda images, colors: images, "method 'fun' is a function, a class is needed"),
        (
            lambda c: quantizer("own")(c),
            plain(__init__=lambda self: None),
            "'own' has an __init__; .*__post_init__",
        ),
        (
            lambda c: quantizer("a")(c),
            plain(needs={"cpus": 2}),
            "needs is {'cpus': 2}, it must be fc.Needs",
        ),
        (lambda c: quantizer("a")(c), plain(scales=3), "scales is 3, it must be a mapping"),
        (lambda c: quantizer("a")(c), plain(joint_colors="yes"), "joint_colors is 'yes', it must be True or False"),
        (lambda c: quantizer("a")(c), plain(fingerprinted="root"), "fingerprinted is 'root', it must be a tuple"),
        (lambda c: quantizer("a")(c), plain(fingerprinted=("root",)), "names 'root', it has no such parameter"),
        (lambda c: quantizer("a")(c), plain(paper={"epochz": 3}), "paper names 'epochz', it has no such parameter"),
        (lambda c: quantizer("a")(c), plain(scales={"small": {"x": 1}}), "scales names 'x', it has no such parameter"),
    ],
)
def test_a_class_that_is_no_plugin_is_refused_where_it_is_defined(decorate, cls, sentence):
    with pytest.raises(TypeError, match=sentence):
        decorate(cls)


@pytest.mark.parametrize("needs", [{"gpus": "lots"}, {"cpus": "two"}])
def test_needs_are_numbers(needs):
    with pytest.raises(ValueError, match="must be a number"):
        Needs(**needs)
