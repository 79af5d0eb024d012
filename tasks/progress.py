"""What a user sees while many files are read: a bar on a terminal, a line now and then elsewhere; both on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from harness.encoding import thread_count

T = TypeVar("T")
PLAIN_SECONDS = 10.0
"""Between two lines; what takes less says nothing."""


def with_progress(work: Callable[[T], None], items: Sequence[T], doing: str) -> None:
    """Does the work on each item on as many threads as this process may use.

    Args:
        work: Called once for each item, from several threads at once.
        items: What it is called with.
        doing: What is done, for the user.

    Raises:
        Exception: The first that ``work`` raised; what has not begun then is not begun any more.
    """
    console = Console(stderr=True)
    said = time.monotonic()
    with ThreadPoolExecutor(thread_count()) as pool:
        futures = [pool.submit(work, item) for item in items]
        ended: Iterable[Future[None]] = as_completed(futures)
        if console.is_terminal:
            ended = track(ended, doing, len(items), console=console, transient=True)
        try:
            for done, future in enumerate(ended, 1):
                future.result()
                if not console.is_terminal and time.monotonic() - said > PLAIN_SECONDS:
                    said = time.monotonic()
                    line = f"fewcolors: {doing}: {done:,} of {len(items):,}"
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
