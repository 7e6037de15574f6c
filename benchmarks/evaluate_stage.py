"""What the stage `sfsc evaluate` takes at the size of a data set of the paper.

The command runs in a process of its own on stored embeddings of four sub-models. They are as good
as useless: positives are anywhere in the gallery, the hardest case for time and memory. Those that
are re-ranked are a standard network's: useless ones have hardly any reciprocal neighbours.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import save_file

from benchmarks.cells import TRAINED, UNTRAINED, Size, make_centres, make_labels, scatter
from benchmarks.memory import status_bytes
from sfsc.cli import main as sfsc
from sfsc.data.manifest import Manifest
from sfsc.retrieval.relevance import Labels

WIDTHS = (0.125, 0.25, 0.5, 1.0)
RERANKING = {"k1": 20, "k2": 6, "original_weight": 0.3}
LIMITS = {"peak_bytes": 4 * 2**30}
STAGE = (
    *("evaluate", "--config", "evaluate.json", "--embeddings", "embeddings.safetensors"),
    *("--data", ".", "--output", "cross_test.json", "--queries", "queries.safetensors"),
)


def measure(
    size: Size, *, is_reranked: bool = False, widths: tuple[float, ...] = WIDTHS
) -> dict[str, float]:
    """Return wall seconds and peak resident memory of one full matrix.

    Args:
        size: Of the test split.
        is_reranked: Whether by k-reciprocal re-ranking.
        widths: A sub-model each.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, size, widths, is_reranked=is_reranked)
        command = [sys.executable, "-m", "benchmarks.evaluate_stage", name]
        start = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        elapsed = time.perf_counter() - start
        stored = (folder / "embeddings.safetensors").stat().st_size
        summary = json.loads((folder / "cross_test.json").read_text())["summary"]
    return {
        "seconds": elapsed,
        "peak_bytes": float(done.stdout),
        "stored_bytes": stored,
        "mean_average_precision": summary["average_map"],
    }


def write_inputs(folder: Path, size: Size, widths: tuple[float, ...], *, is_reranked: bool) -> None:
    """Write what the stage reads."""
    generator = np.random.default_rng(0)
    labels = dict(zip(("query", "gallery"), make_labels(generator, size), strict=True))
    make_manifest(labels).save(folder / "manifest.csv")
    centres, spread = make_centres(generator, size), TRAINED if is_reranked else UNTRAINED
    embeddings = {
        split: np.stack([scatter(generator, of, centres, spread) for _ in widths])
        for split, of in labels.items()
    }
    run = {"dataset": "custom", "method": "sfsc", "seed": 0, "widths": widths}
    path = folder / "embeddings.safetensors"
    save_file(embeddings, path, metadata={"run": json.dumps(run)})
    section = {"average_precision": "step", "ranks": [1, 5, 10]}
    section |= {"reranking": RERANKING} if is_reranked else {}
    (folder / "evaluate.json").write_text(json.dumps({"config": section, "code": ""}))


def make_manifest(labels: dict[str, Labels]) -> Manifest:
    """Return the manifest of a set that has these splits and no images."""
    identity, camera = (np.concatenate(columns) for columns in zip(*labels.values(), strict=True))
    return Manifest(
        path=np.array([f"{index}.jpg" for index in range(len(identity))]),
        identity=identity,
        camera=camera,
        split=np.repeat(list(labels), [len(of.identity) for of in labels.values()]),
        digest=np.full(len(identity), "0" * 64),
    )


def main() -> None:
    """Run the stage in a folder and print the peak of this process's memory."""
    os.chdir(sys.argv[1])
    if sfsc(STAGE):
        raise SystemExit("`sfsc evaluate` must succeed.")
    print(status_bytes("VmHWM"))


if __name__ == "__main__":
    main()
