"""What pyproject.toml cannot express: the folder ``examples/`` is installed inside the package ``harness``."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["harness*", "methods*", "tasks*", "reports*"]),
        "harness.examples",
    ],
    package_dir={"harness.examples": "examples"},
)
