"""The result files of a made-up study: shapes and sizes of a real one, numbers of a formula."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from sfsc.data.manifest import Manifest, Row, pixel_digest
from sfsc.data.prepared import file_digest
from sfsc.settings.jobs import Condition, StudyJob
from sfsc.settings.sections import Loss

from sections import train_section

WIDTHS = (0.125, 0.25, 0.5, 1.0)
MACS = (220_000, 790_000, 3_000_000, 11_700_000)
METHODS = {
    "full_alone": (0.69, (1.0,)),
    "unified": (0.545, (0.125,)),
    "independent": (0.60, WIDTHS),
    "bct": (0.57, WIDTHS),
    "asymmetric": (0.55, WIDTHS),
    "bct_s": (0.575, WIDTHS),
    "bct_s_classifier_all": (0.515, WIDTHS),
    "asymmetric_s": (0.56, WIDTHS),
    "sfsc": (0.60, WIDTHS),
}
"""Level of mAP and widths of each run."""
SEPARATE = frozenset({"independent", "bct", "asymmetric"})
"""Methods with a network per width: no pairs of gradients."""
N_QUERIES = 40
BASES = {"q1": 0.39, "median": 0.4, "q3": 0.42}
"""Quartiles of the latency of a network that does nothing, milliseconds."""

ABLATION = {
    "parts": {
        "both": "sfsc",
        "without_compatible": "sfsc@parts=without_compatible",
        "without_projection": "sfsc@parts=without_projection",
        "neither": "bct_s",
    },
    "granularity": {"nested": "sfsc"}
    | {name: f"sfsc@granularity={name}" for name in ("whole", "layer", "kernel")},
}
KL_WEIGHT = {
    name: "sfsc" if name == "0.0005" else f"sfsc@kl_weight={name}"
    for name in ("0", "5e-05", "0.0005", "0.005", "0.05")
}
"""SFSC alone is varied: BCT-S has no such loss."""
BASE_LOSS = ("softmax", "arcface", "circle_triplet")
COMPATIBLE: dict[str, Any] = {
    "weight": 1.0, "evidence": "softplus", "kl": {"weight": 5e-4, "ramp": 0.5}
}  # fmt: skip
PROJECTION = {"name": "projection", "granularity": "nested", "reduction": "sum"}


def study_job(**changes: object) -> StudyJob:
    """Return a study with two seeds, ablations, robustness studies and a search."""
    values: dict[str, Any] = {
        "study": "toy",
        "datasets": ("synthetic",),
        "compare": tuple(METHODS),
        "seeds": (0, 1),
        "variation_seeds": (0, 1),
        "ablation": {name: conditions("sfsc", runs) for name, runs in ABLATION.items()},
        "robustness": {
            "kl_weight": conditions("sfsc", KL_WEIGHT),
            "base_loss": [
                condition
                for method in ("bct_s", "sfsc")
                for condition in conditions(
                    method,
                    {
                        name: method if name == "softmax" else f"{method}@base_loss={name}"
                        for name in BASE_LOSS
                    },
                )
            ],
        },
        "search": {
            "label_smoothing": conditions("sfsc", {"0": "sfsc@label_smoothing=0", "0.1": "sfsc"})
        },
    }
    return StudyJob(**values | changes)


def small_job(*compare: str, **changes: object) -> StudyJob:
    """Return a study of some compared rows without variations."""
    values: dict[str, object] = {"compare": compare, "ablation": {}, "robustness": {}, "search": {}}
    return study_job(**values | changes)


def conditions(method: str, runs: Mapping[str, str]) -> list[Condition]:
    """Return the conditions of a method by their names."""
    return [Condition(method=method, condition=name, run=run) for name, run in runs.items()]


def write_study(root: Path, job: StudyJob, *, steps: int = 60) -> Path:
    """Write the results of every run of a study; return `results/<study>`."""
    for dataset in job.datasets:
        for run, seeds in job.runs().items():
            for seed in seeds:
                write_run(root, dataset=dataset, method=run, seed=seed, steps=steps)
    return root


def write_run(
    root: Path, *, dataset: str = "synthetic", method: str = "sfsc", seed: int = 0, steps: int = 60
) -> Path:
    """Write the files of one training and its tests; return its folder."""
    folder = root / dataset / method / f"seed{seed}"
    folder.mkdir(parents=True)
    generator = np.random.default_rng([seed, *method.encode()])
    row, _, condition = method.partition("@")
    level, widths = METHODS.get(row, (0.5, WIDTHS))
    level -= 0.02 * bool(condition)
    values = _query_values(generator, level, widths, dataset)
    if row == "independent":
        values[:, ~np.eye(len(widths), dtype=bool)] = 0.01
    (folder / "run.json").write_text(json.dumps(_record(dataset, method, seed, widths, steps)))
    write_test(folder, values)
    _curves(generator, method, widths, steps).to_parquet(folder / "training.parquet")
    return folder


def write_test(folder: Path, values: np.ndarray) -> None:
    """Write `cross_test.json` and `query_metrics.safetensors`.

    Args:
        folder: Of the run.
        values: mAP (step) of each cell and query, (Q, M, M); the other metrics are shifted.
    """
    shifts = {"map_step": 0, "map_trapezoidal": -0.01, "minp": -0.3, "cmc_1": 0.2, "cmc_5": 0.3}
    queries = {
        name: np.moveaxis(values + shift, 0, -1).clip(0, 1).astype(np.float32)
        for name, shift in shifts.items()
    }
    matrices = {name: value.astype(np.float64).mean(-1) for name, value in queries.items()}
    test = {
        "average_precision": "step", "reranking": None, "n_query": len(values),
        "n_gallery": 1440, "n_skipped_queries": 0, "summary": {},
        "matrices": {name: matrix.tolist() for name, matrix in matrices.items()},
    }  # fmt: skip
    (folder / "cross_test.json").write_text(json.dumps(test))
    identity = np.arange(len(values)) // 2
    save_file(
        {name: np.ascontiguousarray(value) for name, value in queries.items()}
        | {"identity": identity},
        folder / "query_metrics.safetensors",
    )


def set_level(folder: Path, level: float, wobble: float = 0.0) -> None:
    """Set mAP to one number in every cell; `wobble` is added and subtracted, query by query."""
    n = len(json.loads((folder / "run.json").read_text())["widths"])
    offsets = np.resize([wobble, -wobble], 40)
    write_test(folder, level + np.tile(offsets[:, None, None], (1, n, n)))


def write_measured(path: Path, *, dataset: str = "synthetic", method: str = "sfsc") -> Path:
    """Write a file of `sfsc measure` for one data set; times grow with the cost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    submodels = [
        {
            "width": width, "parameters": macs // 25, "macs": macs, "model_bytes": macs // 6,
            "embedding_bytes": 512, "latency_rounds": 200, "throughput_rounds": 31,
            "latency_ms": {q: base + macs / 1e8 for q, base in BASES.items()},
            "images_per_second": {"q1": 4e9 / macs, "median": 5e9 / macs, "q3": 6e9 / macs},
        }
        for width, macs in zip(WIDTHS, MACS, strict=True)
    ]  # fmt: skip
    content = {
        "dataset": dataset, "method": method, "image_height": 24, "image_width": 16,
        "embedding_dim": 128, "batch_images": 64, "device": "A processor", "threads": 1,
        "torch": "2.13.0", "submodels": submodels,
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return path


def rerank(folder: Path) -> None:
    """Let the tests of a run be re-ranked ones, as the paper of the re-ranking sets it."""
    path = folder / "cross_test.json"
    reranking = {"k1": 20, "k2": 6, "original_weight": 0.3}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"reranking": reranking}))


