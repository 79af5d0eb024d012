import pytest
import yaml

from harness.contracts import BadInput
from harness.plan import make_plan
from harness.registry import classifier, quantizer
from harness.spec.file import override, read_param, read_spec
from harness.spec.resolve import resolve
from harness.spec.schema import DEFAULT_COLORS


def variants(spec):
    return {choice.short: choice.levels for choice in spec.methods}


def test_defaults(registry):
    spec = resolve({"name": "x", "datasets": ["dots"], "classifiers": ["net"], "methods": ["flat"]}, registry)
    assert variants(spec) == {"flat": DEFAULT_COLORS}
    assert (spec.seeds, spec.baseline, spec.recognized, spec.precision.written_out()) == ((0,), None, 0.9, "fp32")
    assert [report.name for report in spec.reports] == ["tables", "html"]
    assert (spec.resources, spec.bits) == ({}, "file")


FULL = {
    "datasets": ["dots", {"name": "dots", "params": {"n": 6}}],
    "classifiers": [{"name": "net", "params": {"epochs": [1, 2], "rate": 1e-5}}],
    "methods": [
        "flat",
        {"name": "flat", "params": {"gamma": [0, 0.5], "bins": [4, 5], "side": "all"}, "colors": [8, 3]},
        {"name": "joint", "params": {"steps": 1}, "taught_by": ["net epochs=2", "net"]},
        {"name": "squeeze", "quality": [7, 0]},
        "plain",
    ],
    "seeds": [3, 1],
    "baseline": "flat",
    "recognized": 0.75,
    "bits": "payload",
    "precision": "bf16",
    "metrics": ["ssim", {"name": "ssim", "params": {"window": 5}}],
    "judge": ["frozen", "retrained"],
    "retraining": {"epochs": 7},
    "reports": ["html"],
    "resources": {"cells": {"cpus": 2, "gpus": "required", "memory": 10, "seconds": 1.5}, "applied/flat": {"gpus": 0}},
}


def test_a_spec_written_out_runs_the_same(make_spec, registry, tmp_path):
    spec = make_spec(**FULL)
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(spec.written_out(), sort_keys=False))
    again = resolve(read_spec(path), registry)
    assert again.written_out() == spec.written_out()
    plan, repeated = make_plan(spec), make_plan(again)
    assert repeated.jobs == plan.jobs
    assert repeated.cells == plan.cells
    assert again.name == spec.name
    written = spec.written_out()
    assert written["methods"][0]["params"] == {
        "gamma": 1.0, "steps": 3, "dither": "none", "bins": [1, 2], "side": 1, "slow": False,
    }  # fmt: skip
    assert written["resources"]["cells"] == {"cpus": 2.0, "gpus": "required", "memory": 10, "seconds": 1.5}
    assert written["resources"]["applied/flat"] == {"gpus": 0.0}
    assert "colors" not in written
    assert [set(method) - {"name", "params"} for method in written["methods"]] == [
        {"colors"}, {"colors"}, {"colors"}, {"colors", "taught_by"}, {"quality"}, set(),
    ]  # fmt: skip


def test_the_cheap_metrics_are_measured_where_a_spec_names_none(make_spec):
    assert [choice.short for choice in make_spec().metrics] == ["mse", "ssim"]
    assert make_spec(metrics=[]).metrics == ()
    assert make_spec(metrics=[]).written_out()["metrics"] == []


def test_own_levels_and_default_ones(make_spec):
    spec = make_spec(methods=["flat", {"name": "flat", "params": {"gamma": 2}, "colors": 256}, "squeeze", "plain"])
    assert variants(spec) == {"flat": (2, 4), "flat gamma=2": (256,), "squeeze": (1, 5), "plain": (None,)}
    spec = make_spec(methods=[{"name": "squeeze", "quality": [10, 0]}, {"name": "flat", "colors": [16, 3]}], colors=7)
    assert variants(spec) == {"squeeze": (0, 10), "flat": (3, 16)}


