"""One search's trials on Ray Tune: what is tried, when a trial is stopped, how a killed search continues.

A trial is the job that fits the method, as in a run: its checkpoints and its artifact are in the store under the job's
key, so a trial that was interrupted resumes, and a finished one is only read.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # its handler would mark trials under way as ended
os.environ["TUNE_DISABLE_STRICT_METRIC_CHECKING"] = "1"
os.environ["TUNE_PRINT_ALL_TRIAL_ERRORS"] = "0"  # a traceback for each lost worker
os.environ["TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S"] = "0"
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "5")

from ray import tune

from harness import environment
from harness.complaints import one_line, traceback_of
from harness.contracts import VALIDATION_ACCURACY, Trial, TrialStatus
from harness.plan import Job
from harness.run.losses import Consequence, gpu_too_small, without_store
from harness.run.pool import RayPool
from harness.run.worker import ClusterBoard, WorkerSetup, load_libraries, this_worker
from harness.search.drawing import Drawn
from harness.search.hooks import (
    CURRENT,
    RETRIED,
    Budget,
    InOrder,
    Listener,
    NeedsWholeGpu,
    Rungs,
    RunningSearch,
    TrialEvents,
    mark_of,
    numbered,
    pause_of,
    read_list,
)
from harness.search.plan import PlannedSearch, cycle_of, trial_job
from harness.search.table import LOGS, TABLE, TrialRow, TrialTable
from harness.spec.schema import SearchSettings
from harness.spec.space import Domain
from harness.work.artifacts import read_about
from harness.work.bucket import is_unreachable
from harness.work.jobs import fit_history, read_history, run_job, validation_accuracy
from harness.work.store import Store


@dataclass(frozen=True)
class Share:
    """What one trial occupies, and how many run at a time."""

    cpus: float
    gpus: float
    memory: int | None
    concurrency: int


def share_of(first: Job, settings: SearchSettings, pool: RayPool) -> Share:
    """What a search's trials occupy on this cluster; as many at a time as it has room for, or as the spec says."""
    cpus, gpus = pool.occupies(first)
    room = [have / need for have, need in zip(pool.capacity(), (cpus, gpus), strict=True) if need]
    return Share(cpus, gpus, first.needs.memory, settings.concurrency or max(1, int(min(room) + 1e-6)))


