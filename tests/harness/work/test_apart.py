"""Jobs that run one after the other in one process: what one of them does to its arrays and to the process's state
does not reach the next."""

import numpy as np
import pytest

from harness.contracts import DatasetArrays, Split
from harness.plan import make_plan
from harness.registry import dataset
from harness.work.artifacts import load_dataset
from harness.work.jobs import Context, run_job
from harness.work.store import Store


@dataset("noise")
class Noise:
    def load(self):
        split = Split.of(np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8), np.arange(6) % 2)
        return DatasetArrays(split, split, ("a", "b"))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture
def stored(registry, make_spec, store):
    """The key of a dataset in the store."""
    registry.add(Noise, "toys")
    plan = make_plan(make_spec(datasets=["noise"], methods=["flat"]))
    job = next(job for job in plan.jobs.values() if job.stage == "datasets")
    run_job(job, Context(store, registry))
    return job.key


def test_what_is_written_into_an_array_is_seen_by_nobody_else(store, stored):
    mine, theirs = load_dataset(store, stored), load_dataset(store, stored)
    before = theirs.train.images.copy()
    mine.train.images[:] = 255 - mine.train.images
    mine.train.labels[:] = 1
    for other in (theirs, load_dataset(store, stored)):
        assert np.array_equal(other.train.images, before)
        assert list(other.train.labels) == [0, 1, 0, 1, 0, 1]
    assert store.verify("datasets", stored)


def test_training_needs_no_copy_of_the_arrays(store, stored):
    from harness.learning import tensor_of

    images = load_dataset(store, stored).train.images
    assert np.shares_memory(tensor_of(images).numpy(), images)
