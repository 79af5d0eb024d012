"""What a search says at its end."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness.cli.searches import _print_search_result
from harness.contracts import SearchResult, Trial

TRIALS = tuple(
    Trial(number=i, chosen={"xi": i}, status="finished", accuracy=0.5 + i / 4, epochs=1, of=1, seconds=1.0)
    for i in (0, 1)
)
FOUND = SearchResult(
    dataset="dots",
    classifier="net",
    variant="learned",
    level=2,
    space={"xi": {"choice": [0, 1]}},
    start={"xi": 0},
    algorithm="grid",
    scheduler="none",
    seed=0,
    train=8,
    validation=4,
    classifier_accuracy=0.9,
    cpus=1.0,
    gpus=0.0,
    cycle=1,
    device="cpu",
    trials=TRIALS,
    best=1,
)


@pytest.mark.parametrize(("published", "start"), [((), "the method's defaults"), (("xi",), "the paper's setting")])
def test_the_start_is_the_papers_only_where_a_paper_states_it(published, start) -> None:
    def said(searched):
        screen = Console(file=io.StringIO(), width=300)
        _print_search_result(screen, searched, "runs/tiny")
        return screen.file.getvalue()

    found = replace(FOUND, published=published)
    assert f": trial 1, xi=1, 75.0 % of 4 validation images ({start}: 50.0 %, finished); 2 finished." in said(found)
    assert f": {start}, 50.0 % of 4 validation images; 2 finished." in said(replace(found, best=0))
