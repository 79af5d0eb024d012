from types import SimpleNamespace

import pytest
import yaml

from harness.contracts import BadInput
from harness.search.plan import plan_searches, trial_job
from harness.spec.resolve import resolve
from harness.spec.space import Domain, grid, read_space, start_of, starting_with

BASE = {"name": "toy", "datasets": ["dots"], "classifiers": ["net"], "colors": [2, 4]}


def spec_of(registry, methods, **more):
    return resolve(BASE | {"methods": yaml.safe_load(methods)} | more, registry)


@pytest.mark.parametrize(
    ("methods", "sentence"),
    [
        ("[{name: learned, search: {}}]", "methods[0].search: the space is empty, name at least one parameter"),
        ("[{name: flat, search: {gamma: {choice: [1.0]}}}]", "methods[0].search: 'flat' learns nothing, there is"),
        ("[{name: learned, search: {gama: {choice: [1]}}}]", "has no parameter 'gama', did you mean 'gamma'? (has: ga"),
        ("[{name: learned, search: {gamma: [0, 1]}}]", "methods[0].search.gamma: it should be one of choice, grid, un"),
        ("[{name: learned, search: {gamma: {choice: [1], grid: [2]}}}]", "search.gamma: it should be one of choice"),
        ("[{name: learned, search: {gamma: {loguni: [1, 2]}}}]", "unknown kind 'loguni', did you mean 'loguniform'?"),
        ("[{name: learned, search: {gamma: {uniform: 3}}}]", "search.gamma.uniform: it should be a list, got 3."),
        ("[{name: learned, search: {gamma: {uniform: [1]}}}]", "it should be two numbers, the least and the greatest"),
        ("[{name: learned, search: {gamma: {uniform: [0, .inf]}}}]", "it should be two numbers, the least and the g"),
        (
            f"[{{name: learned, search: {{gamma: {{uniform: [0, 1{400 * '0'}]}}}}}}]",
            "it should be two numbers, the least",
        ),
        ("[{name: learned, search: {gamma: {uniform: [2, 2]}}}]", "the range [2, 2] is empty, the least value comes"),
        ("[{name: learned, search: {gamma: {uniform: [3, 2]}}}]", "the range [3, 2] is inverted, the least value com"),
        ("[{name: learned, search: {gamma: {loguniform: [0, 2]}}}]", "its least value must be above 0, got 0."),
        ("[{name: learned, search: {gamma: {uniform: [-1, 2]}}}]", "-1.0 is not a valid 'gamma', which is float >= 0."),
        ("[{name: learned, search: {gamma: {choice: []}}}]", "search.gamma.choice: the list is empty"),
        (
            "[{name: learned, search: {gamma: {choice: [1, 1]}}}]",
            "gamma.choice: 1 is listed twice; list it once",
        ),
        (
            "[{name: learned, search: {dither: {choice: [none, fs]}}}]",
            "'fs' is not a valid 'dither', which is 'none' |",
        ),
        ("[{name: learned, search: {steps: {uniform: [1, 5]}}}]", "1.0 is not a valid 'steps', which is int"),
        ("[{name: learned, search: {steps: {randint: [1, 2.5]}}}]", "its ends should be whole numbers, got [1, 2.5]."),
        ("[{name: learned, search: {steps: {randint: [5, 1]}}}]", "the range [5, 1] is inverted"),
        ("[{name: learned, search: {steps: {randint: [1, 9223372036854775808]}}}]", "its ends must be between -9,007,"),
        (
            "[{name: learned, params: {gamma: 2}, search: {gamma: {choice: [1]}}}]",
            "search.gamma: it is also listed under params",
        ),
        ("[{name: learned, search: 3}]", "methods[0].search: it should be a"),
    ],
)
def test_spaces_that_are_none(registry, methods, sentence):
    with pytest.raises(BadInput) as error:
        spec_of(registry, methods)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("search", "seeds", "sentence"),
    [
        ({"trials": 0}, [1], "search.trials: it should be greater than or equal to 1, got 0."),
        ({"seconds": 0}, [1], "search.seconds: it should be greater than 0, got 0."),
        ({"algorithm": "bayes"}, [1], "search.algorithm: it should be 'optuna', 'random' or 'grid', got 'bayes'."),
        ({"trial": 3}, [1], "search: unknown key 'trial', did you mean 'trials'?"),
        ({"validation": 0.9}, [1], "search.validation: it should be less than or equal to 0.5, got 0.9."),
        ({"seed": 1}, [1, 2], "search.seed: 1 is one of seeds too; the comparison after the search needs fresh ones."),
        ({"algorithm": "grid"}, [1], "methods[0].search.gamma: algorithm grid tries listed values, use grid or choice"),
    ],
)
def test_settings_that_are_none(registry, search, seeds, sentence):
    with pytest.raises(BadInput) as error:
        spec_of(registry, "[{name: learned, search: {gamma: {uniform: [0, 1]}}}]", search=search, seeds=seeds)
    assert sentence in str(error.value)


