"""What is tried next: the trials that an earlier session left, then what the sampler draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ray import tune
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch
from ray.tune.search.sample import _BackwardsCompatibleNumpyRng
from ray.tune.search.variant_generator import generate_variants

from harness.contracts import VALIDATION_ACCURACY
from harness.search.hooks import CURRENT
from harness.search.plan import PlannedSearch
from harness.search.table import TrialRow, TrialTable
from harness.spec.schema import SearchSettings
from harness.spec.space import Domain


class Drawn(Searcher):
    """Tune's searcher: the trials of ``CURRENT``'s table that are not over, then new ones, as many as there may be.

    The table is all that it keeps: Tune's own copies of searchers are pickles, and none is ever read.
    """

    def __init__(self, search: PlannedSearch, settings: SearchSettings) -> None:
        super().__init__(metric=VALIDATION_ACCURACY, mode="max")
        table = CURRENT.get().table
        self._count = search.count(settings)
        self._left = [row.number for row in table.rows if not row.is_over]
        self._sampler = (
            Tpe(search, settings, table) if settings.algorithm == "optuna" else Listed(search, settings, self._count)
        )

    @property
    def remaining(self) -> int:
        """How many trials this session may run."""
        return len(self._left) + max(0, self._count - len(CURRENT.get().table.rows))

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        current = CURRENT.get()
        if self._left:
            row = current.table.rows[self._left.pop(0)]
        elif len(current.table.rows) < self._count:
            row = current.table.draw(plain(self._sampler.draw(len(current.table.rows))))
        else:
            finished: Any = Searcher.FINISHED
            return finished  # Tune's word for it, which its annotation leaves out
        current.numbers[trial_id] = row.number
        return dict(row.config)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        current = CURRENT.get()
        number = current.numbers[trial_id]
        if result:
            current.table.report(number, result)
        current.table.end(number, "lost" if error else "ended")
        self._sampler.tell(current.table.rows[number])
        current.table.told(number)

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **_: Any) -> bool:  # noqa: ARG002
        return True  # all of it is known already

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the table is written as things happen."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing, likewise."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a search goes on from its table")


class Listed:
    """A grid, or random values from one generator: all of them follow from the seed, whatever trials end with."""

    def __init__(self, search: PlannedSearch, settings: SearchSettings, count: int) -> None:
        points = search.points(settings)
        space, rng = {"config": tunes(search)}, _BackwardsCompatibleNumpyRng(settings.seed)
        drawn = [next(generate_variants(space, random_state=rng))[1]["config"] for _ in range(count - len(points))]
        self._configs: Sequence[dict[str, Any]] = [*points, *drawn]

    def draw(self, number: int) -> dict[str, Any]:
        return self._configs[number]

    def tell(self, row: TrialRow) -> None:
        """Nothing follows from it."""


class Tpe:
    """Optuna's sampler. What a table holds it is asked for and told again, in the same order: it then draws as before.

    An Optuna that draws otherwise than the one that began is told what was tried, and goes on from there.
    """

    def __init__(self, search: PlannedSearch, settings: SearchSettings, table: TrialTable) -> None:
        self._space = OptunaSearch.convert_search_space(tunes(search))
        self._seed = settings.seed
        self._asked = set[int]()
        self._optuna = self._new(points=search.points(settings))
        for what, number in table.order:
            row = table.rows[number]
            if what == "told":
                self.tell(row)
            elif plain(self.draw(number)) != row.config:
                over = [each for each in table.rows if each.is_over and math.isfinite(_accuracy(each))]
                self._optuna, self._asked = self._new(evaluated=over), set()
                break

    def _new(self, points: Sequence[dict[str, Any]] = (), evaluated: Sequence[TrialRow] = ()) -> OptunaSearch:
        return OptunaSearch(
            space=self._space,
            metric=VALIDATION_ACCURACY,
            mode="max",
            points_to_evaluate=[*points, *(row.config for row in evaluated)] or None,
            evaluated_rewards=[_accuracy(row) for row in evaluated] or None,
            seed=self._seed,
        )

    def draw(self, number: int) -> dict[str, Any]:
        self._asked.add(number)
        drawn: dict[str, Any] | None = self._optuna.suggest(str(number))
        return drawn or {}

    def tell(self, row: TrialRow) -> None:
        accuracy = row.last.get(VALIDATION_ACCURACY)
        result = None if accuracy is None else {VALIDATION_ACCURACY: accuracy}
        if row.number in self._asked:
            self._optuna.on_trial_complete(str(row.number), result, error=row.state == "lost")
        elif math.isfinite(_accuracy(row)):
            self._optuna.add_evaluated_point(row.config, _accuracy(row))


def _accuracy(row: TrialRow) -> float:
    return float(row.last.get(VALIDATION_ACCURACY, math.nan))


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Drawn values as JSON gives them back."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in config.items()}


def tunes(search: PlannedSearch) -> dict[str, Any]:
    """The space of a search in Tune's words; where a list lacks the start, it is added."""
    return {name: _tunes(domain, search.start[name]) for name, domain in search.space.items()}


def _tunes(domain: Domain, start: Any) -> Any:
    low_high = domain.values
    if domain.kind == "uniform":
        return tune.uniform(*low_high)
    if domain.kind == "loguniform":
        return tune.loguniform(*low_high)
    if domain.kind == "randint":
        return tune.randint(low_high[0], low_high[1] + 1)
    return tune.choice([*domain.values, *([] if start in domain.values else [start])])