def _query_values(
    generator: np.random.Generator, level: float, widths: tuple[float, ...], dataset: str
) -> np.ndarray:
    """Return mAP of each query and cell: queries differ the same way for all methods."""
    size = np.log2(np.array(widths)) if len(widths) > 1 else np.zeros(1)
    matrix = (
        level + 0.018 * (size[:, None] + size + 3) + generator.normal(0, 0.006, (len(widths),) * 2)
    )
    hardness = np.random.default_rng([*dataset.encode()]).normal(0, 0.05, N_QUERIES)
    noise = generator.normal(0, 0.03, (N_QUERIES, *matrix.shape))
    return (matrix + hardness[:, None, None] + noise).clip(0, 1)


def _record(
    dataset: str, method: str, seed: int, widths: tuple[float, ...], steps: int
) -> dict[str, Any]:
    row, _, condition = method.partition("@")
    macs = [MACS[WIDTHS.index(width)] for width in widths]
    gradient = "all" if row.endswith("_all") else "full"
    loss = {
        "base": {"name": "softmax", "label_smoothing": 0.1},
        "terms": {"compatible": COMPATIBLE} if row == "sfsc" else {},
        "submodels": {"base_weight": 1.0, "classifier_gradient": gradient},
    }
    train = train_section(
        epochs=20,
        learning_rate=0.1,
        weight_decay=5e-4,
        gradient_clip=10.0,
        identities_per_batch=16,
        images_per_identity=4,
    )
    settings: dict[str, Any] = {
        "dataset": dataset, "method": method, "seed": seed, "reference": None,
        "network": {
            "backbone": {"name": "small_resnet"}, "widths": widths, "embedding_dim": 128,
            "pooling": "average", "pretrained": None,
        },
        "loss": Loss(**loss).model_dump(mode="json"),
        "aggregation": PROJECTION if row == "sfsc" else {"name": "sum"},
        "train": train.model_dump(mode="json"),
        "augmentation": {
            "flip": True, "rotation": 10.0, "translation": 0.1, "scale": [0.9, 1.1], "shear": 5.0,
            "pad": 0, "colour": 0.2, "erasing": 0.3,
        },
    }  # fmt: skip
    _vary(settings, condition)
    return {
        "dataset": dataset, "method": method, "seed": seed, "widths": widths,
        "network": {"kind": "each" if row in SEPARATE else "switchable"},
        "settings": settings, "macs": macs, "parameters": macs,
        "epochs": 20, "steps": steps, "wall_seconds": 123.4, "threads": 1,
        "git_revision": "0123456789abcdef" * 2 + "01234567", "git_clean": True,
        "config_digest": "c" * 64, "code_digest": "d" * 16, "data_digest": "e" * 64,
        "environment": {"python": "3.11.9", "torch": "2.13.0", "cpu": "A processor", "cpus": "2"},
        "validation": [
            {"epoch": 10, "map": [[0.9]], "average_map": 0.9},
            {"epoch": 20, "map": [[0.5]], "average_map": 0.5 + 0.01 * seed + 0.1 * bool(condition)},
        ],
    }  # fmt: skip


