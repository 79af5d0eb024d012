"""What a schedule's loop does not wait for: a store that is far away may take seconds to answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from harness.work.store import Store

_Result = TypeVar("_Result")
_AT_A_TIME = 16


class AtOnce(Executor):
    """Does what it is given before it returns."""

    def submit(self, call: Callable[..., _Result], /, *args: Any, **options: Any) -> Future[_Result]:
        done: Future[_Result] = Future()
        try:
            done.set_result(call(*args, **options))
        except Exception as error:  # noqa: BLE001 - as of any executor, whoever asks for the result is told
            done.set_exception(error)
        return done


@contextlib.contextmanager
def aside_for(store: Store) -> Iterator[Executor]:
    """Threads for a store that is far away; a folder is not worth them. On leaving, all that was given is done.

    Where something is raised, only what has begun is.
    """
    executor = ThreadPoolExecutor(_AT_A_TIME, "aside") if store.distant else AtOnce()
    try:
        yield executor
    except BaseException:
        executor.shutdown(cancel_futures=True)
        raise
    executor.shutdown()
