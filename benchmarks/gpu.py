"""What to look at when a GPU is first at hand, as one script: ``python benchmarks/gpu.py --reference PATH``.

From the root; PATH is a checkout of the authors' public repository ``hou-yz/color_distillation``, and may be left out.
Needs torch and this checkout, no Ray. Prints Markdown tables:

- what the card gives at its best: matrix products in fp32 (without TF32) and bf16;
- ColorCNN's training, the paper's (U-Net of width 64, 32x32, batch 128, AlexNet): images a second, share of that best,
  memory, in fp32 and bf16;
- the same with several trainings on the card at once: what sharing it is worth, and the share to state as ``gpus:``;
- how far bf16 leads the weights away from fp32: losses over the first steps;
- against the reference code, where PATH is given: ``benchmarks/train_colorcnn.py --device cuda``.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import subprocess
import sys
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from train_colorcnn import PRECISIONS, Ours, Setting, peak_memory

from harness.environment import devices, set_torch_up

BATCH = 128
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def synchronize(device: str) -> None:
    """Waits for what the device has been asked to do; a CPU is never behind."""
    if device != "cpu":
        torch.cuda.synchronize()


def best_flops(device: str, precision: str, side: int) -> float:
    """Floating point operations a second in products of square matrices."""
    a, b = (torch.randn(side, side, device=device, dtype=DTYPES[precision]) for _ in range(2))
    for _ in range(3):
        a @ b
    synchronize(device)
    repeats, start = 10, time.perf_counter()
    for _ in range(repeats):
        a @ b
    synchronize(device)
    return repeats * 2 * side**3 / (time.perf_counter() - start)


def flops_of_a_step(setting: Setting, precision: str, batch: int) -> int:
    """Floating point operations of forward and backward pass, counted by torch."""
    step = Ours(setting, precision, batch)
    with FlopCounterMode(display=False) as counter:
        step.step()
    return int(counter.get_total_flops())


def timed(setting: Setting, precision: str, batch: int, steps: int, together: Barrier) -> tuple[float, int]:
    """Seconds a step and peak bytes; together: where all processes begin to be timed."""
    set_torch_up()
    before, step = peak_memory(setting.device), Ours(setting, precision, batch)
    for _ in range(3):
        step.step()
    synchronize(setting.device)
    together.wait()
    start = time.perf_counter()
    for _ in range(steps):
        step.step()
    synchronize(setting.device)
    return (time.perf_counter() - start) / steps, peak_memory(setting.device) - before


def in_processes(count: int, setting: Setting, precision: str, batch: int, steps: int) -> list[tuple[float, int]]:
    """What ``timed`` gives of so many trainings at once, each in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    together, answers = spawn.Barrier(count), spawn.Queue()
    arguments = (answers, setting, precision, batch, steps, together)
    running = [spawn.Process(target=_answer, args=arguments) for _ in range(count)]
    for process in running:
        process.start()
    found = [answers.get() for _ in running]
    for process in running:
        process.join()
    return found


def _answer(answers: Any, *arguments: Any) -> None:
    answers.put(timed(*arguments))


def print_training(settings: list[Setting], best: dict[str, float], batch: int, steps: int) -> None:
    """Speed and memory of single trainings."""
    print("\n| colors | precision | images/s | ms a step | share of the best % | MB |\n|---|---|---|---|---|---|")
    for setting, precision in itertools.product(settings, PRECISIONS):
        ((seconds, memory),) = in_processes(1, setting, precision, batch, steps)
        share = flops_of_a_step(setting, precision, batch) / seconds / best[precision]
        numbers = f"{batch / seconds:.0f} | {1e3 * seconds:.1f} | {100 * share:.1f} | {memory / 1e6:.0f}"
        print(f"| {setting.colors} | {precision} | {numbers} |", flush=True)


def print_sharing(setting: Setting, batch: int, steps: int, counts: list[int]) -> None:
    """Speed of several trainings on one device."""
    print("\n| trainings at once | images/s in all, bf16 | to the first row |\n|---|---|---|")
    rates = []
    for processes in counts:
        found = in_processes(processes, setting, "bf16", batch, steps)
        rates.append(sum(batch / seconds for seconds, _ in found))
        print(f"| {processes} | {rates[-1]:.0f} | {rates[-1] / rates[0]:.2f} |", flush=True)


def print_losses(setting: Setting, batch: int) -> None:
    """The first losses of the same training in both precisions."""
    trainings = [Ours(setting, precision, batch) for precision in PRECISIONS]
    print(f"\n| step | {' | '.join(f'loss, {precision}' for precision in PRECISIONS)} |\n|---|---|---|")
    for number in range(1, 21):
        losses = [training.step() for training in trainings]
        if number in (1, 2, 5, 10, 20):
            print(f"| {number} | {' | '.join(f'{loss:.4f}' for loss in losses)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", metavar="PATH", help="a checkout of the authors' code")
    parser.add_argument("--device", default="cuda", help="cuda or cpu (cuda)")
    parser.add_argument("--colors", type=int, nargs="+", default=[2, 64], help="numbers of colors (2 64)")
    parser.add_argument("--batch", type=int, default=BATCH, help="images in a step (128)")
    parser.add_argument("--steps", type=int, default=50, help="timed steps (50)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8], help="trainings at once (1 2 4 8)")
    parser.add_argument("--side", type=int, default=8192, help="of the matrices (8192)")
    arguments = parser.parse_args()
    if arguments.device != "cpu" and not torch.cuda.is_available():
        sys.exit("torch sees no GPU here; --device cpu tries the script itself.")
    set_torch_up()
    print(f"{devices(arguments.device)}, torch {torch.__version__}, batch {arguments.batch}\n")
    best = {precision: best_flops(arguments.device, precision, arguments.side) for precision in PRECISIONS}
    print("| precision | TFLOP/s of a matrix product |\n|---|---|")
    print("\n".join(f"| {precision} | {flops / 1e12:.1f} |" for precision, flops in best.items()), flush=True)
    settings = [Setting("alexnet", colors, arguments.device) for colors in arguments.colors]
    print_training(settings, best, arguments.batch, arguments.steps)
    print_sharing(settings[0], arguments.batch, arguments.steps, arguments.processes)
    print_losses(settings[0], arguments.batch)
    if arguments.reference is not None:
        script = Path(__file__).with_name("train_colorcnn.py")
        options = ["--reference", arguments.reference, "--device", arguments.device]
        subprocess.run([sys.executable, str(script), *options], check=True)


if __name__ == "__main__":
    main()
