import dataclasses
from pathlib import Path

import pytest

from harness import plan as planning
from harness.contracts import BadInput, Needs
from harness.discovery import discover
from harness.plan import DEFAULT_NEEDS, check_inputs, make_plan
from harness.registry import dataset
from harness.search.plan import plan_searches
from harness.sources import read_source
from harness.spec.resolve import resolve


@pytest.fixture
def plan_of(make_spec):
    return lambda **changes: make_plan(make_spec(**changes))


def keys(plan, stage=None):
    return {key for key, job in plan.jobs.items() if stage in (None, job.stage)}


def by_stage(plan):
    counts = {}
    for job in plan.jobs.values():
        counts[job.stage] = counts.get(job.stage, 0) + 1
    return counts


BASE = {
    "datasets": [{"name": "dots", "params": {"n": 4}}],
    "classifiers": [{"name": "net", "params": {"rate": 0.1}}],
    "methods": [{"name": "learned", "params": {"gamma": 1}, "colors": 2}],
    "seeds": [0],
}


@pytest.mark.parametrize(
    ("change", "untouched"),
    [
        ({"datasets": [{"name": "dots", "params": {"n": 5}}]}, set()),
        ({"datasets": [{"name": "dots", "params": {"n": 4}, "test_images": 3}]}, set()),
        ({"classifiers": [{"name": "net", "params": {"rate": 0.2}}]}, {"datasets"}),
        ({"methods": [{"name": "learned", "params": {"gamma": 2}, "colors": 2}]}, {"datasets", "classifiers"}),
        ({"methods": [{"name": "joint", "params": {"gamma": 1}, "colors": 2}]}, {"datasets", "classifiers"}),
        ({"methods": [{"name": "learned", "params": {"gamma": 1}, "colors": 3}]}, {"datasets", "classifiers"}),
        ({"seeds": [1]}, {"datasets"}),
        ({"precision": "bf16"}, {"datasets"}),
        ({"precision": {"quantizers": "bf16"}}, {"datasets", "classifiers"}),
        ({"metrics": ["mse"]}, {"datasets", "classifiers", "quantizers"}),
        ({"metrics": ["mse", {"name": "ssim", "params": {"window": 5}}]}, {"datasets", "classifiers", "quantizers"}),
    ],
)
def test_what_changes_a_number_changes_the_keys_of_all_that_rests_on_it(plan_of, change, untouched):
    before, after = plan_of(**BASE), plan_of(**BASE | change)
    assert by_stage(before) == by_stage(after) == dict.fromkeys(by_stage(before), 1)
    for stage in ("datasets", "classifiers", "quantizers", "applied", "cells"):
        assert (keys(before, stage) == keys(after, stage)) is (stage in untouched), stage
    assert {cell.key for cell in before.cells} == keys(before, "cells")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"baseline": "learned"},
        {"recognized": 0.5},
        {"bits": "entropy"},
        {"reports": ["html"]},
        {"resources": {"cells": {"cpus": 3, "seconds": 5}, "classifiers": {"gpus": 0}}},
        {"resources": {"quantizers/learned": {"cpus": 3}, "cells/net": {"gpus": 0}, "datasets/dots": {"memory": 9}}},
        {"colors": [64, 128]},
        {"methods": [{"name": "learned", "colors": [2]}]},
        {"metrics": ["ssim", "mse"]},
        {"datasets": [{"name": "dots", "params": {"n": 4}, "label": "spots"}]},
    ],
)
def test_what_changes_no_number_changes_no_key(plan_of, change):
    assert keys(plan_of(**BASE)) == keys(plan_of(**BASE | change))


TWO = {"classifiers": [{"name": "net", "params": {"epochs": [20, 40]}}]}


def places(plan):
    return {(cell.classifier, cell.label) for cell in plan.cells}


