"""A search that goes on draws what it would have drawn, and reads nothing but its table."""

from types import SimpleNamespace

import pytest

from harness.contracts import VALIDATION_ACCURACY, BadInput
from harness.search.drawing import Drawn
from harness.search.hooks import CURRENT, RunningSearch
from harness.search.table import TrialTable
from harness.spec.schema import SearchSettings
from harness.spec.space import Domain
from harness.writing import read_sealed, write_sealed

SPACE = {"rate": Domain("loguniform", (0.01, 10.0)), "width": Domain("randint", (4, 64))}
SEARCH = SimpleNamespace(
    space=SPACE,
    start={"rate": 1.0, "width": 8},
    points=lambda _: [{"rate": 1.0, "width": 8}],
    count=lambda settings: settings.trials,
)


def measured(config):
    return 1 / (1 + (config["rate"] - 2) ** 2 + abs(config["width"] - 30) / 30)


def session(folder, settings, kill_at=None, running=2):
    """Runs trials two at a time; killed when so many have ended. Gives the configurations that were begun."""
    table = TrialTable.read(folder / "trials.json", SPACE)
    token = CURRENT.set(RunningSearch(folder, lambda *_: None, table, board=SimpleNamespace()))
    drawn, under_way, begun = Drawn(SEARCH, settings), [], []
    ended = 0
    while ended != kill_at:
        while len(under_way) < running and (config := drawn.suggest(name := f"{len(begun)}")) != "FINISHED":
            table.start(CURRENT.get().numbers[name])
            under_way.append((name, config))
            begun.append(config)
        if not under_way:
            break
        name, config = under_way.pop(0)
        drawn.on_trial_complete(name, {VALIDATION_ACCURACY: measured(config), "ended": True, "finished": True})
        ended += 1
    CURRENT.reset(token)
    return begun


def configs(folder):
    return [row.config for row in TrialTable.read(folder / "trials.json", SPACE).rows]


@pytest.mark.parametrize("algorithm", ["optuna", "random"])
@pytest.mark.parametrize("kill_at", [1, 7, 17])
def test_a_killed_search_draws_what_it_would_have_drawn(algorithm, kill_at, tmp_path):
    settings = SearchSettings(algorithm=algorithm, trials=18, seed=5)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    session(tmp_path / "whole", settings)
    whole = configs(tmp_path / "whole")
    assert len(whole) == 18
    assert len({str(config) for config in whole}) == 18
    session(tmp_path / "killed", settings, kill_at)
    left = TrialTable.read(tmp_path / "killed" / "trials.json", SPACE)
    unfinished = [row.config for row in left.rows if not row.is_over]
    again = session(tmp_path / "killed", settings)
    assert configs(tmp_path / "killed") == whole
    assert again == unfinished + whole[len(left.rows) :]


def test_an_optuna_that_draws_otherwise_goes_on_from_what_was_tried(tmp_path):
    settings = SearchSettings(trials=14, seed=5)
    session(tmp_path, settings, kill_at=12)
    path = tmp_path / "trials.json"
    content = read_sealed(path)
    for row in content["rows"][1:]:
        row["config"]["width"] = 63 - row["config"]["width"] % 50
    write_sealed(path, content)
    before = configs(tmp_path)
    session(tmp_path, settings)
    assert configs(tmp_path)[: len(before)] == before
    assert len(configs(tmp_path)) == 14


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content["rows"].pop(0),
        lambda content: content["rows"][0]["config"].update(other=1),
        lambda content: content["rows"][0].update(state="planned"),
        lambda content: content["order"].append(["asked", 0]),
        lambda content: content.pop("order"),
    ],
)
def test_a_damaged_table_is_named(damage, tmp_path):
    session(tmp_path, SearchSettings(algorithm="random", trials=3), kill_at=2)
    path = tmp_path / "trials.json"
    content = read_sealed(path)
    damage(content)
    write_sealed(path, content)
    with pytest.raises(BadInput, match=r"trials\.json: damaged, so that the search cannot go on from it"):
        TrialTable.read(path, SPACE)