def run_trials(
    search: PlannedSearch,
    settings: SearchSettings,
    share: Share,
    folder: Path,
    store: Store,
    setup: WorkerSetup,
    listener: Listener,
) -> tuple[Trial, ...]:
    """All trials of a search, in the order in which they were chosen; resumes the search that ``folder`` holds.

    KeyboardInterrupt is passed on; what was finished is kept. Raises BadInput where the folder cannot be resumed from.
    """
    for name in ("ray.tune", "ray.train", "ray.air", "optuna"):
        logging.getLogger(name).setLevel(logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    table = TrialTable.read(folder / TABLE, search.space)

    def epochs_of(number: int) -> int:
        return len(read_history(store.watched(_job(table.rows[number], search).key))[0])

    current = RunningSearch(folder, listener, table, ClusterBoard(), epochs_of=epochs_of)
    read_list(current.rungs)
    read_list(current.spent)
    CURRENT.set(current)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Tune and Optuna: experimental features, a start outside its range
        drawn = Drawn(search, settings)
        if drawn.remaining:
            (folder / LOGS).mkdir(exist_ok=True)
            session = Path(tempfile.mkdtemp(prefix="session-", dir=folder / LOGS))
            _tuner(search, settings, share, drawn, session, setup).fit()
    table.write()
    return tuple(_row(row, search, store) for row in table.rows if row.state != "drawn")


def _tuner(
    search: PlannedSearch, settings: SearchSettings, share: Share, drawn: Drawn, session: Path, setup: WorkerSetup
) -> tune.Tuner:
    """session: a new folder in which nobody else may write. Tune's files there are for TensorBoard; its pickles are
    never read by a later session.
    """
    return tune.Tuner(
        _trainable(search, share, setup),
        tune_config=tune.TuneConfig(
            metric=VALIDATION_ACCURACY,
            mode="max",
            search_alg=drawn,
            scheduler=InOrder() if settings.scheduler == "none" else Rungs(settings.reduction_factor),
            num_samples=drawn.remaining,
            max_concurrent_trials=share.concurrency,
            reuse_actors=not share.gpus,
            trial_dirname_creator=numbered,
        ),
        run_config=tune.RunConfig(
            name=LOGS,
            storage_path=str(session.resolve()),
            verbose=0,
            stop=Budget(settings.seconds),
            failure_config=tune.FailureConfig(max_failures=-1),  # TrialEvents counts them
            callbacks=[TrialEvents(), *_further_loggers(settings, search)],
        ),
    )


def _further_loggers(settings: SearchSettings, search: PlannedSearch) -> list[Any]:
    """Weights & Biases and MLflow, where asked for."""
    loggers: list[Any] = []
    if settings.wandb is not None:
        from ray.air.integrations.wandb import WandbLoggerCallback

        loggers.append(WandbLoggerCallback(project=settings.wandb, group=search.first.name))
    if settings.mlflow is not None:
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        loggers.append(MLflowLoggerCallback(tracking_uri=settings.mlflow, experiment_name=search.first.name))
    return loggers


def _trainable(search: PlannedSearch, share: Share, setup: WorkerSetup) -> Any:
    first, space = search.first, search.space

    def trial(config: dict[str, Any]) -> None:
        _train(search_values(config, space, first.params), first, setup, share.gpus > 0)

    resources = {"cpu": share.cpus, "gpu": share.gpus}
    if share.memory is not None:
        resources["memory"] = float(share.memory)
    return tune.with_resources(trial, resources)


def search_values(config: Mapping[str, Any], space: Mapping[str, Domain], first: Mapping[str, Any]) -> dict[str, Any]:
    """The values a trial uses for what Tune drew; trial 0's own values stay as they are."""
    return {
        name: config[name] if config[name] == first[name] else domain.rounded(config[name])
        for name, domain in space.items()
    }


def _train(values: Mapping[str, Any], first: Job, setup: WorkerSetup, on_gpu: bool) -> None:
    """Runs in a worker: a trial that cannot reach the store begins again after a pause, in the same process.

    Raises NeedsWholeGpu, with which Tune starts it again.
    """
    _wait(ClusterBoard(), tune.get_context().get_trial_id())
    with mark_of(ClusterBoard(), tune.get_context().get_trial_id()).working(this_worker()) as at_a_job:
        load_libraries(first)
        at_a_job()
        for times in itertools.count(1):
            reported, error = _try(values, first, setup, on_gpu)
            if error is None:
                break
            decided = _decided(error, times, first, on_gpu)
            if decided.given_up:
                reported |= {VALIDATION_ACCURACY: math.nan, "error": decided.why, "traceback": traceback_of(error)}
                break
            tune.report({**reported, RETRIED: decided.why})
            time.sleep(decided.seconds)
        tune.report({**reported, "ended": True})


def _wait(board: ClusterBoard, trial_id: str) -> None:
    """As long as a trial whose worker was lost is to wait: Tune starts it at once, and holds its place free."""
    pause = board.read(pause_of(trial_id))
    if pause:
        time.sleep(float(pause))
        board.remove(pause_of(trial_id))


def _decided(error: Exception, times: int, first: Job, on_gpu: bool) -> Consequence:
    """What becomes of a trial that failed so many times in this process. Raises NeedsWholeGpu."""
    if on_gpu and environment.is_out_of_gpu_memory(error):
        if tune.get_context().get_trial_resources().required_resources.get("GPU", 0.0) < 1:
            raise NeedsWholeGpu(one_line(error)) from error
        setting = "" if first.needs.gpus == "required" else f"resources.{first.stage}/{first.plugin}.gpus"
        return Consequence(gpu_too_small(setting), given_up=True)
    if is_unreachable(error):
        return without_store(times, one_line(error))
    return Consequence(one_line(error), given_up=True)


def _try(
    values: Mapping[str, Any], first: Job, setup: WorkerSetup, on_gpu: bool
) -> tuple[dict[str, Any], Exception | None]:
    """Fits the method with these values, tells Tune of every epoch, measures the outcome. Gives what there is to report
    at its end, and why it failed if it did.
    """
    epochs_done, of, cycle = 0, 0, 1

    def on_epoch(done: int, epochs: int, metrics: Mapping[str, float]) -> bool:
        nonlocal epochs_done, of
        epochs_done, of = done, epochs
        if done < epochs and VALIDATION_ACCURACY in metrics:
            whole_cycles = {"cycles": done // cycle} if done % cycle == 0 else {}  # ASHA passes over what has none
            tune.report({**metrics, "epoch": done, "epochs": epochs, **whole_cycles})
        return False

    outcome: dict[str, Any] = {}
    failed = None
    try:
        context = setup.enter(on_gpu, on_epoch)
        plugin = context.registry.get("method", first.plugin, first.name)
        job = trial_job(first, plugin, values)
        cycle = cycle_of(plugin.make(job.params, job.name))
        whole = context.store.has_whole(job.stage, job.key)
        history, expected = fit_history(context.store, job)
        for done, metrics in enumerate(history, start=1):
            on_epoch(done, expected, metrics)
        if not whole:
            run_job(job, context)
        outcome = {VALIDATION_ACCURACY: validation_accuracy(job, context), "finished": True}
    except Exception as error:  # noqa: BLE001 - a trial may fail in any way, the search goes on
        failed = error
    return {**outcome, "epoch": epochs_done, "epochs": of, "cycles": epochs_done // cycle}, failed


def _job(row: TrialRow, search: PlannedSearch) -> Job:
    values = search_values(row.config, search.space, search.first.params)
    return trial_job(search.first, search.method.plugin, values)


def _row(row: TrialRow, search: PlannedSearch, store: Store) -> Trial:
    job = _job(row, search)
    history, of = fit_history(store, job)
    seconds = sum(epoch.get("seconds", 0.0) for epoch in history)
    if store.has(job.stage, job.key):
        seconds = max(seconds, read_about(store, job.stage, job.key)["seconds"])
    status: TrialStatus = "unfinished"
    error = str(row.last.get("error") or "")
    if row.state == "lost":
        error = row.error or "its worker process was lost"
    if error:
        status = "failed"
    elif row.last.get("finished"):
        status = "finished"
    elif row.state == "stopped":
        status, history = "stopped", history[: int(row.last["epoch"])]  # another trial with its values may have gone on
    measured = [epoch[VALIDATION_ACCURACY] for epoch in history if VALIDATION_ACCURACY in epoch]
    accuracy = row.last.get(VALIDATION_ACCURACY) if status == "finished" else (measured[-1] if measured else None)
    return Trial(
        number=row.number,
        chosen=search_values(row.config, search.space, search.first.params),
        status=status,
        accuracy=accuracy,
        epochs=len(history),
        of=of or int(row.last.get("epochs", 0)),
        seconds=seconds,
        error=error,
        key=job.key,
        history=tuple(history),
    )
