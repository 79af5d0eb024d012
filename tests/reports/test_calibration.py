"""A small version of ``benchmarks/calibration.py``: the page's tests and intervals hold their level."""

import importlib.util
import math
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "calibration.py"


@pytest.fixture(scope="module")
def calibration():
    spec = importlib.util.spec_from_file_location("calibration", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["calibration"]


@pytest.mark.parametrize(
    ("trainings", "sources", "sizes", "spread", "effect"),
    [
        (1, 400, "one", 0.0, 0.0),
        (1, 60, "unequal", 0.0, 4.0),
        (2, 300, "one", 1.0, 0.0),
        (3, 60, "five", 2.0, 0.0),
        (5, 300, "one", 2.0, 5.0),
    ],
)
def test_error_and_coverage(calibration, trainings, sources, sizes, spread, effect):
    replicates = 400
    design = calibration.Design(trainings, sources, sizes, spread, effect=effect)
    found = calibration.rates(design, replicates, seed=1)
    assert calibration.misses(design, found, replicates) == [], found


def test_a_family_of_equal_variants_errs_once_in_twenty(calibration):
    replicates = 150
    wrong, covered = calibration.family(calibration.Design(3, 200, "one", 1.0), 18, replicates, seed=2)
    slack = 3 * math.sqrt(0.05 * 0.95 / replicates)
    assert wrong < 0.05 + slack
    assert covered > 0.95 - slack


def test_the_simulation_would_show_a_test_that_errs(calibration, monkeypatch):
    """Were trainings left out of the variance, as in a test of one training, equal methods would be told apart."""
    design = calibration.Design(2, 2000, "one", 3.0)

    def pooled(a, b, groups):
        found = calibration.estimate(a - b, groups)
        return calibration.Estimate(found.mean, 1, found.groups, 0.0, found.of_groups)

    monkeypatch.setattr(calibration, "difference", pooled)
    assert calibration.rates(design, 150, seed=3).error > 0.2
