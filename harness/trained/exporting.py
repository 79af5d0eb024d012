"""What a run trained, as files for use elsewhere: safetensors, a JSON card, and how to load them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.contracts import BadInput, PlannedCell
from harness.naming import plain_name
from harness.registry import Registry
from harness.trained.find import TrainedRun, load_state, ready_dataset
from harness.work.artifacts import STATE, read_about
from harness.writing import write_whole


def export_name(cell: PlannedCell) -> str:
    """A file name, without suffix, that tells a trained method from the others of its run."""
    return plain_name(f"{cell.variant} {cell.level} colors {cell.dataset} {_learned_from(cell)} seed {cell.seed}")


def _learned_from(cell: PlannedCell) -> str:
    """The classifier that a method learned from, or judges one that learns nothing."""
    return cell.fitted_on or cell.classifier


def card_of(run: TrainedRun, cell: PlannedCell, plugins: Sequence[str] = ()) -> dict[str, Any]:
    """All that is known of a trained method, as plain JSON values. Accuracies are fractions, None where not judged.

    plugins: what is not installed and has to be named to load it again.
    """
    key = run.artifact("quantizers", cell)
    data = ready_dataset(run, cell)
    judged = read_about(run.store, "cells", run.artifact("cells", cell)) if run.store.has("cells", cell.key) else {}
    credits = [r.get("credit", "") for r in run.recipes if r["what"] == "dataset" and r["name"] == cell.dataset]
    name = export_name(cell)
    also = f", plugins={json.dumps(list(plugins))}" if plugins else ""
    return {
        "method": cell.method,
        "variant": cell.variant,
        "params": dict(cell.params),
        "colors": cell.level,
        "dataset": {
            "name": cell.dataset,
            "classes": len(data.classes),
            "image_size": list(data.test.images.shape[1:3]),
            "normalization": asdict(data.normalization),
            "credit": "".join(credits),
        },
        "classifier": _learned_from(cell),
        "seed": cell.seed,
        "precision": cell.precision,
        "accuracy": {
            "reduced": judged.get("accuracy"),
            "original": judged.get("original_accuracy"),
            "test_images": len(data.test),
        },
        "key": key,
        "versions": read_about(run.store, "quantizers", key)["versions"],
        "state": f"{name}.safetensors",
        "load": [
            "import fewcolors as fc",
            f'method = fc.load_exported("{name}.json"{also})',
            f"reduced = fc.quantize(images, method, {cell.level})  # uint8 [N, H, W, 3]; reduced.render() shows them",
        ],
    }


def write_export(run: TrainedRun, cell: PlannedCell, card: Mapping[str, Any], folder: Path) -> Path:
    """Writes the state as it is in the store, and the card with its checksum; returns the card's path."""
    content = (run.store.path("quantizers", card["key"]) / STATE).read_bytes()
    write_whole(folder / card["state"], content)
    path = folder / f"{export_name(cell)}.json"
    whole = {**card, "state_sha256": hashlib.sha256(content).hexdigest()}
    write_whole(path, (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def read_exported(path: Path, registry: Registry, device: str = "cpu") -> Any:
    """The trained method of an exported card, ready for ``palettize``. Raises BadInput."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        state, digest = path.with_name(content["state"]), content["state_sha256"]
        intact = hashlib.sha256(state.read_bytes()).hexdigest() == digest
        name, params = content["method"], content["params"]
    except OSError as error:
        raise BadInput(f"{error.filename}: cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{path}: not the card of an exported method.") from None
    if not intact:
        raise BadInput(f"{state}: not the file that {path.name} describes, export it again.")
    method = registry.get("method", name, str(path)).make(params, str(path))
    load_state(method, state, device)
    return method
