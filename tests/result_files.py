"""The result files of a made-up study: shapes and sizes of a real one, numbers of a formula."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from sfsc.data.manifest import Manifest, Row, pixel_digest
from sfsc.data.prepared import file_digest

WIDTHS = (0.125, 0.25, 0.5, 1.0)
MACS = (220_000, 790_000, 3_000_000, 11_700_000)
METHODS = {
    "full_alone": (0.69, (1.0,)),
    "unified": (0.545, (0.125,)),
    "bct_s": (0.575, WIDTHS),
    "bct_s_classifier_all": (0.515, WIDTHS),
    "sfsc": (0.60, WIDTHS),
}
"""Level of mAP and widths of each run."""


def write_study(
    root: Path, *, dataset: str = "synthetic", seeds: int = 3, steps: int = 400
) -> list[Path]:
    """Write the results of every method and seed; return their folders, method by method."""
    return [
        write_run(root, dataset=dataset, method=method, seed=seed, steps=steps)
        for method in METHODS
        for seed in range(seeds)
    ]


def write_run(
    root: Path, *, dataset: str = "synthetic", method: str = "sfsc", seed: int = 0, steps: int = 60
) -> Path:
    """Write `run.json`, `cross_test.json` and `training.parquet` of one training."""
    folder = root / dataset / method / f"seed{seed}"
    folder.mkdir(parents=True)
    generator = np.random.default_rng([seed, *method.encode()])
    level, widths = METHODS.get(method, (0.5, WIDTHS))
    (folder / "run.json").write_text(json.dumps(_record(dataset, method, seed, widths, steps)))
    (folder / "cross_test.json").write_text(json.dumps(_test(generator, level, widths)))
    _curves(generator, method, widths, steps).to_parquet(folder / "training.parquet")
    return folder


def _record(
    dataset: str, method: str, seed: int, widths: tuple[float, ...], steps: int
) -> dict[str, Any]:
    loss = {"classifier_gradient": "all" if method.endswith("_all") else "full"}
    macs = [MACS[WIDTHS.index(width)] for width in widths]
    return {
        "dataset": dataset, "method": method, "seed": seed, "widths": widths,
        "settings": {"loss": loss}, "macs": macs, "parameters": macs,
        "epochs": 20, "steps": steps, "wall_seconds": 123.4, "threads": 1,
        "git_revision": "0123456789abcdef" * 2 + "01234567", "git_clean": True,
        "config_digest": "c" * 64, "code_digest": "d" * 16, "data_digest": "e" * 64,
        "environment": {"python": "3.11.9", "torch": "2.13.0", "cpu": "A processor", "cpus": "2"},
        "validation": [{"epoch": 20, "map": [[0.5]], "average_map": 0.5}],
    }  # fmt: skip


def _test(
    generator: np.random.Generator, level: float, widths: tuple[float, ...]
) -> dict[str, Any]:
    size = np.log2(np.array(widths)) if len(widths) > 1 else np.zeros(1)
    matrix = (
        level + 0.018 * (size[:, None] + size + 3) + generator.normal(0, 0.006, (len(widths),) * 2)
    )
    off_diagonal = matrix[~np.eye(len(widths), dtype=bool)]
    names = {"map_step": 0, "map_trapezoidal": -0.01, "minp": -0.3, "cmc_1": 0.2, "cmc_5": 0.3}
    return {
        "average_precision": "step", "n_query": 720, "n_gallery": 1440, "n_skipped_queries": 0,
        "matrices": {name: (matrix + shift).clip(0, 1).tolist() for name, shift in names.items()},
        "summary": {
            "average_map": matrix.mean(), "diagonal_map": np.diagonal(matrix).mean(),
            "off_diagonal_map": off_diagonal.mean() if len(off_diagonal) else None,
            "worst_map": matrix.min(),
        },
    }  # fmt: skip


def _curves(
    generator: np.random.Generator, method: str, widths: tuple[float, ...], steps: int
) -> pd.DataFrame:
    """Norms and uncertainties that fall, cosines that rise, all noisy."""
    rows = []
    per_epoch = max(steps // 20, 1)
    for step in range(1, steps + 1):
        time, epoch = step / steps, (step - 1) // per_epoch
        for switch, width in enumerate(widths):
            norm = (1.2 + width) * np.exp(-time + generator.normal(0, 0.25))
            rows.append((step, epoch, "gradient_norm", switch, -1, "", norm))
            u = 0.62 - 0.3 * time * (1 + 0.3 * width) + generator.normal(0, 0.01)
            rows.append((step, epoch, "uncertainty", switch, -1, "", u))
        if step % 10 == 1:
            rows += _cosines(generator, method, widths, step, epoch, time)
    columns = ["step", "epoch", "metric", "switch", "other", "layer", "value"]
    return pd.DataFrame(rows, columns=columns).astype({"metric": "category", "value": "float32"})


def _cosines(
    generator: np.random.Generator, method: str, widths: tuple[float, ...], step: int, epoch: int,
    time: float,
) -> Iterator[tuple[int, int, str, int, int, str, float]]:  # fmt: skip
    shift = {"sfsc": 0.35, "bct_s": 0.25}.get(method, 0.15) + 0.3 * time
    for switch in range(len(widths)):
        for other in range(switch + 1, len(widths)):
            for metric, layers in (
                ("cosine_whole", ("",)),
                ("cosine_nested", ("",)),
                ("cosine_layer", ("stem.conv", "stage1.conv", "stage2.conv")),
            ):
                easier = 0.3 if metric == "cosine_whole" else 0.0
                for layer in layers:
                    value = shift + easier + generator.normal(0, 0.35)
                    yield (step, epoch, metric, switch, other, layer, value)


def write_prepared(folder: Path, *, identities: int = 8, side: int = 24) -> Path:
    """Write a prepared set: each identity a colour, 2 queries and 4 gallery images in 6 cameras."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    rows, images = [], []
    for identity in range(identities):
        colour = generator.integers(40, 216, 3)
        for camera in range(6):
            noise = generator.integers(-40, 41, (side, side, 3))
            images.append((colour + noise).astype(np.uint8))
            split = "query" if camera < 2 else "gallery"
            path = f"{identity}/{camera}.png"
            rows.append(Row(path, identity, camera, split, pixel_digest(images[-1])))
    Manifest.from_rows(rows).save(folder / "manifest.csv")
    np.save(folder / "images.npy", np.stack(images))
    digests = {
        f"{name}_sha256": file_digest(folder / file)
        for name, file in (("manifest", "manifest.csv"), ("images", "images.npy"))
    }
    (folder / "summary.json").write_text(json.dumps(digests))
    return folder


def write_embeddings(run: Path, prepared: Path, *, noise: float = 0.8) -> None:
    """Write embeddings of a prepared set in which the smaller a sub-model the noisier it is."""
    record = json.loads((run / "run.json").read_text())
    manifest = Manifest.load(prepared / "manifest.csv")
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((manifest.identity.max() + 1, 16))

    def embed(split: str) -> np.ndarray:
        own = centres[manifest.identity[manifest.rows(split)]]
        vectors = np.stack(
            [own + noise / w**0.2 * generator.standard_normal(own.shape) for w in record["widths"]]
        )
        return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)

    names = {key: record[key] for key in ("dataset", "method", "seed", "widths")}
    save_file(
        {"query": embed("query"), "gallery": embed("gallery")},
        run / "embeddings.safetensors",
        metadata={"run": json.dumps(names)},
    )
