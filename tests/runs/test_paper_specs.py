"""The specs of ``examples/paper``: what they ask for at full size, and each run as on a laptop, smaller still."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from workplace import EXAMPLES, REPOSITORY, Workplace

from harness.discovery import discover
from harness.plan import make_plan
from harness.registry import Registry
from harness.run.execute import Request, execute, prepare
from harness.spec.file import override, read_spec
from harness.spec.resolve import Spec, resolve
from harness.work.jobs import Context, run_job

PAPER = EXAMPLES / "paper"
BITS = (2, 4, 8, 16, 32, 64)
DITHERED = "median-cut dither=floyd-steinberg-clipped"
WEIGHTS = ("0.01", "0.1", "10", "100")
ALL_DATASETS = ("cifar10", "cifar100", "stl10", "tiny-imagenet-200")
ALL_CLASSIFIERS = ("alexnet", "vgg16", "resnet18")
UNTAUGHT = dict.fromkeys(("octree-gervautz", "max-coverage", "wu", "kmeans"), BITS)
RATES = {"median-cut": BITS, DITHERED: BITS, "octree-reference": BITS, "colorcnn": BITS, "original": (None,)}
UNLEARNED = {variant: levels for variant, levels in (RATES | UNTAUGHT).items() if variant != "colorcnn"}


@dataclass(frozen=True)
class Asked:
    """What a table or figure of the paper needs. varied: the parameters of ColorCNN that it varies."""

    datasets: tuple[str, ...]
    classifiers: tuple[str, ...]
    variants: Mapping[str, tuple[int | None, ...]]
    seeds: int = 1
    varied: tuple[str, ...] = ()

    @property
    def trained_classifiers(self) -> int:
        return len(self.datasets) * len(self.classifiers) * self.seeds

    @property
    def trained_quantizers(self) -> int:
        each = sum(len(levels) for variant, levels in self.variants.items() if variant.startswith("colorcnn"))
        return each * self.trained_classifiers

    @property
    def cells(self) -> int:
        return sum(map(len, self.variants.values())) * self.trained_classifiers


ASKED = {
    "table2": Asked(ALL_DATASETS, ALL_CLASSIFIERS, {"original": (None,)}),
    "fig7": Asked(
        ("stl10",),
        ("alexnet",),
        {"original": (None,), "median-cut": (64,), "octree-reference": (64,), "colorcnn": (64,)},
    ),
    "fig9": Asked(ALL_DATASETS, ALL_CLASSIFIERS, RATES, seeds=3),
    "fig10": Asked(("stl10",), ("alexnet",), RATES | {"jpeg": (1, 5, 10, 20, 30, 50, 70, 90)}),
    "table3": Asked(
        ("stl10",),
        ("alexnet",),
        {"colorcnn": (8,), "colorcnn gamma=0": (8,), "colorcnn xi=0": (8,)},
        seeds=5,
        varied=("gamma", "xi"),
    ),
    "fig11": Asked(
        ("cifar10",),
        ALL_CLASSIFIERS,
        {
            "colorcnn": (2,),
            "colorcnn backbone=dncnn": (2,),
            **{f"colorcnn {name}={weight}": (2,) for name in ("gamma", "xi") for weight in WEIGHTS},
        },
        seeds=5,
        varied=("backbone", "gamma", "xi"),
    ),
    "fig9-untrained": Asked(("cifar10", "cifar100", "tiny-imagenet-200"), ("alexnet",), UNLEARNED),
    "tiny-imagenet-200-short": Asked(("tiny-imagenet-200",), ("alexnet",), UNLEARNED, varied=("epochs",)),
    "cifar10": Asked(("cifar10",), ALL_CLASSIFIERS, RATES | UNTAUGHT, seeds=3),
    "cifar10-gpu": Asked(("cifar10",), ("alexnet",), RATES | UNTAUGHT, seeds=3),
    "cifar10-short": Asked(
        ("cifar10",), ("alexnet",), RATES | UNTAUGHT | {"colorcnn": (2,)}, varied=("epochs", "restart_period")
    ),
}
NAMED = re.compile(r"--(method|classifier) (?:'([^']+)'|([a-z0-9-]+))")
each_spec = pytest.mark.parametrize("name", ASKED)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover([])


def spec_of(name: str, registry: Registry, dataset: str = "", scale: str | None = None) -> Spec:
    instead = {"datasets": [dataset] if dataset else []}
    return resolve(override(read_spec(PAPER / f"{name}.yaml"), instead, further_methods=()), registry, scale)


def levels_of(spec: Spec) -> dict[str, tuple[int | None, ...]]:
    return {choice.short: choice.levels for choice in spec.methods}


def test_no_spec_goes_untested() -> None:
    assert {path.stem for path in PAPER.iterdir()} == set(ASKED)


@each_spec
def test_at_full_size_a_spec_asks_for_what_its_table_or_figure_shows(
    name: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEWCOLORS_DATA_ROOT", raising=False)
    asked, spec = ASKED[name], spec_of(name, registry)
    assert tuple(choice.short for choice in spec.datasets) == asked.datasets
    assert tuple(choice.short for choice in spec.classifiers) == asked.classifiers
    assert levels_of(spec) == asked.variants
    assert spec.seeds == tuple(range(asked.seeds))

    plan = make_plan(spec)
    stages = Counter(job.stage for job in plan.jobs.values())
    assert stages["classifiers"] == asked.trained_classifiers
    assert stages["quantizers"] == asked.trained_quantizers
    assert len(plan.cells) == len({cell.key for cell in plan.cells}) == stages["cells"] == asked.cells


@each_spec
def test_at_full_size_everything_is_trained_as_the_paper_says(name: str, registry: Registry) -> None:
    spec = spec_of(name, registry)
    assert all(choice.train_images is None for choice in spec.datasets)
    for choice in (*spec.classifiers, *spec.methods):
        stated = {key: value for key, value in choice.params.items() if value is not None}
        departures = {key for key, value in choice.plugin.paper.items() if stated.get(key, value) != value}
        assert departures <= set(ASKED[name].varied)


@each_spec
@pytest.mark.parametrize("dataset", ["digits-on-photos", "image-folder root=photos side=32"])
def test_small_keeps_what_is_compared_and_writes_its_recipe_out(name: str, dataset: str, registry: Registry) -> None:
    small = spec_of(name, registry, dataset, "small")
    assert levels_of(small) == ASKED[name].variants
    assert [choice.name for choice in small.classifiers] == list(ASKED[name].classifiers)
    written = small.written_out()
    assert written["name"] == f"{name}-small"
    assert [entry["train_images"] for entry in written["datasets"]] == [4000]
    widths = [entry["params"].get("width") for entry in (*written["classifiers"], *written["methods"])]
    assert set(widths) <= {0.25, 16, None}
    epochs = [entry["params"].get("epochs", 0) for entry in (*written["classifiers"], *written["methods"])]
    assert max(epochs) <= 30
    assert resolve(written, registry).written_out() == written


def test_every_option_that_specs_and_docs_speak_of_is_there(registry: Registry) -> None:
    texts = [path.read_text() for path in (*PAPER.iterdir(), REPOSITORY / "docs" / "fidelity.md")]
    named = {(kind, quoted or bare) for text in texts for kind, quoted, bare in NAMED.findall(text)}
    assert len(named) > 10
    base = {"name": "x", "datasets": ["stl10"], "classifiers": ["alexnet"], "methods": ["original"]}
    for kind, option in sorted(named):
        content = override(base, {f"{kind}s": [option]}, further_methods=())
        resolve(content, registry)


TASK, TINY_NET, STRIPES = str(EXAMPLES / "my_task.py"), "tiny-net epochs=2 batch_size=20", "stripes images=24 side=8"


@dataclass
class Runs:
    """Runs of the paper's specs in one store, and the names of the jobs that each left to do."""

    folder: Path
    jobs: dict[str, list[str]] = field(default_factory=dict)

    def request(self, name: str, seeds: tuple[int, ...]) -> Request:
        spec, store = PAPER / f"{name}.yaml", self.folder / "store"
        return prepare(spec, store, [TASK], [STRIPES], [TINY_NET], seeds=seeds, scale="small")

    def run(self, name: str, *seeds: int) -> None:
        """As ``fewcolors run``, but with the jobs in this process: Ray would start its workers for each run anew."""
        request = self.request(name, seeds)
        request.store.create()
        pending = [request.plan.jobs[key] for key in request.remaining.pending]
        for job in pending:
            run_job(job, Context(request.store, request.registry))
        self.jobs[name] = [f"{job.stage}: {job.name}" for job in pending]
        execute(self.request(name, seeds), self.folder / name, Console(quiet=True), None, None, None)

    def table(self, name: str, table: str = "cells") -> list[dict[str, str]]:
        with (self.folder / name / "report" / f"{table}.csv").open() as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    runs = Runs(tmp_path_factory.mktemp("paper"))
    runs.run("fig9", 0)
    runs.run("fig9-untrained", 0)
    runs.run("tiny-imagenet-200-short", 0)
    runs.run("fig10", 0)
    runs.run("table2", 0)
    runs.run("fig7", 0)
    runs.run("table3", 0, 1)
    runs.run("fig11", 0)
    runs.run("cifar10", 0)
    runs.run("cifar10-gpu", 0)
    runs.run("cifar10-short", 0)
    return runs