def test_a_method_is_taught_by_its_judge_by_each_classifier_or_by_several_at_once(plan_of):
    learned = {"name": "learned", "colors": 2}
    own, each, both, named = (
        plan_of(**TWO, methods=["flat", learned | {"taught_by": by}])
        for by in ("own", "each", "all", ["net epochs=40", "net epochs=20"])
    )
    assert places(own) - {("net epochs=20", "flat"), ("net epochs=40", "flat")} == {
        ("net epochs=20", "learned"),
        ("net epochs=40", "learned"),
    }
    assert places(each) - places(own) == {
        ("net epochs=20", "learned fitted on net epochs=40"),
        ("net epochs=40", "learned fitted on net epochs=20"),
    }
    assert keys(each, "quantizers") == keys(own, "quantizers"), "nothing is trained for another judge"
    assert keys(each, "applied") == keys(own, "applied")
    assert keys(both) == keys(named)
    (job,) = (job for job in both.jobs.values() if job.stage == "quantizers")
    assert {key for stage, key in job.inputs.values() if stage == "classifiers"} == keys(own, "classifiers")
    assert job.task == ("dots", "net", "net")


def test_the_order_of_teachers_changes_no_key(plan_of):
    turned = {"classifiers": [{"name": "net", "params": {"epochs": [40, 20]}}]}
    methods = [{"name": "learned", "colors": 2, "taught_by": "all"}]
    assert keys(plan_of(**TWO, methods=methods)) == keys(plan_of(**turned, methods=methods))


def test_own_and_each_together_have_every_cell_once(plan_of):
    methods = [{"name": "learned", "colors": 2}, {"name": "learned", "colors": [2, 4], "taught_by": "each"}]
    plan = plan_of(**TWO, methods=methods)
    assert len(plan.cells) == len(set(map(repr, plan.cells))) == 8


def test_a_retrained_judge_rests_on_the_classifier_and_on_the_method_alone(plan_of):
    def retrained(**changes):
        plan = plan_of(**{**BASE, "classifiers": TWO["classifiers"], "judge": "retrained", **changes})
        assert {cell.judge for cell in plan.cells} == {"retrained"}
        return {key for key, job in plan.jobs.items() if job.retraining is not None}

    before = retrained()
    assert retrained(metrics=["mse"]) == before, "what is measured does not change what is learned"
    assert retrained(retraining={"epochs": 2}) - before, "20 epochs have 2 as their tenth, 40 have 4"
    assert len(retrained(retraining={"epochs": 2}) & before) == 1
    assert retrained(retraining={"rate": 0.5}).isdisjoint(before)
    assert retrained(methods=[{"name": "learned", "params": {"gamma": 2}, "colors": 2}]).isdisjoint(before)
    assert retrained(methods=[{"name": "learned", "params": {"gamma": 1}, "colors": 3}]).isdisjoint(before)


def test_both_judges_see_the_same_images_and_change_no_key_of_each_other(plan_of):
    frozen, both = plan_of(**BASE), plan_of(**BASE | {"judge": ["frozen", "retrained"]})
    assert keys(frozen) < keys(both)
    assert keys(frozen, "applied") == keys(both, "applied")
    (job,) = (both.jobs[cell.key] for cell in both.cells if cell.judge == "retrained")
    assert both.jobs[job.inputs["original"][1]].retraining is None
    assert both.jobs[job.inputs["classifier"][1]].retraining.recipe == {
        "epochs": 1, "rate": 0.01, "batch_size": None, "weight_decay": 0.0,
    }  # fmt: skip


def test_keys_are_free_of_order_and_of_what_else_is_asked_for(plan_of):
    methods = ["flat", "squeeze", {"name": "learned", "colors": [4, 2]}]
    wide = plan_of(methods=methods, seeds=[0, 1], datasets=["dots", {"name": "dots", "params": {"n": 9}}])
    turned = plan_of(
        methods=methods[::-1], seeds=[1, 0], datasets=[{"name": "dots", "params": {"n": 9}}, {"name": "dots"}]
    )
    assert keys(wide) == keys(turned)
    assert keys(plan_of(methods=["flat"])) < keys(wide)


@pytest.mark.parametrize("stage", ["datasets", "classifiers", "quantizers", "applied", "cells"])
def test_a_new_version_of_a_stage_gives_new_keys_from_there_on(plan_of, monkeypatch, stage):
    before = plan_of(**BASE)
    monkeypatch.setattr(planning, "VERSIONS", {**planning.VERSIONS, stage: 99})
    after = plan_of(**BASE)
    assert keys(before, stage).isdisjoint(keys(after, stage))
    assert keys(before, "cells").isdisjoint(keys(after, "cells"))
    assert stage == "datasets" or keys(before, "datasets") == keys(after, "datasets")


