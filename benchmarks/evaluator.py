"""What evaluating one cell of the cross-test matrix costs, at the sizes of the paper's data sets.

`python -m benchmarks.evaluator --json` prints

    over_matmul          time of one cell at Market-1501 size over the blocked float32 matrix
                         product alone in its fastest block size: the limit of any evaluator
                         that computes all scores. The embeddings are as good as a standard
                         network's; `over_matmul_untrained` is the same for useless ones, whose
                         positives are anywhere in the gallery
    speedup_over_sort    time of an evaluator that sorts the whole gallery of every query and
                         promises what ours does, stable ties (numpy or torch, whichever is faster;
                         in blocks of float32 scores; metrics from the sorted hits), over ours;
                         `speedup_over_unstable_sort` is the same for ties in any order
    extra_bytes_msmt17   peak memory of one cell at MSMT17 size, above loaded inputs and libraries;
                         in a fresh process

and the absolute figures that they come from. All contestants use one compute thread, as a job of
the rule `evaluate` does, and keep freed memory, as it does.

`python -m benchmarks.evaluator --scale msmt17 --json` measures something else: seconds and peak
memory of all tests of a run at that size (`benchmarks.evaluate_stage`), with `--reranking` those of
k-reciprocal re-ranking.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks import evaluate_stage
from benchmarks.cells import MARKET1501, MSMT17, UNTRAINED, Cell, make_cell
from benchmarks.memory import status_bytes
from sfsc.compute import keep_freed_memory
from sfsc.retrieval.matrix import evaluate_matrix

THREADS = 1
"""Those of the rule `evaluate`."""
REPEATS = 5
SCALES = {"market1501": MARKET1501, "msmt17": MSMT17}
LIMITS = {"over_matmul": 2.0, "speedup_over_sort": 3.5, "extra_bytes_msmt17": 2**30}


def evaluate_by_counting(cell: Cell) -> float:
    """Evaluate with this project's evaluator; return mAP."""
    result = evaluate_matrix(
        cell.query[None], cell.gallery[None], cell.query_labels, cell.gallery_labels
    )
    return result.average_map("step")


def multiply(cell: Cell, block: int) -> None:
    """Compute all scores and nothing else."""
    scores = np.empty((block, len(cell.gallery)), dtype=np.float32)
    for start in range(0, len(cell.query), block):
        part = cell.query[start : start + block]
        np.matmul(part, cell.gallery.T, out=scores[: len(part)])


def sort_numpy(scores: np.ndarray) -> np.ndarray:
    """Rank each row, best first, ties in gallery order."""
    return np.argsort(-scores, axis=1, kind="stable")


def sort_unstable(scores: np.ndarray) -> np.ndarray:
    """Rank each row, best first, ties in any order."""
    return np.argsort(-scores, axis=1, kind="quicksort")


def sort_torch(scores: np.ndarray) -> np.ndarray:
    """Rank each row, best first, ties in gallery order."""
    order = torch.argsort(torch.from_numpy(scores), dim=1, descending=True, stable=True)
    return order.numpy()


def evaluate_by_sorting(cell: Cell, sort: Callable[[np.ndarray], np.ndarray]) -> float:
    """Evaluate as the field does: sort the gallery for every query; return mAP."""
    precisions = []
    identity, camera = cell.gallery_labels
    for start in range(0, len(cell.query), 256):
        block = slice(start, start + 256)
        orders = sort(cell.query[block] @ cell.gallery.T)
        searched = zip(*(column[block] for column in cell.query_labels), strict=True)
        for order, (own_identity, own_camera) in zip(orders, searched, strict=True):
            is_hit = identity[order] == own_identity
            is_kept = ~(is_hit & (camera[order] == own_camera))
            ranks = np.flatnonzero(is_hit[is_kept]) + 1
            if len(ranks):
                precisions.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
    return float(np.mean(precisions))


