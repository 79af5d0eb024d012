"""Equal methods under different names: how many of their pairs does the page call different?

``python benchmarks/initializations.py [--names 6] [--seeds 3] [--folder FOLDER]``, from the root. ColorCNN of the
quickstart is trained under several names that differ in nothing but the numbers that its weights start from. Each name
is the page's baseline once, so each pair is tested as the page tests it, within the family of that baseline.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace
from pathlib import Path

import pandas as pd
import yaml

import fewcolors as fc
from harness.run.results import gather
from reports.records import Records
from reports.significance import significance_table

PLUGIN = '''
"""ColorCNN, whose name decides what its training starts from."""

from dataclasses import replace

import fewcolors as fc
from methods.colorcnn.method import ColorCNN


@fc.quantizer("colorcnn-again", summary="ColorCNN from other initial weights")
class ColorCNNAgain(ColorCNN):
    again: int = 0

    def fit(self, lesson):
        super().fit(replace(lesson, seed=1000 * self.again + lesson.seed))
'''


def spec(names: int, seeds: int) -> dict[str, object]:
    """The quickstart's dataset, classifier and ColorCNN at 2 colors, under so many names."""
    quickstart = yaml.safe_load(Path("examples/quickstart.yaml").read_text())
    (colorcnn,) = (m for m in quickstart["methods"] if isinstance(m, dict) and m["name"] == "colorcnn")
    params = colorcnn["params"] | {"again": list(range(1, names + 1))}
    return {
        "name": "initializations",
        "datasets": quickstart["datasets"],
        "classifiers": quickstart["classifiers"],
        "methods": [{"name": "colorcnn-again", "params": params}],
        "colors": [2],
        "seeds": list(range(seeds)),
        "reports": ["tables"],
    }


def tested(folder: Path) -> pd.DataFrame:
    """Every pair of a run's variants once, as ``significance.csv`` has it where one of the two is the baseline."""
    results, records = gather(folder), Records()
    variants = sorted({cell.variant for cell in results.cells})
    tables = []
    for baseline in variants[:-1]:
        table = significance_table(replace(results, spec={**results.spec, "baseline": baseline}), records)
        tables.append(table[table["variant_a"] > baseline])
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("runs/initializations"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    plugin = arguments.folder / "colorcnn_again.py"
    plugin.write_text(PLUGIN)
    run = fc.run(spec(arguments.names, arguments.seeds), plugins=[str(plugin)], out=arguments.folder)
    print(run.cells.groupby("variant")["accuracy"].agg(["mean", "min", "max"]).mul(100).round(1).to_string())
    table = tested(arguments.folder)
    across, single = table[table["seed"].isna()], table[table["seed"].notna()]
    for rows, what in ((across, "across the seeds"), (single, "of one training each")):
        different, p = rows["verdict"].isin(["better", "worse"]), rows["p"] < 0.05
        print(
            f"{len(rows)} comparisons {what}: {different.sum()} called different (p below 0.05 before Holm's "
            f"adjustment: {p.sum()}), {(rows['verdict'] == 'same').sum()} the same within a point, "
            f"largest difference {100 * rows['difference'].abs().max():.1f} points"
        )
    pairs = len(list(itertools.combinations(range(arguments.names), 2)))
    assert len(across) == pairs, f"{len(across)} of {pairs} pairs were tested"


if __name__ == "__main__":
    main()