def test_lists_expand_into_variants_whose_short_names_tell_them_apart(make_spec):
    spec = make_spec(methods=[{"name": "flat", "params": {"gamma": [0.5, 1], "dither": ["none", "some"], "steps": 7}}])
    assert [choice.short for choice in spec.methods] == [
        "flat gamma=0.5",
        "flat gamma=0.5 dither=some",
        "flat",
        "flat dither=some",
    ]
    assert all(choice.params["steps"] == 7 for choice in spec.methods)
    assert [choice.where for choice in spec.methods] == ["methods[0]"] * 4


def test_a_parameter_that_is_a_list_expands_only_as_a_list_of_lists(make_spec):
    one = make_spec(methods=[{"name": "flat", "params": {"bins": [7, 8]}}]).methods
    assert [choice.params["bins"] for choice in one] == [[7, 8]]
    two = make_spec(methods=[{"name": "flat", "params": {"bins": [[7, 8], [9]]}}]).methods
    assert [choice.params["bins"] for choice in two] == [[7, 8], [9]]
    assert len({choice.short for choice in two}) == 2


def test_other_plugins_do_not_lengthen_a_name(make_spec):
    spec = make_spec(methods=[{"name": "flat", "params": {"gamma": 2}}, {"name": "learned", "params": {"gamma": 3}}])
    assert list(variants(spec)) == ["flat", "learned"]


def test_the_same_method_twice_is_one_with_the_levels_of_both(make_spec):
    spec = make_spec(methods=[{"name": "flat", "colors": 16}, {"name": "flat", "params": {"gamma": 1}}])
    assert variants(spec) == {"flat": (2, 4, 16)}


def test_a_list_of_the_same_number_in_two_spellings_is_one_variant(make_spec):
    assert len(make_spec(methods=[{"name": "flat", "params": {"gamma": [1, 1.0]}}]).methods) == 1


def test_baseline_is_a_short_name(make_spec):
    methods = [{"name": "flat", "params": {"gamma": [0.5, 1]}}]
    assert make_spec(methods=methods, baseline="flat gamma=0.5").baseline == "flat gamma=0.5"
    with pytest.raises(BadInput, match=r"no variant is called 'flat gamma=0.4', did you mean 'flat gamma=0.5'\?"):
        make_spec(methods=methods, baseline="flat gamma=0.4")


def read(tmp_path, text, name="a.yaml"):
    (tmp_path / name).write_text(text)
    return read_spec(tmp_path / name)


def test_numbers_as_people_write_them(tmp_path):
    content = read(tmp_path, "a: [1e-3, 1E5, -2.5e+3, .5e1, 3, 1.5, 1e, e3, '1e-3']\n")
    assert content["a"] == [0.001, 1e5, -2500.0, 5.0, 3, 1.5, "1e", "e3", "1e-3"]
    assert [type(value) for value in content["a"]] == [float] * 4 + [int, float, str, str, str]


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("colors: [2]\nseeds: [0]\ncolors: [4]\n", 1, "'colors'"),
        ("methods:\n  - name: flat\n    params:\n      gamma: 1\n      gamma: 2\n", 4, "'gamma'"),
        ("1: a\n1: b\n", 1, "1"),
    ],
)
def test_a_key_that_stands_twice(tmp_path, text, line, key):
    with pytest.raises(BadInput, match=rf"a\.yaml, line {line}: not valid YAML: duplicate key {key}\.$"):
        read(tmp_path, text)


def test_anchors_and_merged_keys(tmp_path):
    text = "x: &base {gamma: 1, steps: 2}\ny: {<<: *base, gamma: 5}\nz: *base\n"
    content = read(tmp_path, text)
    assert content["y"] == {"gamma": 5, "steps": 2}
    assert content["z"] == {"gamma": 1, "steps": 2}


