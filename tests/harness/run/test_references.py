"""What ``store gc`` may not take: all that runs and searches refer to, as their folders tell."""

import pytest

from harness.contracts import BadInput, SearchResult, Trial
from harness.plan import make_plan
from harness.run.references import referred_to, runs_below
from harness.run.results import write_plan, write_searches
from harness.search.plan import plan_searches
from harness.search.tuning import SearchRequest, write_search_file
from harness.work.store import Store

MADE = tuple(letter * 64 for letter in "ab")


def searched(task, level):
    trials = (
        Trial(number=number, chosen={"gamma": 1.0}, status=status, accuracy=0.5, epochs=1, of=1, seconds=1.0, key=key)
        for number, (status, key) in enumerate(zip(("finished", "stopped"), MADE, strict=True))
    )
    names = {"dataset": task, "classifier": "net", "variant": "learned", "device": "cpu"}
    ways = {"algorithm": "random", "scheduler": "none", "seed": 0, "space": {}, "start": {}, "best": 0}
    counts = {"train": 1, "validation": 1, "classifier_accuracy": 0.5, "cpus": 1.0, "gpus": 0.0, "cycle": 1}
    return SearchResult(**names, **ways, **counts, level=level, trials=tuple(trials))


@pytest.fixture
def search(make_spec, registry, tmp_path):
    """A search over two tasks that has begun, in a folder of runs; with how one of its tasks is finished."""
    methods = [{"name": "learned", "search": {"gamma": {"uniform": [0, 1]}}}]
    spec = make_spec(datasets=["dots", {"name": "dots", "params": {"n": 6}}], methods=methods, baseline=None)
    store = Store(tmp_path / "store")
    before, searches = plan_searches(spec)
    write_search_file(SearchRequest(spec, before, searches, store, registry, ()), tmp_path / "runs/search")
    comparison = make_plan(make_spec())

    def finish(task):
        folder = tmp_path / "runs/search" / task
        folder.mkdir()
        write_searches(folder, [searched(task, 2)])
        write_plan(folder, make_spec(), comparison, store)

    return finish, {*before, *comparison.jobs, *MADE}


def test_what_a_search_made_and_rests_on_is_referred_to(search, tmp_path):
    finish, keys = search
    for task in ("a", "b"):
        with pytest.raises(BadInput, match=r"search: the search is not finished, so what it refers to is not known"):
            referred_to(tmp_path / "runs")
        finish(task)
    assert referred_to(tmp_path / "runs") == referred_to(tmp_path / "runs/search") == keys
    assert runs_below(tmp_path / "runs") == [tmp_path / "runs/search/a", tmp_path / "runs/search/b"]
    (tmp_path / "runs/search/b/plan.json").unlink()
    with pytest.raises(BadInput, match="is not finished"):
        referred_to(tmp_path)


@pytest.mark.usefixtures("search")
def test_a_search_that_does_not_tell_what_it_rests_on_and_a_folder_of_nothing_are_refused(tmp_path):
    path = tmp_path / "runs/search/search.yaml"
    path.write_text(path.read_text().replace("before:", "after:"))
    with pytest.raises(
        BadInput, match=r"search.yaml: does not tell what the search refers to; give its fewcolors tune"
    ):
        referred_to(tmp_path / "runs")
    with pytest.raises(BadInput, match=r"nowhere: not a run's folder"):
        runs_below(tmp_path / "nowhere")