PLUGIN = """
from harness.registry import quantizer

@quantizer("mine")
class Mine:
    def palettize(self, images, colors): ...
"""


@pytest.mark.usefixtures("cleanup_modules")
def test_the_source_of_a_plugin_is_in_its_keys_and_in_no_other(tmp_path):
    def plan(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        registry = discover([read_source(str(path))], tmp_path)
        content = {"name": "x", "datasets": ["digits-on-photos"], "classifiers": ["alexnet"], "colors": 2}
        return make_plan(resolve(content | {"methods": ["mine", "median-cut"]}, registry))

    before, same, after = plan(PLUGIN), plan(PLUGIN), plan(PLUGIN.replace("...", "return 1"))
    assert keys(before) == keys(same)
    changed = {(job.stage, job.name.partition(" ")[0]) for k, job in before.jobs.items() if k not in after.jobs}
    assert changed == {("applied", "mine"), ("cells", "mine")}


CODEC = """
from harness.registry import codec

@codec("mine", quality=None)
class Mine:
    def encode(self, images, quality): ...
    def decode(self, files): ...
    def payload(self, files): ...
"""


@pytest.mark.usefixtures("cleanup_modules")
def test_how_a_codec_counts_its_payload_is_in_the_key_of_what_it_left_of_the_images(tmp_path):
    def plan(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        content = {"name": "x", "datasets": ["digits-on-photos"], "classifiers": ["alexnet"], "methods": ["mine"]}
        return make_plan(resolve(content, discover([read_source(str(path))], tmp_path)))

    before, after = plan(CODEC), plan(CODEC.replace("payload(self, files): ...", "payload(self, files): return None"))
    assert {before.jobs[key].stage for key in keys(before) - keys(after)} == {"applied", "cells"}


def test_the_content_of_files_is_in_the_key(plan_of, tmp_path):
    def dataset_key(name, content):
        (tmp_path / name).write_text(content)
        plan = plan_of(datasets=[{"name": "on-disk", "params": {"path": str(tmp_path / name)}}])
        return keys(plan, "datasets")

    assert dataset_key("a", "one") == dataset_key("a", "one")
    assert dataset_key("a", "one") != dataset_key("a", "two")


def test_files_that_are_missing_are_bad_input_at_their_place(plan_of, make_spec, tmp_path, registry, monkeypatch):
    entry = {"name": "on-disk", "params": {"path": str(tmp_path / "gone")}}
    with pytest.raises(BadInput, match=r"^datasets\[1\]: path: there is no file .*gone\.$"):
        plan_of(datasets=["dots", entry])
    with pytest.raises(BadInput, match=r"^datasets\[0\]: path: there is no file .*gone\.$"):
        check_inputs(make_spec(datasets=[entry]).datasets[0])
    monkeypatch.delattr(registry.get("dataset", "on-disk", "test").cls, "check")
    with pytest.raises(BadInput, match=r"^datasets\[0\]: 'on-disk' cannot be read: .*No such file.*gone'\.$"):
        plan_of(datasets=[entry])


def test_training_free_images_serve_all_classifiers_and_seeds(plan_of):
    plan = plan_of(
        methods=["flat", {"name": "squeeze", "quality": [1, 2, 3]}, "plain"],
        classifiers=[{"name": "net", "params": {"epochs": [1, 2]}}],
        seeds=[0, 1, 2],
    )
    assert by_stage(plan) == {"datasets": 1, "classifiers": 6, "applied": 2 + 3 + 1, "cells": 6 * (2 + 3 + 1)}
    assert {cell.fitted_on for cell in plan.cells} == {""}


def test_learned_images_belong_to_their_classifier_and_seed(plan_of):
    plan = plan_of(methods=["learned"], classifiers=[{"name": "net", "params": {"epochs": [1, 2]}}], seeds=[0, 1])
    assert by_stage(plan) == {"datasets": 1, "classifiers": 4, "quantizers": 8, "applied": 8, "cells": 8}
    assert {cell.fitted_on for cell in plan.cells} == {"net", "net epochs=2"}
    assert all(cell.fitted_on == cell.classifier for cell in plan.cells)
    assert {job.levels for job in plan.jobs.values() if job.stage == "quantizers"} == {(2,), (4,)}


def test_one_training_serves_all_colors_of_a_joint_quantizer(plan_of):
    plan = plan_of(methods=["joint"], colors=[4, 2, 8], seeds=[0, 1])
    assert by_stage(plan) == {"datasets": 1, "classifiers": 2, "quantizers": 2, "applied": 6, "cells": 6}
    (one, _) = [job for job in plan.jobs.values() if job.stage == "quantizers"]
    assert one.levels == (2, 4, 8)
    assert one.name == "joint at 2, 4, 8 colors on dots, net, seed 0"


def test_every_job_comes_after_its_inputs_and_knows_them_by_their_roles(plan_of):
    plan = plan_of(methods=["flat", "learned", "joint", "plain"], seeds=[0, 1])
    seen = set()
    roles = {
        "datasets": [set()],
        "classifiers": [{"dataset"}],
        "quantizers": [{"dataset", "classifier"}],
        "applied": [{"dataset"}, {"dataset", "quantizer"}],
        "cells": [{"dataset", "classifier", "applied"}],
    }
    for key, job in plan.jobs.items():
        assert key == job.key
        assert {parent for _, parent in job.inputs.values()} <= seen
        assert all(plan.jobs[parent].stage == stage for stage, parent in job.inputs.values())
        assert set(job.inputs) in roles[job.stage]
        seen.add(key)
    cell = next(cell for cell in plan.cells if cell.method == "learned")
    assert {plan.jobs[key].stage for key in plan.ancestors(cell.key)} == {
        "datasets", "classifiers", "quantizers", "applied",
    }  # fmt: skip


def test_cells_are_in_the_order_of_the_spec_with_their_place_in_the_tables(plan_of):
    plan = plan_of(methods=["squeeze", {"name": "flat", "params": {"gamma": [1, 2]}}], colors=4, seeds=[1, 0])
    assert [(cell.variant, cell.level_kind, cell.level, cell.seed) for cell in plan.cells] == [
        (variant, kind, level, seed)
        for seed in (1, 0)
        for variant, kind, level in (
            ("squeeze", "quality", 1),
            ("squeeze", "quality", 5),
            ("flat", "colors", 4),
            ("flat gamma=2", "colors", 4),
        )
    ]
    assert {cell.method for cell in plan.cells} == {"squeeze", "flat"}
    assert plan.cells[3].params["gamma"] == 2.0
    assert plan.jobs[plan.cells[0].key].name == "squeeze at quality 1 on dots, net, seed 1"


def needs_of(plan, stage):
    (needs,) = {job.needs for job in plan.jobs.values() if job.stage == stage}
    return needs


def test_needs_are_the_specs_else_the_plugins_else_the_stages(plan_of):
    plan = plan_of(
        methods=[{"name": "learned", "colors": 2}],
        resources={"quantizers": {"cpus": 4, "gpus": 0}, "cells": {"gpus": "required"}, "datasets": {"memory": 7}},
    )
    usual = DEFAULT_NEEDS
    assert needs_of(plan, "quantizers") == Needs(cpus=4, gpus=0, memory=1000, seconds=usual["quantizers"].seconds)
    assert needs_of(plan, "cells") == dataclasses.replace(usual["cells"], gpus="required")
    assert needs_of(plan, "datasets") == Needs(cpus=1, gpus=0, memory=7, seconds=60)
    assert needs_of(plan, "classifiers") == usual["classifiers"]
    plan = plan_of(methods=[{"name": "learned", "colors": 2}])
    assert needs_of(plan, "quantizers") == Needs(2, "required", 1000, usual["quantizers"].seconds)
    applied = needs_of(plan, "applied")
    assert (applied.cpus, applied.memory) == (1, 1000), "a training's CPUs are not those of its use"
    assert 0 < applied.gpus < 1
    assert needs_of(plan_of(methods=["flat"]), "applied").gpus == 0


def test_what_is_said_of_a_plugin_by_name_goes_before_what_is_said_of_its_stage(plan_of):
    plan = plan_of(
        methods=[{"name": "learned", "colors": 2}, {"name": "joint", "colors": 2}],
        resources={
            "quantizers/learned": {"gpus": 0.25},
            "quantizers": {"cpus": 3, "gpus": 0},
            "classifiers/net": {"seconds": 9},
        },
    )
    fits = {job.plugin: job.needs for job in plan.jobs.values() if job.stage == "quantizers"}
    assert (fits["learned"].cpus, fits["learned"].gpus) == (3, 0.25)
    assert (fits["joint"].cpus, fits["joint"].gpus) == (3, 0)
    assert needs_of(plan, "classifiers") == dataclasses.replace(DEFAULT_NEEDS["classifiers"], seconds=9)
    assert needs_of(plan, "cells") == DEFAULT_NEEDS["cells"]


def test_the_use_of_what_was_trained_has_needs_of_its_own(plan_of, registry, monkeypatch):
    learned, net = (registry.get(*name, "test").cls for name in (("method", "learned"), ("classifier", "net")))
    monkeypatch.setattr(learned, "needs_in_use", Needs(gpus=0.1, memory=500), raising=False)
    monkeypatch.setattr(net, "needs_in_use", Needs(cpus=3, gpus=0), raising=False)
    usual, learned_alone = DEFAULT_NEEDS, [{"name": "learned", "colors": 2}]
    plan = plan_of(methods=learned_alone, resources={"applied": {"cpus": 2}})
    assert needs_of(plan, "quantizers") == Needs(2, "required", 1000, usual["quantizers"].seconds)
    assert needs_of(plan, "applied") == Needs(2, 0.1, 500, usual["applied"].seconds)
    assert needs_of(plan, "classifiers") == usual["classifiers"]
    assert needs_of(plan, "cells") == dataclasses.replace(usual["cells"], cpus=3, gpus=0)
    assert needs_of(plan_of(methods=learned_alone, resources={"cells": {"gpus": 1}}), "cells").gpus == 1
    assert plan.jobs.keys() == plan_of(methods=learned_alone).jobs.keys(), "needs are in no key"


def test_what_a_small_machine_has_is_enough_for_two_jobs_at_once(plan_of):
    """Of 4 GiB some 3.2 GB are left to Ray beside the system, the driver and the object store."""
    plan = plan_of(methods=["flat", {"name": "joint", "colors": 2}], resources={"applied": {"cpus": 1}})
    stated = {job.stage: job.needs.memory or 0 for job in plan.jobs.values()}
    assert 2 * max(stated.values()) < 3.2e9
    assert needs_of(plan_of(methods=["flat"]), "applied").memory == DEFAULT_NEEDS["applied"].memory > 5e8
    assert needs_of(plan_of(methods=["flat"]), "cells").memory > 5e8


def test_jobs_know_the_metrics_they_measure_with(plan_of):
    plan = plan_of(methods=["flat"], metrics=["mse", {"name": "ssim", "params": {"window": [5, 7]}}], colors=2)
    (applied,) = [job for job in plan.jobs.values() if job.stage == "applied"]
    assert [(m.column, m.plugin, m.params) for m in applied.metrics] == [
        ("mse", "mse", {}),
        ("ssim", "ssim", {"window": 7}),
        ("ssim window=5", "ssim", {"window": 5}),
    ]
    assert {job.metrics for job in plan.jobs.values() if job.stage != "applied"} == {()}


METRIC = """
from harness.registry import metric

@metric("mine")
class Mine:
    path: str
    fingerprinted = ("path",)
    def fingerprint(self):
        with open(self.path) as file:
            return file.read()
    def measure(self, original, decoded): ...
"""


@pytest.mark.usefixtures("cleanup_modules")
def test_a_metrics_source_and_its_files_are_in_the_keys_of_what_is_measured(tmp_path):
    source = tmp_path / "mine.py"

    def plan(text=METRIC, place="here", content="1"):
        source.write_text(text)
        if content is not None:
            (tmp_path / place).write_text(content)
        asked = {"name": "x", "datasets": ["digits-on-photos"], "classifiers": ["alexnet"], "methods": ["original"]}
        metrics = [{"name": "mine", "params": {"path": str(tmp_path / place)}}]
        return make_plan(resolve(asked | {"metrics": metrics}, discover([read_source(str(source))], tmp_path)))

    first = plan()
    assert keys(first) == keys(plan(place="there")), "only where the file lies has changed"
    for other in (plan(METRIC.replace("): ...", "): return 1")), plan(content="2")):
        assert {first.jobs[key].stage for key in keys(first) - keys(other)} == {"applied", "cells"}
    with pytest.raises(BadInput, match=r"^metrics\[0\]: 'mine' cannot be read: "):
        plan(place="nowhere", content=None)


def test_a_plan_is_plain_data(plan_of):
    import json
    import pickle

    plan = plan_of(methods=["learned", "plain"])
    for job in plan.jobs.values():
        assert pickle.loads(pickle.dumps(job)) == job
        assert json.loads(json.dumps(dataclasses.asdict(job)))["key"] == job.key
    assert not list(Path().glob("store"))


def test_where_fingerprinted_files_lie_is_in_no_key(tmp_path):
    registry = discover()
    keys_of = []
    for place in ("here", "there"):
        for split in ("train", "test"):
            for name in ("a", "b"):
                folder = tmp_path / place / split / name
                folder.mkdir(parents=True)
                (folder / "1.ppm").write_bytes(b"P6 8 8 255\n" + f"{split}{name}".ljust(192).encode())
        spec = {
            "name": "x",
            "datasets": [{"name": "image-folder", "params": {"root": str(tmp_path / place)}}],
            "classifiers": ["alexnet"],
            "methods": ["original"],
        }
        keys_of.append(list(make_plan(resolve(spec, registry)).jobs))
    assert keys_of[0] == keys_of[1]
    (tmp_path / "here" / "test" / "b" / "1.ppm").write_bytes(b"P6 8 8 255\n" + b"x" * 192)
    spec["datasets"][0]["params"]["root"] = str(tmp_path / "here")
    assert not set(make_plan(resolve(spec, registry)).jobs) & set(keys_of[1])


def test_a_search_holds_out_the_same_however_many_images_are_tested_at_last(make_spec):
    method = {"name": "learned", "colors": 2, "search": {"gamma": {"choice": [0.0, 1.0]}}}
    (few, many) = (
        plan_searches(make_spec(datasets=[{"name": "dots"} | limit], methods=[method]))[0]
        for limit in ({"test_images": 2}, {})
    )
    assert set(few) == set(many)
    assert {job.test_images for job in few.values()} == {None}


@dataset("sized")
class Sized:
    answer: str = ""

    def known_sizes(self):
        return {"": (3, 40), "number": 40, "breaks": None}[self.answer] or 1 / 0

    def load(self): ...


@pytest.mark.parametrize(
    ("count", "answer", "sentence"),
    [
        (2, "", "datasets[0].test_images: 2 are too few for the 3 classes of 'sized'; write 3 or more."),
        (
            41,
            "",
            "datasets[0].test_images: 41 are more than the 40 that 'sized' has; leave it out to test all of them.",
        ),
        (
            9,
            "number",
            "datasets[0]: known_sizes() returned 40, it must return (classes, test images) or None.",
        ),
        (9, "breaks", "datasets[0]: known_sizes() failed: ZeroDivisionError: division by zero."),
    ],
)
def test_more_or_fewer_test_images_than_can_be_are_bad_input(registry, make_spec, count, answer, sentence):
    registry.add(Sized, "here")
    spec = make_spec(datasets=[{"name": "sized", "params": {"answer": answer}, "test_images": count}])
    with pytest.raises(BadInput) as error:
        make_plan(spec)
    assert str(error.value) == sentence


def colorcnn(**params):
    return {"name": "colorcnn", "params": params, "colors": [2]}


def plan_of_colorcnn(*methods, dataset="digits-on-photos", classifier="alexnet"):
    content = {"name": "x", "datasets": [dataset], "classifiers": [classifier], "methods": [*methods]}
    return make_plan(resolve(content, discover()))


@pytest.mark.parametrize(
    ("rule", "stated"),
    [
        ({}, {"palette_norm": 1.0}),
        ({}, {"palette_norm": 1}),
        ({}, {"restart_period": 20}),
        ({}, {"batch_size": 128}),
        ({"epochs": 9}, {"epochs": 9, "restart_period": 3, "palette_norm": 1.0}),
    ],
)
def test_what_a_parameter_becomes_counts_not_how_it_is_stated(rule, stated):
    by_rule, written = plan_of_colorcnn(colorcnn(**rule)), plan_of_colorcnn(colorcnn(**stated))
    assert keys(by_rule) == keys(written)
    assert by_rule.cells[0].params != written.cells[0].params


@pytest.mark.parametrize("judge", ["frozen", "retrained"])
@pytest.mark.parametrize(("colors", "epochs"), [(2, 60), (4, 100)])
def test_what_depends_on_the_number_of_colors_counts_as_it_is_at_each(judge, colors, epochs):
    def jobs(epochs):
        method = {"name": "cqformer", "params": {"epochs": epochs}, "colors": [colors]}
        content = {"datasets": ["digits-on-photos"], "classifiers": ["alexnet"], "methods": [method]}
        return make_plan(resolve({**content, "judge": judge}, discover())).jobs.keys()

    assert jobs(None) == jobs(epochs) != jobs(epochs + 20)


@pytest.mark.parametrize("judge", ["frozen", "retrained"])
def test_a_classifiers_batches_are_the_datasets_stated_or_not(judge):
    def plan(batch_size):
        classifier = {"name": "alexnet", "params": {"batch_size": batch_size}}
        content = {"name": "x", "datasets": ["digits-on-photos"], "classifiers": [classifier], "methods": [colorcnn()]}
        return make_plan(resolve({**content, "judge": judge}, discover()))

    assert plan(None).jobs.keys() == plan(128).jobs.keys() != plan(64).jobs.keys()


def test_a_dataset_whose_batches_are_not_known_keeps_what_is_stated_apart(make_spec, monkeypatch):
    spec = make_spec()
    assert {job.batch_size for job in make_plan(spec).jobs.values()} == {None}
    monkeypatch.setattr(spec.datasets[0].instance, "known_batch_size", lambda: 32, raising=False)
    assert {job.batch_size for job in make_plan(spec).jobs.values()} == {32}


@pytest.mark.parametrize(
    ("said", "words"),
    [(lambda: "32", r"returned '32', it must return a number or None"), (lambda: 1 / 0, "failed: ZeroDivisionError")],
)
def test_what_a_dataset_says_of_its_batches_must_be_a_number(make_spec, said, words):
    spec = make_spec()
    spec.datasets[0].instance.known_batch_size = said
    with pytest.raises(BadInput, match=rf"^datasets\[0\]: known_batch_size\(\) {words}"):
        make_plan(spec)


def test_a_rule_that_gives_something_else_is_another_key():
    changes = ({"palette_norm": 4.0}, {"restart_period": 10}, {"epochs": 30}, {"batch_size": 64})
    plans = [plan_of_colorcnn(colorcnn(**each)) for each in ({}, *changes)]
    assert len({*(key for plan in plans for key in keys(plan, "quantizers"))}) == len(plans)
    ours, theirs = (plan_of_colorcnn(colorcnn(palette_norm=n), classifier="vgg16") for n in (None, 4.0))
    assert keys(ours) == keys(theirs)


def test_two_variants_that_become_one_share_their_jobs_and_both_are_shown():
    plan = plan_of_colorcnn(colorcnn(), colorcnn(palette_norm=1.0))
    assert by_stage(plan) == dict.fromkeys(("datasets", "classifiers", "quantizers", "applied", "cells"), 1)
    assert [cell.variant for cell in plan.cells] == ["colorcnn", "colorcnn palette_norm=1"]
    assert len({cell.key for cell in plan.cells}) == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"gama": 1}, r"resolved\(\) returned \{'gama': 1\}, it must return values of its parameters by name"),
        ([1], r"resolved\(\) returned \[1\], it must"),
        (None, r"resolved\(\) returned None, it must"),
        ({"gamma": float("nan")}, r"resolved\(\) failed: "),
        ({"gamma": object()}, r"resolved\(\) failed: "),
    ],
)
def test_what_a_parameter_becomes_must_be_a_plain_value_of_one(make_spec, said, words):
    spec = make_spec(methods=["learned"])
    spec.methods[0].instance.resolved = lambda *_: said
    with pytest.raises(BadInput, match=rf"^methods\[0\]: {words}"):
        make_plan(spec)
