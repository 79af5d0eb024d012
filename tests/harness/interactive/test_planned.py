"""Plans in Python: specs as paths and as mappings, and what a plan shows."""

import numpy as np
import pytest
import yaml

import fewcolors as fc

SPEC = {
    "datasets": ["digits-on-photos"],
    "classifiers": ["alexnet"],
    "methods": ["median-cut", "original"],
    "colors": (2, np.int64(4)),
    "seeds": range(2),
}
PLAIN = SPEC | {"colors": [2, 4], "seeds": [0, 1]}


def test_a_mapping_and_a_file_ask_for_the_same(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(PLAIN))
    told, read, by_text = fc.plan(SPEC), fc.plan(path), fc.plan(str(path))
    assert (told.name, read.name, by_text.name) == ("notebook", "mine", "mine")
    assert told.jobs.equals(read.jobs)
    assert read.jobs.equals(by_text.jobs)
    assert fc.plan(told.spec).jobs.equals(told.jobs), "a spec written out is a spec"
    assert not list(tmp_path.glob("store*")), "nothing is written"


def test_a_plan_is_tables():
    plan = fc.plan(SPEC)
    assert list(plan.jobs.columns) == ["stage", "state", "cpus", "gpus", "memory", "seconds", "key", "name"]
    assert set(plan.jobs["state"]) == {"to run"}
    assert plan.jobs["key"].is_unique
    assert plan.to_run == len(plan.jobs)
    assert len(plan.cells) == 2 * (2 + 1)
    assert set(plan.cells["key"]) == set(plan.jobs.query("stage == 'cells'")["key"])
    assert list(plan.cells.query("seed == 0")["level"].fillna(0)) == [2, 4, 0]
    assert repr(plan) == f"notebook: 6 cells, {plan.to_run} of {plan.to_run} jobs to run"
    assert "6 cells" in plan._repr_html_()
    assert "alexnet on digits-on-photos, seed 1" in plan._repr_html_()


def test_lists_of_the_spec_are_replaced_as_on_the_command_line():
    plan = fc.plan(
        SPEC, datasets="digits-on-photos", methods=["kmeans init=random", "wu"], colors=3, seeds=np.arange(1)
    )
    assert plan.spec["seeds"] == [0]
    assert set(plan.cells["variant"]) == {"median-cut", "original", "kmeans", "wu"}
    assert '"init": "random"' in plan.cells.query("variant == 'kmeans'")["params"].iloc[0]
    assert set(plan.cells["level"].dropna()) == {3}
    assert fc.plan(SPEC, baseline="original").spec["baseline"] == "original"
    assert fc.plan(SPEC, scale="small").name == "notebook-small"


@pytest.mark.parametrize(
    ("spec", "more", "sentence"),
    [
        ("nowhere.yaml", {}, "nowhere.yaml: there is no spec file"),
        (5, {}, "spec: it should be the path of a spec file or a mapping with its content, got 5"),
        ([], {}, "spec: it should be"),
        ({}, {}, "datasets: it is missing"),
        (SPEC | {"colours": 2}, {}, "'colours', did you mean 'colors'"),
        (SPEC, {"baseline": "otsu"}, "no variant is called 'otsu'"),
        (SPEC, {"scale": "tiny"}, "unknown scale 'tiny'"),
        (SPEC, {"methods": "median-cut dither"}, "method median-cut dither: 'dither' is not of the form name=value"),
        (SPEC, {"plugins": "nowhere.py"}, "plugin nowhere.py: there is no such file"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence_in_pythons_words(spec, more, sentence):
    with pytest.raises(fc.BadInput) as raised:
        fc.plan(spec, **more)
    assert sentence in str(raised.value)
    assert "--" not in str(raised.value)
    assert ("\n" in str(raised.value)) == (spec == {}), "a spec with several errors has a line for each"


def test_ipython_shows_the_sentence_alone():
    error = fc.BadInput("colors: 1 is too few.")
    assert error._render_traceback_() == ["BadInput: colors: 1 is too few."]