def compare_with_matmul(cell: Cell) -> dict[str, float]:
    """Return median seconds of our evaluator and of the matrix product in its best block size.

    They alternate, so that a busy machine slows both.
    """
    blocks = (128, 256, 512)
    evaluate_by_counting(cell)  # starts the BLAS threads
    rounds = [
        [seconds(lambda block=block: multiply(cell, block)) for block in blocks]
        + [seconds(lambda: evaluate_by_counting(cell))]
        for _ in range(REPEATS)
    ]
    *products, ours = (statistics.median(times) for times in zip(*rounds, strict=True))
    return {"matmul": min(products), "ours": ours}


def compare_with_sorting(cell: Cell) -> dict[str, float]:
    """Return median seconds of each way to sort; check that all evaluators agree."""
    times = {}
    for sort in (sort_numpy, sort_torch, sort_unstable):
        repeats = [seconds(lambda sort=sort: evaluate_by_sorting(cell, sort)) for _ in range(3)]
        times[sort.__name__] = statistics.median(repeats)
        difference = abs(evaluate_by_sorting(cell, sort) - evaluate_by_counting(cell))
        if difference > 1e-6:
            raise SystemExit(f"All evaluators must agree. Found mAP {difference} apart.")
    return times


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_time() -> dict[str, float]:
    """Compare the contestants at Market-1501 size."""
    cell = make_cell(MARKET1501)
    trained = compare_with_matmul(cell)
    untrained = compare_with_matmul(make_cell(MARKET1501, spread=UNTRAINED))
    sorting = compare_with_sorting(cell)
    return {
        "over_matmul": trained["ours"] / trained["matmul"],
        "over_matmul_untrained": untrained["ours"] / untrained["matmul"],
        "speedup_over_sort": min(sorting["sort_numpy"], sorting["sort_torch"]) / trained["ours"],
        "speedup_over_unstable_sort": sorting["sort_unstable"] / trained["ours"],
        "mean_average_precision": evaluate_by_counting(cell),
        "seconds_matmul": trained["matmul"],
        "seconds_ours": trained["ours"],
        **{f"seconds_{name}": value for name, value in sorting.items()},
    }


def measure_memory() -> dict[str, float]:
    """Return the peak memory of one cell at MSMT17 size, above that of inputs and libraries.

    To be called in a fresh process. The kernel's high-water mark is reset to the memory in use just
    before the evaluation, so nothing earlier can hide its peak.
    """
    cell = make_cell(MSMT17)
    multiply(Cell(cell.query[:256], *cell[1:]), 64)  # allocates the BLAS library's own buffers
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = status_bytes("VmRSS")
    elapsed = seconds(lambda: evaluate_by_counting(cell))
    return {"extra_bytes_msmt17": status_bytes("VmHWM") - before, "seconds_msmt17": elapsed}


def measure_memory_apart() -> dict[str, float]:
    """Return `measure_memory()` of a fresh process."""
    command = [sys.executable, "-m", "benchmarks.evaluator", "--memory-only"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--memory-only", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--scale", choices=SCALES, help="all tests of a run at this size, nothing else"
    )
    parser.add_argument("--reranking", action="store_true", help="with --scale: re-rank")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    threadpool_limits(THREADS, user_api="blas")
    keep_freed_memory()
    if arguments.memory_only:
        print(json.dumps(measure_memory()))
        return
    if arguments.scale:
        limits = evaluate_stage.LIMITS
        figures = evaluate_stage.measure(SCALES[arguments.scale], is_reranked=arguments.reranking)
    else:
        limits, figures = LIMITS, measure_time() | measure_memory_apart()
    if arguments.json:
        print(json.dumps({**figures, "limits": limits, "threads": THREADS}, indent=1))
        return
    for name, value in figures.items():
        print(f"{name:<24}{value:>16,.3f}{f'   limit {limits[name]:,}' if name in limits else ''}")


if __name__ == "__main__":
    main()
