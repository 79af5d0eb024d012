"""A run from spec to report: scheduling on Ray, progress, events, results."""

import os

# Read by Ray in drivers and in workers: a job without a GPU sees none.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