def test_settings_without_a_space_and_a_grid_without_room(registry):
    with pytest.raises(BadInput, match="search: no method says what to try"):
        spec_of(registry, "[learned]", search={"trials": 3})
    with pytest.raises(BadInput, match="has 4 combinations with the one it starts from, 3 trials are too few"):
        spec_of(
            registry,
            "[{name: learned, search: {gamma: {choice: [1.0, 2.0, 3.0]}}}]",
            search={"algorithm": "grid", "trials": 3},
        )


def test_a_search_starts_at_the_papers_value_or_the_default(registry):
    plugin = registry.get("method", "learned", "")
    space = read_space({"steps": {"randint": [1, 9]}, "dither": {"choice": ["some"]}}, plugin, "s")
    assert start_of(space, plugin, {}, "s") == {"steps": 3, "dither": "none"}
    assert start_of(read_space({"gamma": {"uniform": [2, 3]}}, plugin, "s"), plugin, {}, "s") == {"gamma": 0.5}


def test_a_range_needs_a_number_to_start_from():
    plugin = SimpleNamespace(parameters=[SimpleNamespace(name="temperature", required=False, value=None)], paper={})
    with pytest.raises(BadInput, match="start at its default None, which is not a number; list values with choice"):
        start_of({"temperature": Domain("uniform", (0.5, 2.0))}, plugin, {}, "methods[0].search")
    start = start_of({"temperature": Domain("choice", (0.5, 2.0))}, plugin, {}, "methods[0].search")
    assert start == {"temperature": None}


@pytest.mark.parametrize(
    ("kind", "values", "drawn", "used"),
    [
        ("uniform", (0.0, 1.0), 0.123456, 0.1235),
        ("loguniform", (0.012344, 1.0), 0.0123441, 0.012344),
        ("uniform", (0.0, 0.99999), 0.999987, 0.99999),
        ("randint", (1, 9), 3.0, 3),
        ("choice", (0.123456, 1), 0.123456, 0.123456),
    ],
)
def test_what_is_drawn_is_used_to_four_digits_within_its_range(kind, values, drawn, used):
    assert Domain(kind, values).rounded(drawn) == used


def test_a_grid_has_every_combination_once_and_the_start_first():
    space = {"a": Domain("grid", (1, 2)), "b": Domain("choice", ("x", "y"))}
    points = starting_with({"a": 2, "b": "x"}, grid(space))
    assert points == [{"a": 2, "b": "x"}, {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "y"}]
    assert len(starting_with({"a": 7, "b": "x"}, grid(space))) == 5


def test_one_search_a_task_a_method_and_a_color_count(registry, monkeypatch):
    spec = spec_of(
        registry,
        "[flat, {name: learned, params: {steps: 4}, search: {gamma: {uniform: [0, 1]}}}]",
        classifiers=["net", {"name": "net", "params": {"epochs": 2}}],
    )
    before, searches = plan_searches(spec)
    assert [(s.classifier.short, s.method.name, s.level) for s in searches] == [
        ("net", "learned", 2), ("net", "learned", 4), ("net epochs=2", "learned", 2), ("net epochs=2", "learned", 4)
    ]  # fmt: skip
    assert sorted(job.stage for job in before.values()) == ["classifiers", "classifiers", "datasets"]
    assert all(job.held_out == (0.15, 0) for job in before.values() if job.stage == "datasets")
    assert {job.seed for job in before.values()} == {None, 0}
    assert spec.seeds == (1, 2, 3, 4, 5)
    first = searches[0].first
    assert first.params["gamma"] == 0.5
    other = trial_job(first, searches[0].method.plugin, {"gamma": 0.7})
    assert (other.params["gamma"], other.params["steps"], other.inputs) == (0.7, 4, first.inputs)
    assert other.key != first.key
    assert trial_job(first, searches[0].method.plugin, {"gamma": 0.5}).key == first.key
    monkeypatch.setattr(searches[0].method.plugin.cls, "resolved", lambda *task: {"gamma": len(task)})
    one, two = (trial_job(first, searches[0].method.plugin, {"gamma": gamma}) for gamma in (0.5, 0.7))
    assert one.key == two.key != first.key
    assert resolve(spec.written_out(), registry).written_out() == spec.written_out()


@pytest.mark.parametrize(
    ("space", "published"),
    [({"gamma": {"choice": [1.0]}, "dither": {"choice": ["none"]}}, ("gamma",)), ({"side": {"choice": [2]}}, ())],
)
def test_what_of_a_start_is_published_is_what_the_paper_names(make_spec, space, published) -> None:
    _, (search,) = plan_searches(make_spec(methods=[{"name": "learned", "colors": [2], "search": space}]))
    assert search.published == published
