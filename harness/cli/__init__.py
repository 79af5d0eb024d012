"""The command line.

Exit code 0: all cells ok; 1: some failed, or a store, a disk or the cluster did; 2: bad spec or usage, before anything
ran; 130: Ctrl-C.
"""

from harness.cli import runs, reporting, watching, storing, searches, trained, plugins, specs  # noqa: F401, I001 - their commands, in the order of --help
from harness.cli.app import app, main, main_and_leave

__all__ = ["app", "main", "main_and_leave"]