@pytest.mark.parametrize(
    ("file", "name"),
    [("clip art (2).yaml", "clip-art-2-"), (".hidden.yaml", "hidden"), ("éé.yaml", "-"), ("a_b.1.yml", "a_b.1")],
)
def test_the_name_of_the_file_is_the_name_unless_it_is_stated(tmp_path, file, name, make_spec):
    stated = read(tmp_path, "a: 1", file)["name"]
    assert stated == {"-": "run"}.get(name, name)
    assert make_spec(name=stated).name == stated
    assert read(tmp_path, "name: mine", file)["name"] == "mine"


def test_override_replaces_lists_and_adds_methods():
    content = {"datasets": ["a"], "classifiers": ["b"], "methods": ["c"], "name": "x"}
    assert override(content, {"datasets": [], "seeds": []}, further_methods=[]) == content
    instead = {"datasets": ["d"], "classifiers": ["e", "f"], "seeds": [3, 4], "colors": [2]}
    assert override(content, instead, further_methods=["g"]) == {
        "datasets": ["d"], "classifiers": ["e", "f"], "methods": ["c", "g"], "name": "x", "seeds": [3, 4], "colors": [2]
    }  # fmt: skip
    assert override(content | {"baseline": "c"}, {}, further_methods=[], baseline="g") == content | {"baseline": "g"}
    assert content["methods"] == ["c"]
    assert override({"methods": None}, {}, further_methods=["g"])["methods"] == ["g"]
    no_list = override({"methods": "median-cut"}, {}, further_methods=["g"])
    assert no_list["methods"] == "median-cut", "what is wrong with it is said when it is resolved"


def test_plugins_on_the_command_line_are_written_as_in_tables():
    changed = override(
        {}, {"datasets": ["image-folder root='my photos' side=32"]}, further_methods=["flat gamma=[0,1]"]
    )
    assert changed == {
        "datasets": [{"name": "image-folder", "params": {"root": "my photos", "side": 32}}],
        "methods": [{"name": "flat", "params": {"gamma": [0, 1]}}],
    }


@pytest.mark.parametrize("text", ["flat gamma", "flat 'gamma=1", "flat gamma=[1"])
def test_what_is_no_plugin_on_the_command_line(text):
    with pytest.raises(BadInput, match=r"--method flat .*of the form name=value|with parameters as name=value"):
        override({}, {}, further_methods=[text])


def test_a_scale_takes_the_place_of_defaults(registry):
    content = {
        "name": "toy",
        "classifiers": ["net"],
        "datasets": ["dots", {"name": "dots", "params": {"n": 9}, "train_images": 3}],
        "methods": [
            {"name": "learned", "params": {"gamma": [0.0, 2.0]}},
            {"name": "learned", "params": {"steps": 50}},
            "flat",
        ],
    }
    small = resolve(content, registry, scale="small")
    assert [choice.train_images for choice in small.datasets] == [4000, 3]
    assert [(c.params["gamma"], c.params["steps"]) for c in small.methods] == [
        (0.0, 5), (2.0, 5), (1.0, 50), (1.0, 3)
    ], "what is stated stays"  # fmt: skip
    assert small.name == "toy-small"
    written = small.written_out()
    assert [entry["train_images"] for entry in written["datasets"]] == [4000, 3]
    assert resolve(written, registry).written_out() == written, "the saved spec runs the same without the scale"
    assert [choice.train_images for choice in resolve(content, registry).datasets] == [None, 3]
    with pytest.raises(BadInput, match=r"--scale: unknown scale 'smal', did you mean 'small'\?"):
        resolve(content, registry, scale="smal")


def test_the_same_dataset_with_fewer_images_has_a_name_of_its_own(make_spec):
    spec = make_spec(datasets=["dots", {"name": "dots", "train_images": 3}])
    assert [choice.short for choice in spec.datasets] == ["dots", "dots train_images=3"]
    spec = make_spec(datasets=["dots", {"name": "dots", "train_images": 3, "test_images": 2}])
    assert [choice.short for choice in spec.datasets] == ["dots", "dots train_images=3 test_images=2"]


