"""Whose code a job runs: what is not built in is kept apart from what is, and from other plugins."""

# ruff: noqa: ARG002 - toy plugins have no use for what they are handed

import numpy as np
import pytest

from harness.discovery import ORIGIN_BUILT_IN
from harness.plan import make_plan
from harness.registry import Registry, metric
from harness.work.foreign_code import ForeignCode, foreign_code_of


@metric("sharpness")
class Sharpness:
    def measure(self, original, decoded):
        return np.zeros(len(original))


@pytest.fixture
def codes(make_spec, registry):
    """From the names of what is not built in to the code of each job, by stage and the job's plugin."""
    plan = make_plan(make_spec(methods=["flat", "learned", "squeeze"], colors=[2]))

    def find(*strange):
        mixed = Registry()
        for plugin in registry:
            mixed.add(plugin.cls, f"{plugin.name}.py" if plugin.name in strange else ORIGIN_BUILT_IN)
        found = {}
        for job in plan.jobs.values():
            applied = plan.jobs[job.inputs["applied"][1]].plugin if job.stage == "cells" else job.plugin
            found[job.stage, applied] = foreign_code_of(job, plan.jobs, mixed)
        return found

    return find


def test_where_all_is_built_in_there_is_no_foreign_code(codes):
    assert set(codes().values()) == {ForeignCode()}


def test_a_foreign_classifier_is_run_by_its_training_by_fits_and_by_cells(codes):
    strange = {place for place, code in codes("net").items() if code == ForeignCode(("classifier net",), ("net.py",))}
    assert strange == {("classifiers", "net"), ("quantizers", "learned")} | {
        ("cells", method) for method in ("flat", "learned", "squeeze")
    }


def test_arrays_of_a_foreign_dataset_are_no_code(codes):
    assert [place for place, code in codes("dots").items() if code.names] == [("datasets", "dots")]
    assert [place for place, code in codes("flat").items() if code.names] == [("applied", "flat")]
    assert {place for place, code in codes("learned").items() if code.names} == {
        ("quantizers", "learned"),
        ("applied", "learned"),
    }


def test_a_codec_decodes_in_its_cells_too(codes):
    assert {place for place, code in codes("squeeze").items() if code.names} == {
        ("applied", "squeeze"),
        ("cells", "squeeze"),
    }


def test_two_strangers_share_no_process(codes):
    found = codes("flat", "learned", "net")
    assert found["applied", "flat"] != found["applied", "learned"]
    assert found["quantizers", "learned"].names == ("classifier net", "method learned")
    assert found["quantizers", "learned"].origins == ("learned.py", "net.py")


def test_a_foreign_metric_is_run_where_images_are_measured(make_spec, registry):
    registry.add(Sharpness, "sharpness.py")
    spec = make_spec(methods=["flat"], colors=[2], metrics=["sharpness"])
    plan = make_plan(spec)
    mixed = Registry()
    for plugin in registry:
        mixed.add(plugin.cls, "sharpness.py" if plugin.name == "sharpness" else ORIGIN_BUILT_IN)
    stages = {job.stage for job in plan.jobs.values() if foreign_code_of(job, plan.jobs, mixed) != ForeignCode()}
    assert stages == {"applied"}
