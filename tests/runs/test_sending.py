"""fewcolors itself reaches workers that do not have it."""

from workplace import EXAMPLES, Workplace

TASK = EXAMPLES / "my_task.py"
SPEC = "name: tiny\ndatasets: [witness]\nclassifiers: [tiny-net]\nmethods: [median-cut]\ncolors: 2\nreports: [tables]\n"


def test_workers_run_the_drivers_own_code(workplace: Workplace) -> None:
    witness = workplace.folder / "witness.py"
    witness.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "import fewcolors, harness, methods, tasks\n"
        "from harness.contracts import DatasetArrays, Split\n"
        "from harness.registry import dataset\n"
        "@dataset('witness')\n"
        "class Witness:\n"
        "    def load(self):\n"
        "        ours = (fewcolors, harness, methods, tasks)\n"
        "        Path('seen.txt').write_text('\\n'.join(module.__file__ for module in ours))\n"
        "        images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)\n"
        "        split = Split.of(images, np.arange(40) % 2)\n"
        "        return DatasetArrays(split, split, ('even', 'odd'))\n"
    )
    workplace.fewcolors("run", workplace.spec(SPEC), "--plugin", TASK, "--plugin", witness, FEWCOLORS_SEND_CODE="1")
    assert {row["status"] for row in workplace.cells()} == {"ok"}
    seen = (workplace.folder / "seen.txt").read_text().splitlines()
    assert len({place for place in seen if "py_modules_files" in place}) == 4
