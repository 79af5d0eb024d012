"""What a shell suggests for a half-typed word; never raises an error, and loads neither torch nor Ray."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.spec.examples import all_examples

if TYPE_CHECKING:
    from harness.registry import Kind


def spec_names(incomplete: str) -> Iterator[str]:
    """Examples that are specs, then the spec files and folders that begin so."""
    yield from _beginning(incomplete, (example.name for example in all_examples() if example.is_spec))
    with contextlib.suppress(OSError, ValueError):
        for path in sorted(Path().glob(f"{incomplete}*")):
            if path.is_dir() or path.suffix in (".yaml", ".yml"):
                yield f"{path}/" if path.is_dir() else str(path)


def example_names(incomplete: str) -> Iterator[str]:
    return _beginning(incomplete, (example.name for example in all_examples()))


def method_names(incomplete: str) -> Iterator[str]:
    return _beginning(incomplete, _plugins("method"))


def dataset_names(incomplete: str) -> Iterator[str]:
    return _beginning(incomplete, _plugins("dataset"))


def classifier_names(incomplete: str) -> Iterator[str]:
    return _beginning(incomplete, _plugins("classifier"))


def report_names(incomplete: str) -> Iterator[str]:
    """Reports with commas between them: those that come next."""
    *chosen, last = incomplete.split(",")
    before = "".join(f"{name}," for name in chosen)
    yield from (f"{before}{name}" for name in _beginning(last, _plugins("report")) if name not in chosen)


def plugin_names(incomplete: str) -> Iterator[str]:
    return _beginning(incomplete, _plugins("method", "dataset", "classifier", "report", "claim"))


def _beginning(incomplete: str, names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if name.startswith(incomplete))


def _plugins(*kinds: Kind) -> list[str]:
    import warnings

    from harness.contracts import BadInput
    from harness.discovery import discover

    with warnings.catch_warnings(), contextlib.suppress(BadInput):
        warnings.simplefilter("ignore")
        registry = discover()
        return [name for kind in kinds for name in registry.names(kind)]
    return []
