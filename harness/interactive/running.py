"""A plan run from Python: in a script, in a notebook, in whatever thread."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from harness.contracts import BadInput
from harness.interactive.given import python_words
from harness.interactive.planned import RunPlan
from harness.run.execute import FinishedRun, execute
from harness.run.heartbeat import refuse_another
from harness.terminal import Screen

_under_way = threading.Lock()


def run_plan(
    plan: RunPlan, folder: Path, address: str | None, cpus: int | None, gpus: int | None, progress: bool
) -> FinishedRun:
    """Does what is to do and writes the reports. Raises BadInput; KeyboardInterrupt once everything is stopped."""
    console = Screen(file=sys.stdout, quiet=not progress)
    if not _under_way.acquire(blocking=False):
        raise BadInput("this process is at work on another run already, wait for its end.")
    try:
        _say(console, repr(plan))
        with python_words():
            refuse_another(folder)
            finished = execute(plan.request, folder, console, address, cpus, gpus)
    except KeyboardInterrupt:
        request = plan.request
        kept = sum(request.store.has(job.stage, job.key) for job in request.plan.jobs.values())
        _say(
            console,
            f"Interrupted. {kept} of {len(request.plan.jobs)} jobs are finished and kept in {request.store}; "
            "run it again to go on, trainings resume from their last epoch.",
        )
        raise
    finally:
        _under_way.release()
    cells = finished.results.cells
    ok = sum(cell.status == "ok" for cell in cells)
    _say(console, f"{ok} of {len(cells)} cells ok" + (", see .failures" if ok < len(cells) else ""))
    return finished


def _say(console: Screen, sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)
