"""Where the command ``fewcolors`` starts: it checks that ``harness`` is ours before importing any of it.

If another ``harness`` came first on the Python path, none of our code would run, and nothing could report the problem.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def main() -> None:
    """Runs the command line, or says in one sentence what hides it; then the exit code is 2."""
    found = importlib.util.find_spec("harness")
    places = [Path(place) for place in (found.submodule_search_locations or [found.origin or ""])] if found else []
    if [place.resolve() for place in places] != [Path(__file__).resolve().parent / "harness"]:
        print(
            f"fewcolors: another module called 'harness' ({', '.join(map(str, places)) or 'not found'}) hides the one "
            "of fewcolors; rename it or take it off the Python path.",
            file=sys.stderr,
        )
        sys.exit(2)
    from harness.cli import main_and_leave as run

    run()