def test_a_label_takes_the_place_of_a_datasets_name(make_spec, registry):
    asked = [
        {"name": "dots", "label": "my dots", "params": {"n": [5, 6]}, "test_images": 3},
        {"name": "dots", "label": "[/red] $x$ <b>", "params": {"n": 7}},
        {"name": "dots", "params": {"n": 9}},
    ]
    spec = make_spec(datasets=asked)
    called = ["my dots n=5", "my dots n=6", "[/red] $x$ <b>", "dots"]
    assert [choice.short for choice in spec.datasets] == called
    written = spec.written_out()
    assert written["datasets"][0] == {"name": "dots", "label": "my dots n=5", "params": {"n": 5}, "test_images": 3}
    again = resolve(written, registry)
    assert [choice.short for choice in again.datasets] == called
    assert again.written_out() == written


@pytest.mark.parametrize("other", [{"label": "same"}, {"label": "dots"}])
def test_a_label_is_one_datasets_own(make_spec, other):
    first = {"name": "dots", "params": {"n": 2}} | ({"label": "same"} if other["label"] == "same" else {})
    with pytest.raises(
        BadInput, match=r"datasets\[1\]: it would be called '(same|dots)' in tables, like the one at datasets"
    ):
        make_spec(datasets=[first, {"name": "dots", "params": {"n": 3}} | other])


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=1", ("a", 1)), ("a=1e-3", ("a", 0.001)), (" a =x=y", ("a", "x=y")), ("a=[1, 2]", ("a", [1, 2])),
     ("a=", ("a", None))],
)  # fmt: skip
def test_a_parameter_on_the_command_line(text, value):
    assert read_param(text) == value


@pytest.mark.parametrize("text", ["a", "a=[1", ""])
def test_what_is_no_parameter(text):
    with pytest.raises(BadInput, match="is not of the form name=value"):
        read_param(text)


def test_two_variants_of_one_name_in_tables_are_refused(make_spec):
    with pytest.raises(
        BadInput, match=r"^methods\[0\]: it would be called 'flat gamma=0.1' in tables, like the one at"
    ):
        make_spec(methods=[{"name": "flat", "params": {"gamma": [0.1, 0.10000001]}}])


def test_a_variant_that_another_classifier_taught_can_be_the_baseline(make_spec):
    taught = {"name": "learned", "taught_by": "each", "colors": 2}
    two = {"classifiers": [{"name": "net", "params": {"epochs": [1, 2]}}], "methods": ["flat", taught]}
    label = "learned fitted on net epochs=2"
    assert make_spec(**two, baseline=label).baseline == label
    with pytest.raises(BadInput, match="baseline: no variant is called 'learned fitted on net epochs=3'"):
        make_spec(**two, baseline="learned fitted on net epochs=3")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"methods": [{"name": "flat", "taught_by": "each"}]}, "methods[0].taught_by: 'flat' learns nothing, leave"),
        (
            {"methods": [{"name": "learned", "taught_by": ["net", "nett"]}]},
            "methods[0].taught_by: no classifier is called 'nett', did you mean 'net'? (here: net).",
        ),
        (
            {"methods": [{"name": "learned", "taught_by": "eech"}]},
            "no classifier is called 'eech', did you mean 'each'",
        ),
        ({"methods": [{"name": "learned", "taught_by": ["net", "each"]}]}, "each stands alone, not in a list"),
        ({"methods": [{"name": "learned", "taught_by": ["net", "net"]}]}, "'net' is listed 2 times"),
        (
            {"methods": [{"name": "learned", "taught_by": "all", "search": {"gamma": {"choice": [0, 1]}}}]},
            "methods[0].taught_by: a search trains through the classifier that judges",
        ),
        ({"judge": "thawed"}, "judge: it should be frozen, retrained, or [frozen, retrained], got 'thawed'."),
        ({"judge": ["frozen", "frozen"]}, "judge: 'frozen' is listed 2 times"),
        ({"retraining": {"epoch": 1}}, "retraining: unknown key 'epoch', did you mean 'epochs'?"),
        ({"taught_by": "each"}, "spec: unknown key 'taught_by' (known: "),
        ({"methods": ["flat"], "taught_by": "each"}, "it belongs to a learned method's own entry"),
    ],
)
def test_judges_and_teachers_that_cannot_be_are_refused(make_spec, changes, sentence):
    with pytest.raises(BadInput) as raised:
        make_spec(**changes)
    assert sentence in str(raised.value)


