"""Published values: they are the article's, they meet the right cells, and what is said of them is right."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import norm

import methods
import tasks
from harness.contracts import Cell, Results
from harness.registry import Registry
from reports import published
from reports.originals import originals
from reports.page import render
from reports.points import Task
from reports.records import Records
from reports.significance import significance_table
from reports.summary import summarize
from reports.tables import cells_table

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

TABLE_2 = """
                 CIFAR10  CIFAR100  STL10  Tiny200
    AlexNet      86.8     62.5      73.8   50.2
    VGG16        93.5     73.1      79.8   62.6
    ResNet18     94.6     76.3      84.3   69.1
"""
TABLE_3 = """
    1  1  69.7  8.0  0.425
    0  1  67.5  5.1  0.323
    1  0  67.8  8.0  0.390
"""
ONE_BIT = {"cifar10": 82.1, "cifar100": 24.8, "stl10": 52.3, "tiny-imagenet-200": 26.0}
DATASETS = {"CIFAR10": "cifar10", "CIFAR100": "cifar100", "STL10": "stl10", "Tiny200": "tiny-imagenet-200"}
PAPER = {"backbone": "unet", "width": 64, "gamma": 1.0, "xi": 1.0}


def find(**wanted: Any) -> list[published.Published]:
    return [v for v in published.stated()[1] if all(getattr(v, name) == value for name, value in wanted.items())]


def test_the_file_holds_what_the_article_states() -> None:
    seen = 0
    head, *rows = (line.split() for line in TABLE_2.strip().splitlines())
    for classifier, *accuracies in rows:
        for column, accuracy in zip(head, accuracies, strict=True):
            (value,) = find(quantity="original_accuracy", classifier=classifier.lower(), dataset=DATASETS[column])
            assert (value.where, value.value) == ("Table 2", pytest.approx(float(accuracy) / 100))
            seen += 1
    for line in TABLE_3.strip().splitlines():
        gamma, xi, accuracy, *others = map(float, line.split())
        params = {"backbone": "unet", "gamma": gamma, "xi": xi}
        for quantity, number in zip(
            ("accuracy", "colors_per_image", "paper_bytes_per_pixel"), (accuracy / 100, *others), strict=True
        ):
            (value,) = find(where="Table 3", params=params, quantity=quantity, level=8, method="colorcnn")
            assert (value.dataset, value.classifier, value.value) == ("stl10", "alexnet", pytest.approx(number))
            seen += 1
    for dataset, accuracy in ONE_BIT.items():
        (value,) = find(dataset=dataset, level=2, quantity="accuracy", method="colorcnn")
        assert (value.where, value.classifier) == ("Section 6.2", "alexnet")
        assert (value.value, value.params) == (pytest.approx(accuracy / 100), find(level=8)[0].params)
        seen += 1
    assert seen == len(published.stated()[1]) == 25


def test_every_name_in_the_file_is_a_plugin_with_these_parameters() -> None:
    registry = Registry()
    for room in (methods, tasks):
        for name in room.PLUGIN_MODULES:
            registry.add_module(importlib.import_module(name), "built in")
    for value in published.stated()[1]:
        registry.get("dataset", value.dataset, "")
        registry.get("classifier", value.classifier, "")
        if value.method:
            registry.get("method", value.method, "").make(value.params, "")


def told(results: Results) -> list[Task]:
    records = Records()
    return summarize(results, cells_table(results, records), significance_table(results, records), records)


@pytest.fixture
def stl10(bench: Bench) -> list[Cell]:
    """STL10 with AlexNet: the article's setting at two levels, two ablations, another backbone and a classical one."""
    task = {"dataset": "stl10 download=True", "classifier": "alexnet"}
    learned: dict[str, Any] = task | {"method": "colorcnn", "fitted_on": "alexnet"}
    return [
        bench.plain("median-cut", 8, 0.6, **task),
        bench.plain("colorcnn", 2, 0.5, params=PAPER, **learned),
        bench.plain("colorcnn", 4, 0.6, params=PAPER, **learned),
        bench.plain("colorcnn", 8, 0.7, params=PAPER, **learned),
        bench.plain("colorcnn gamma=0", 8, 0.5, params=PAPER | {"gamma": 0.0}, **learned),
        bench.plain("colorcnn backbone=dncnn", 8, 0.65, params=PAPER | {"backbone": "dncnn"}, **learned),
        bench.plain("colorcnn", 8, 0.6, params=PAPER, **(learned | {"fitted_on": "vgg16"})),
    ]


def test_values_meet_the_cells_they_are_about(bench: Bench, stl10: list[Cell]) -> None:
    rows = list(published.beside(told(bench.results(stl10))[0], ()))
    assert [(r.point.variant if r.point else "", r.published.quantity, r.published.value) for r in rows] == [
        ("", "original_accuracy", pytest.approx(0.738)),
        ("colorcnn", "accuracy", pytest.approx(0.523)),
        ("colorcnn", "accuracy", pytest.approx(0.697)),
        ("colorcnn", "colors_per_image", 8.0),
        ("colorcnn", "paper_bytes_per_pixel", 0.425),
        ("colorcnn gamma=0", "accuracy", pytest.approx(0.675)),
        ("colorcnn gamma=0", "colors_per_image", 5.1),
        ("colorcnn gamma=0", "paper_bytes_per_pixel", 0.323),
    ]
    assert [row.inside for row in rows] == [False, True, True, None, None, False, None, None]
    ours = [0.9, 0.5, 0.7, 2.0, np.mean(150 + np.arange(200)) / 256, 0.5, 2.0, np.mean(150 + np.arange(200)) / 256]
    assert [row.ours for row in rows] == pytest.approx(ours)
    assert [row.difference for row in rows] == pytest.approx(
        [a - r.published.value for a, r in zip(ours, rows, strict=True)]
    )


