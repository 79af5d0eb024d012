"""The specs of ``examples/rivals``: what they ask for, at full size and as on a laptop."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from workplace import EXAMPLES, REPOSITORY

from harness.discovery import discover
from harness.plan import make_plan
from harness.registry import Registry
from harness.spec.examples import spec_path
from harness.spec.file import read_spec
from harness.spec.resolve import Spec, resolve

RIVALS = (REPOSITORY / "docs" / "rivals.md").read_text()
ABLATED = {
    "colorcnn-plus": {},
    "colorcnn-plus top=None": {"top": None},
    "colorcnn-plus bottleneck=None": {"bottleneck": None},
    "colorcnn-plus grouped=False": {"grouped": False},
    "colorcnn-plus feature_weight=0": {"feature_weight": 0.0},
    "colorcnn-plus present_weight=0": {"present_weight": 0.0},
    "colorcnn-plus entropy_weight=0": {"entropy_weight": 0.0},
    "colorcnn-plus similarity_weight=0": {"similarity_weight": 0.0},
    "colorcnn-plus similarity_by_colors=False": {"similarity_by_colors": False},
    "colorcnn-plus augmentation=none": {"augmentation": "none"},
    "colorcnn-plus augmentation=image": {"augmentation": "image"},
    "colorcnn-plus color_jitter=0 tone_jitter=0": {"color_jitter": 0.0, "tone_jitter": 0.0},
    "colorcnn-plus joint_colors=False": {"joint_colors": False},
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover([])


def spec_of(name: str, registry: Registry, scale: str | None = None) -> Spec:
    return resolve(read_spec(spec_path(Path(f"rivals/{name}"))), registry, scale)


def test_no_spec_goes_untested() -> None:
    ablations = {"colorcnn-plus-ablation", "anchored-ablation", "cqformer-ablation"}
    specs = {path.stem for path in (EXAMPLES / "rivals").iterdir()}
    assert specs == ablations | {"anchored-search", "cifar10", "few-and-many", "transfer"}
    documented = set(re.findall(r"`fewcolors (?:run|tune) rivals/([a-z0-9-]+)`", RIVALS))
    assert documented == specs, "the table in docs/rivals.md"


def test_the_ablation_of_colorcnn_plus_takes_one_part_away_at_a_time(registry: Registry) -> None:
    spec = spec_of("colorcnn-plus-ablation", registry)
    assert [choice.short for choice in spec.methods] == list(ABLATED)
    assert spec.baseline == "colorcnn-plus"
    for choice in spec.methods:
        paper = choice.plugin.paper
        differing = {name: value for name, value in choice.params.items() if value != paper[name]}
        left_to_rules = dict.fromkeys(("palette_norm", "batch_size", "restart_period"))
        assert differing == left_to_rules | ABLATED[choice.short]


@pytest.mark.parametrize("scale", [None, "small"])
def test_one_training_serves_all_color_counts_unless_its_variant_has_one_for_each(
    registry: Registry, scale: str | None
) -> None:
    spec = spec_of("colorcnn-plus-ablation", registry, scale)
    plan = make_plan(spec)
    stages = Counter(job.stage for job in plan.jobs.values())
    trained = Counter(job.levels for job in plan.jobs.values() if job.stage == "quantizers")
    each = len(spec.seeds)
    assert trained == {(2, 8, 64): (len(ABLATED) - 1) * each, (2,): each, (8,): each, (64,): each}
    assert len(plan.cells) == stages["cells"] == 3 * len(ABLATED) * each
    if scale == "small":
        assert {choice.params["width"] for choice in spec.methods} == {16}
        assert resolve(spec.written_out(), registry).written_out() == spec.written_out()


LEARNED = {"anchored", "colorcnn", "colorcnn-plus", "cqformer"}


@pytest.mark.parametrize("scale", [None, "small"])
@pytest.mark.parametrize(("name", "counts"), [("rivals", 6), ("rivals/cifar10", 3)])
def test_learned_rivals_have_equal_budgets_and_two_judges(
    registry: Registry, name: str, counts: int, scale: str | None
) -> None:
    spec = resolve(read_spec(spec_path(Path(name))), registry, scale)
    learned = {choice.name: choice.params for choice in spec.methods if choice.plugin.learns}
    assert set(learned) == LEARNED
    alone = LEARNED - {"colorcnn-plus"}
    assert {learned[method]["epochs"] for method in alone} == {20}
    assert learned["colorcnn-plus"]["epochs"] == 20 * counts, "one training for all counts"
    assert {params["restart_period"] for params in learned.values()} == {20}
    assert len({learned[method]["width"] for method in LEARNED - {"cqformer"}}) == 1
    assert spec.judges == ("frozen", "retrained")
    stages = Counter(job.stage for job in make_plan(spec, files_needed=False).jobs.values())
    assert stages["quantizers"] == len(spec.seeds) * (3 * counts + 1)


@pytest.mark.parametrize("name", ["rivals", "rivals/cifar10"])
def test_all_rivals_are_run_under_one_protocol(registry: Registry, name: str) -> None:
    spec = resolve(read_spec(spec_path(Path(name))), registry)
    table = RIVALS[RIVALS.index("## What there is") : RIVALS.index("## Specs")]
    assert set(re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE)) <= {choice.name for choice in spec.methods}


def test_transfer_trains_through_each_classifier_and_through_all(registry: Registry) -> None:
    spec = spec_of("transfer", registry)
    plan = make_plan(spec)
    taught = {(cell.variant, cell.fitted_on) for cell in plan.cells if cell.fitted_on}
    teachers = {"alexnet", "vgg16", "resnet18", "alexnet+resnet18+vgg16"}
    assert taught == {(name, by) for name in LEARNED - {"cqformer"} for by in teachers}
    assert sum(job.stage == "quantizers" for job in plan.jobs.values()) == 3 * 4 * len(spec.seeds)


def test_the_ablation_of_anchored_takes_one_part_away_at_a_time(registry: Registry) -> None:
    spec = spec_of("anchored-ablation", registry)
    default, *others = (choice.params for choice in spec.methods if choice.name == "anchored")
    changed = [[name for name, value in params.items() if value != default[name]] for params in others]
    assert [len(names) for names in changed] == [1] * 10


@pytest.mark.parametrize("scale", [None, "small"])
def test_the_ablation_of_cqformer_takes_one_part_away_at_a_time(registry: Registry, scale: str | None) -> None:
    spec = spec_of("cqformer-ablation", registry, scale)
    default, *others = (choice.params for choice in spec.methods if choice.name == "cqformer")
    changed = [{name: value for name, value in params.items() if value != default[name]} for params in others]
    assert changed == [{"palette": "means"}, {"alpha": 0.0}, {"beta": 0.0}, {"gamma": 0.0}, {"temperature": 1.0}]
    assert spec.baseline == "kmeans"
    trained = Counter(job.levels for job in make_plan(spec).jobs.values() if job.stage == "quantizers")
    assert trained == {(level,): 6 * len(spec.seeds) for level in (2, 8, 64)}


def test_the_search_for_anchored_looks_at_few_and_at_many_colors(registry: Registry) -> None:
    (searched,) = spec_of("anchored-search", registry, "small").searched
    assert searched.levels == (2, 8, 64)
    assert set(searched.space or ()) == {"kappa", "xi"}


def test_few_and_many_colors_have_one_recipe_and_equal_epochs(registry: Registry) -> None:
    learned = [choice for choice in spec_of("few-and-many", registry, "small").methods if choice.plugin.learns]
    assert {(choice.name, choice.levels) for choice in learned} == {("anchored", (2, 8, 64)), ("colorcnn", (2, 8, 64))}
    assert {
        (params["epochs"], params["width"], params["batch_size"]) for params in (choice.params for choice in learned)
    } == {(4, 16, 32)}