def test_a_classifier_without_epochs_says_that_retraining_must_state_them(registry):
    @classifier("odd")
    class Odd:
        rate: float = 0.1

        def build(self, classes): ...
        def fit(self, lesson): ...

    registry.add(Odd, "toys")
    content = {"name": "x", "datasets": ["dots"], "classifiers": ["odd"], "methods": ["flat"], "judge": "retrained"}
    with pytest.raises(BadInput, match=r"retraining.epochs: 'odd' has no parameter epochs of which a tenth"):
        resolve(content, registry)
    assert resolve(content | {"retraining": {"epochs": 3}}, registry).retraining.epochs == 3


def test_color_counts_that_a_method_cannot_give_are_refused_before_anything_is_trained(registry):
    @quantizer("even")
    class Even:
        color_counts = (4, 2)

        def palettize(self, images, colors): ...

    registry.add(Even, "toys")
    content = {"name": "x", "datasets": ["dots"], "classifiers": ["net"], "methods": ["even"]}
    with pytest.raises(BadInput) as raised:
        resolve(content | {"colors": [2, 3, 8]}, registry)
    assert str(raised.value) == (
        "methods[0].colors: 'even' gives 2 or 4 colors, not 3, 8; give it colors of its own, such as colors: [2, 4]."
    )
    with pytest.raises(BadInput, match=r"methods\[0\].colors: 'even' gives 2 or 4 colors, not 3\.$"):
        resolve(content | {"methods": [{"name": "even", "colors": [2, 3]}]}, registry)
    assert variants(resolve(content | {"colors": [4, 2]}, registry)) == {"even": (2, 4)}


HEADLINED = {
    "datasets": ["dots"],
    "classifiers": ["net"],
    "methods": ["flat", {"name": "learned", "colors": [4, 16]}, "plain"],
    "colors": [2, 4],
    "baseline": "flat",
}


@pytest.mark.parametrize(
    ("headline", "level"),
    [({"method": "learned", "level": 16}, 16), ({"method": "learned"}, 4), ({"method": "plain"}, None)],
)
def test_a_headline_names_a_variant_and_a_level(registry, headline, level):
    spec = resolve(HEADLINED | {"headline": headline}, registry)
    assert spec.headline.level == level
    assert resolve(spec.written_out(), registry).headline == spec.headline


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"headline": {"method": "learnd"}}, "headline.method: no variant beside the baseline is called 'learnd', did"),
        ({"headline": {"method": "flat"}}, "headline.method: no variant beside the baseline is called 'flat'"),
        ({"headline": {"method": "learned", "level": 2}}, "headline.level: 'learned' is not run at 2 (it has 4, 16)."),
        ({"headline": {"method": "plain", "level": 2}}, "headline.level: 'plain' is not run at 2 (it has no level)."),
        ({"headline": {"method": "learned"}, "baseline": None}, "headline: it is compared with the baseline"),
        ({"margin": 1.0}, "margin: it should be less than 0.5"),
    ],
)
def test_a_headline_that_cannot_be_is_refused(registry, changes, sentence):
    with pytest.raises(BadInput) as raised:
        resolve(HEADLINED | changes, registry)
    assert sentence in str(raised.value)