def check_table(rows: list[dict[str, str]], asked: Asked) -> None:
    """Whether the cells are those asked for, each with its numbers."""
    assert {(row["status"], row["classifier"]) for row in rows} == {("ok", "tiny-net")}
    shown: dict[str, set[int | None]] = {}
    for row in rows:
        shown.setdefault(row["variant"], set()).add(int(row["level"]) if row["level"] else None)
        assert float(row["paper_bytes_per_pixel"]) > 0
        if row["level_kind"] == "colors":
            assert 1 <= float(row["colors_per_image"]) <= int(row["level"])
    assert shown == {variant: set(levels) for variant, levels in asked.variants.items()}


@each_spec
def test_run_as_on_a_laptop_a_spec_fills_its_table_or_figure(name: str, done: Runs) -> None:
    check_table(done.table(name), ASKED[name])
    page = (done.folder / name / "report" / "index.html").read_text()
    assert all(choice in page for choice in ("stripes", "tiny-net", *ASKED[name].variants))


def test_what_fig9_has_trained_serves_fig7_fig10_and_table2(done: Runs) -> None:
    assert len(done.jobs["fig10"]) == 2 * len(ASKED["fig10"].variants["jpeg"])
    assert all("jpeg" in job for job in done.jobs["fig10"])
    assert done.jobs["table2"] == done.jobs["fig7"] == []


