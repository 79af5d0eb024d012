"""What a user sees while many files are read: a bar on a terminal, a line now and then elsewhere; both on stderr.

In a run the driver shows it, as it does the epochs of a training.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from harness.contracts import say_how_far
from harness.encoding import core_count

T = TypeVar("T")
PLAIN_SECONDS = 10.0
"""Between two lines; what takes less says nothing."""


def told(items: Iterable[T], count: int, doing: str) -> Iterator[T]:
    """Gives the items, and tells the user how many were done.

    Args:
        items: An item counts as done when the next one is asked for.
        count: How many there are.
        doing: What is done, for the user.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(items, doing, count, console=console, transient=True)
        return
    said = time.monotonic()
    for done, item in enumerate(items):
        say_how_far(done, count)
        if time.monotonic() - said > PLAIN_SECONDS:
            said = time.monotonic()
            line = f"fewcolors: {doing}: {done:,} of {count:,}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        yield item


def with_progress(work: Callable[[T], None], items: Sequence[T], doing: str) -> None:
    """Does the work on each item on as many threads as there are cores: nothing of a run goes before its images.

    Args:
        work: Called once for each item, from several threads at once.
        items: What it is called with.
        doing: What is done, for the user.

    Raises:
        Exception: The first that ``work`` raised; what has not begun then is not begun any more.
    """
    with ThreadPoolExecutor(core_count()) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in told(as_completed(futures), len(futures), doing):
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
