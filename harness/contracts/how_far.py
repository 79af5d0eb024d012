"""How far a long piece of a plugin's work is: said from inside it, heard by whoever shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_listener: ContextVar[Callable[[int, int], None] | None] = ContextVar("listener", default=None)


def say_how_far(done: int, of: int) -> None:
    """Tells the run how far a dataset's ``load`` is, from the thread that called it; as often as one likes.

    Args:
        done: How many pieces are done, such as images that were read.
        of: How many there are.
    """
    listener = _listener.get()
    if listener is not None:
        listener(done, of)


@contextlib.contextmanager
def heard_how_far(listener: Callable[[int, int], None]) -> Iterator[None]:
    """Within it ``say_how_far`` calls a function.

    Args:
        listener: Called with what ``say_how_far`` is called with.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