def test_fig9_holds_colorcnn_against_median_cut_at_each_color_count(done: Runs) -> None:
    held = {
        (int(row["level_a"]), int(row["level_b"]))
        for row in done.table("fig9", "significance")
        if (row["variant_a"], row["variant_b"]) == ("colorcnn", "median-cut")
    }
    assert held == {(colors, colors) for colors in BITS}


@pytest.mark.parametrize("name", ["table3", "fig11"])
def test_ablations_are_held_against_the_plain_colorcnn(name: str, done: Runs) -> None:
    rows = done.table(name, "significance")
    assert {row["variant_b"] for row in rows} == {"colorcnn"}
    assert {row["variant_a"] for row in rows} == set(ASKED[name].variants) - {"colorcnn"}


def test_table3_tests_each_seed_and_across_seeds(done: Runs) -> None:
    assert Counter(row["seed"] for row in done.table("table3", "significance")) == {"0": 2, "1": 2, "": 2}


def test_the_line_at_a_specs_head_runs_it_on_a_folder_of_images(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, address="")
    generator = np.random.default_rng(0)
    for part, label in itertools.product(("train", "test"), range(2)):
        folder = workplace.folder / "images" / part / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(8):
            pixels = generator.integers(128 * label, 128 * (label + 1), (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    instead = ["--dataset", "image-folder root=images side=8", "--classifier", TINY_NET, "--plugin", TASK]
    workplace.fewcolors("run", PAPER / "fig7.yaml", *instead, "--scale", "small", "--cpus", "2", "--gpus", "0")
    check_table(workplace.cells("fig7-small"), ASKED["fig7"])
