"""What a spec asks for, as tables to look at: every job, every cell, and what is stored already."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from harness.interactive.given import PluginLike, SpecLike, python_words, read_given_spec, read_plugins, store_place
from harness.run.execute import Request, prepare_content
from harness.spec.schema import STAGES

if TYPE_CHECKING:
    import os

    import pandas as pd


@dataclass(frozen=True, eq=False)
class RunPlan:
    """What ``fc.plan`` gives: the jobs of a spec and the cells they lead to. In a notebook it shows itself.

    Attributes:
        request: The resolved spec, its plan, and what of it is stored.
    """

    request: Request

    @property
    def name(self) -> str:
        """The spec's name, after which the run's folder is called."""
        return self.request.spec.name

    @property
    def spec(self) -> dict[str, Any]:
        """The spec's content with every default written out."""
        return self.request.spec.written_out()

    @functools.cached_property
    def jobs(self) -> pd.DataFrame:
        """One row a job, in the order of the stages.

        Columns: stage, state (``to run``, ``stored``, ``not needed``), cpus, gpus, memory (bytes, missing where none is
        asked for), seconds (after so long the job is stopped), key, name.
        """
        import pandas as pd

        ordered = sorted(self.request.plan.jobs.values(), key=lambda job: STAGES.index(job.stage))
        rows = [
            {
                "stage": job.stage,
                "state": self.request.state(job),
                **asdict(job.needs),
                "key": job.key,
                "name": job.name,
            }
            for job in ordered
        ]
        columns = ["stage", "state", "cpus", "gpus", "memory", "seconds", "key", "name"]
        return pd.DataFrame(rows, columns=columns).astype({"memory": "Int64"})

    @functools.cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell that the run will have: the first columns of ``cells.csv``, and key."""
        import pandas as pd

        rows = [
            asdict(cell) | {"params": json.dumps(dict(cell.params), sort_keys=True)} for cell in self.request.plan.cells
        ]
        return pd.DataFrame(rows).astype({"level": "Int64"})

    @property
    def to_run(self) -> int:
        """How many jobs are to run."""
        return len(self.request.remaining.pending)

    def __repr__(self) -> str:
        plan = self.request.plan
        return f"{self.name}: {len(plan.cells)} cells, {self.to_run} of {len(plan.jobs)} jobs to run"

    def _repr_html_(self) -> str:
        shown = self.jobs.assign(key=self.jobs["key"].str[:12])
        return f"<p>{escape(repr(self))}</p>{shown.to_html(index=False, na_rep='', max_rows=40)}"


def plan_spec(
    spec: SpecLike,
    store: str | os.PathLike[str] | None,
    plugins: PluginLike | Sequence[PluginLike],
    datasets: Sequence[str],
    classifiers: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int],
    colors: int | Sequence[int],
    baseline: str | None,
    scale: str | None,
) -> RunPlan:
    """Reads and checks a spec, and looks up what is stored. Raises BadInput."""
    with python_words():
        instead = {"datasets": datasets, "classifiers": classifiers, "seeds": seeds, "colors": colors}
        content = read_given_spec(spec, instead, methods, baseline)
        return RunPlan(prepare_content(content, store_place(store), read_plugins(plugins), scale))
