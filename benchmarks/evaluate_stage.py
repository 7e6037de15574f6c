"""What testing a run takes at the size of a data set of the paper, its embeddings in memory.

The tests of four sub-models run in a process of its own, as in the stage `sfsc evaluate`. The
embeddings are as good as useless: positives are anywhere in the gallery, the hardest case for time
and memory. Those that are re-ranked are a standard network's: useless ones have hardly any
reciprocal neighbours.
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.cells import TRAINED, UNTRAINED, Size, make_centres, make_labels, scatter
from benchmarks.memory import status_bytes
from sfsc.compute import best_device, keep_freed_memory, make_deterministic
from sfsc.retrieval.evaluate import build_index
from sfsc.retrieval.matrix import evaluate_matrix
from sfsc.retrieval.rerankings.k_reciprocal import Settings as Reranking
from sfsc.settings.sections import Evaluate

SUBMODELS = 4
RERANKING = Reranking(k1=20, k2=6, original_weight=0.3)
LIMITS = {"peak_bytes": 4 * 2**30}


@dataclass(frozen=True)
class Test:
    """What is measured."""

    size: Size
    submodels: int
    is_reranked: bool
    threads: int


def measure(
    size: Size, *, is_reranked: bool = False, submodels: int = SUBMODELS, threads: int = 2
) -> dict[str, float]:
    """Return wall seconds and peak resident memory of one full matrix.

    Args:
        size: Size of the test split.
        is_reranked: Whether by k-reciprocal re-ranking.
        submodels: Number of sub-models.
        threads: Threads of torch's operators.
    """
    test = Test(size, submodels, is_reranked, threads)
    command = [sys.executable, "-m", "benchmarks.evaluate_stage", json.dumps(asdict(test))]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure_here(test: Test) -> dict[str, float]:
    """Return the figures of this process, which should have done nothing else."""
    keep_freed_memory()
    device = best_device()
    make_deterministic(test.threads, device)
    generator = np.random.default_rng(0)
    labels = make_labels(generator, test.size)
    centres = make_centres(generator, test.size)
    spread = TRAINED if test.is_reranked else UNTRAINED
    query, gallery = (
        np.empty((test.submodels, len(of.identity), centres.shape[1]), np.float32) for of in labels
    )
    for switch in range(test.submodels):
        query[switch], gallery[switch] = (scatter(generator, of, centres, spread) for of in labels)
    section = Evaluate(
        average_precision="step",
        ranks=(1, 5, 10),
        reranking=RERANKING if test.is_reranked else None,
    )
    start = time.perf_counter()
    result = evaluate_matrix(query, gallery, *labels, index=build_index(section), device=device)
    return {
        "seconds": time.perf_counter() - start,
        "peak_bytes": status_bytes("VmHWM"),
        "embeddings_bytes": query.nbytes + gallery.nbytes,
        "mean_average_precision": result.average_map(),
    }


def main() -> None:
    """Measure what the argument says and print the figures."""
    content = json.loads(sys.argv[1])
    print(json.dumps(measure_here(Test(**content | {"size": Size(*content["size"])}))))


if __name__ == "__main__":
    main()