@pytest.mark.parametrize(
    "change",
    [{"dataset": "digits-on-photos"}, {"classifier": "tinynet", "fitted_on": "tinynet"}, {"dataset": "stl10-like"}],
)
def test_nothing_is_shown_where_the_article_has_nothing(
    bench: Bench, stl10: list[Cell], change: Mapping[str, Any]
) -> None:
    elsewhere = bench.results([replace(cell, **change) for cell in stl10])
    assert list(published.beside(told(elsewhere)[0], ())) == []
    assert "Beside the paper" not in render(elsewhere)
    assert "Beside the paper" in render(bench.results(stl10))


def test_departures_are_those_of_what_was_used(bench: Bench, stl10: list[Cell]) -> None:
    recipes = (
        {"what": "dataset", "name": "stl10 download=True", "params": {}, "differs": ["at most 400 images"]},
        {"what": "classifier", "name": "alexnet", "params": {}, "differs": ["epochs is 2, the paper has 60"]},
        {"what": "classifier", "name": "vgg16", "params": {}, "differs": ["epochs is 3, the paper has 60"]},
        {"what": "quantizer", "name": "colorcnn", "params": {}, "differs": ["width is 16, the paper has 64"]},
        {
            "what": "quantizer",
            "name": "colorcnn gamma=0",
            "params": {},
            "differs": ["gamma is 0.0, the paper has 1.0", "width is 8, the paper has 64"],
        },
    )
    rows = list(published.beside(told(bench.results(stl10))[0], recipes))
    both = ("at most 400 images", "epochs is 2, the paper has 60")
    assert rows[0].departures == both
    assert rows[1].departures == rows[4].departures == (*both, "width is 16, the paper has 64")
    assert rows[5].departures == (*both, "width is 8, the paper has 64"), "gamma = 0 is what the value is about"


def test_the_original_of_one_seed_and_independent_images_has_wilsons_interval(bench: Bench) -> None:
    z = norm.ppf(0.975)
    n, p = 200, 0.9
    center, half = (p + z * z / (2 * n)), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    task = told(bench.results([bench.plain("median-cut", 2, 0.5)]))[0]
    assert (task.original_lo, task.original_hi) == pytest.approx(
        ((center - half) / (1 + z * z / n), (center + half) / (1 + z * z / n))
    )


def test_the_originals_accuracy_is_the_mean_over_seeds_not_over_cells(bench: Bench) -> None:
    labels = np.arange(200) % 3
    worse = bench.frame(labels == 0, original_predicted=np.where(np.arange(200) < 120, labels, (labels + 1) % 3))
    cells = [bench.plain("median-cut", 2, 0.5)]
    cells += [bench.cell(worse, "median-cut", level, seed=1) for level in (2, 4)]
    task = told(bench.results(cells))[0]
    assert task.original == pytest.approx((0.9 + 0.6) / 2)
    assert task.original_lo < task.original < task.original_hi


def test_classifiers_stand_over_datasets(bench: Bench) -> None:
    cells = [
        bench.plain("median-cut", 2, 0.5, dataset=dataset, classifier=classifier)
        for dataset, classifier in (
            ("stl10", "alexnet"),
            ("stl10", "own-net"),
            ("cifar10", "alexnet"),
            ("own", "vgg16"),
        )
    ]
    results = bench.results(cells)
    table = originals(told(results), ())
    assert table is not None
    assert table.datasets == ("cifar10", "own", "stl10")
    assert [classifier for classifier, _ in table.rows] == ["alexnet", "vgg16", "own-net"]
    said = [[e and (e[0].name, e[1] and e[1].value) for e in entries] for _, entries in table.rows]
    assert said == [
        [("cifar10 × alexnet", 0.868), None, ("stl10 × alexnet", 0.738)],
        [None, ("own × vgg16", None), None],
        [None, None, ("stl10 × own-net", None)],
    ]
    assert render(results).count("paper 86.8") == 1
    assert originals(told(bench.results(cells[:1])), ()) is None
    assert 'id="classifiers"' not in render(bench.results(cells[:1]))


def test_a_run_without_numbers_has_nothing_beside(bench: Bench) -> None:
    cells = [bench.cell(None, "colorcnn", 2, dataset=d, classifier="alexnet") for d in ("stl10", "cifar10")]
    text = render(bench.results(cells))
    assert "Beside the paper" not in text
    assert 'id="classifiers"' in text


def test_a_label_hides_no_plugin_and_makes_none(bench: Bench) -> None:
    """What is called cifar10 may be a folder of anybody's images, and STL10 may be called otherwise."""
    cells = [bench.plain("median-cut", 2, 0.5, dataset=d, classifier="alexnet") for d in ("cifar10", "birds, planes")]
    plugins = {"cifar10": "image-folder", "birds, planes": "stl10"}
    recipes = tuple({"what": "dataset", "name": name, "plugin": plugin} for name, plugin in plugins.items())
    table = originals(told(bench.results(cells)), recipes)
    assert table is not None
    ((_, entries),) = table.rows
    assert [entry and entry[1] and entry[1].value for entry in entries] == [0.738, None]