def _vary(settings: dict[str, Any], condition: str) -> None:
    """Change the settings as a condition does."""
    loss = settings["loss"]
    variation, _, value = condition.partition("=")
    match variation, value:
        case "parts", "without_compatible":
            del loss["terms"]["compatible"]
        case "parts", _:
            settings["aggregation"] = {"name": "mean"}
        case "granularity", _:
            settings["aggregation"] = PROJECTION | {"granularity": value}
        case "base_loss", _:
            base, _, triplet = value.partition("_")
            loss["base"] = {"name": base}
            if triplet:
                loss["terms"]["triplet"] = {"name": "triplet", "weight": 1.0, "margin": 0.3}
        case "label_smoothing", _:
            loss["base"]["label_smoothing"] = float(value)
        case "kl_weight", _:
            kl = {"weight": float(value), "ramp": 0.5} if float(value) else None
            loss["terms"]["compatible"]["kl"] = kl


def _curves(
    generator: np.random.Generator, method: str, widths: tuple[float, ...], steps: int
) -> pd.DataFrame:
    """Norms and uncertainties that fall, cosines that rise, all noisy."""
    rows = []
    per_epoch = max(steps // 20, 1)
    balance = 0.3 if method.startswith("sfsc") else 1.0
    for step in range(steps):
        time, epoch = step / steps, step // per_epoch
        for switch, width in enumerate(widths):
            norm = (1.2 + balance * width) * np.exp(-time + generator.normal(0, 0.25))
            rows.append((step, epoch, "gradient_norm", switch, -1, "", norm))
            rows.append((step, epoch, "common_norm", switch, -1, "", norm))
            u = 0.7 - 0.3 * time - 0.1 * width + generator.normal(0, 0.01)
            rows.append((step, epoch, "uncertainty", switch, -1, "", u))
            compatible = float(method.startswith("sfsc") and width < 1.0)
            rows.append((step, epoch, "compatible_loss", switch, -1, "", compatible))
            rows.append((step, epoch, "triplet_loss", switch, -1, "", 1.0))
        if step % 10 == 0 and method.partition("@")[0] not in SEPARATE:
            rows += _cosines(generator, method, widths, step, epoch, time)
    columns = ["step", "epoch", "metric", "switch", "other", "layer", "value"]
    return pd.DataFrame(rows, columns=columns).astype({"metric": "category", "value": "float32"})


def _cosines(
    generator: np.random.Generator, method: str, widths: tuple[float, ...], step: int, epoch: int,
    time: float,
) -> Iterator[tuple[int, int, str, int, int, str, float]]:  # fmt: skip
    shift = {"sfsc": 0.35, "bct_s": 0.25}.get(method, 0.15) + 0.3 * time
    if len(widths) > 1:
        yield (step, epoch, "projection_change", -1, -1, "", 0.2 * generator.random())
    for switch in range(len(widths)):
        if len(widths) > 1:
            cosine = shift + generator.normal(0, 0.2)
            yield (step, epoch, "cosine_update", switch, -1, "", cosine)
        for other in range(switch + 1, len(widths)):
            for metric, layers in (
                ("cosine_common", ("",)),
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
