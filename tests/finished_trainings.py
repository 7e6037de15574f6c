"""Finished trainings of small networks with random weights, and photographs of their test set."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from prepared_sets import write_set
from safetensors.torch import save_file

from sfsc.data.manifest import Manifest, Row, pixel_digest
from sfsc.data.prepared import PreparedSet
from sfsc.data.transforms import to_float
from sfsc.networks.build import KINDS
from sfsc.networks.cost import cost
from sfsc.provenance import digest_of
from sfsc.retrieval.evaluate import evaluate
from sfsc.settings.sections import Evaluate

SIDE, WIDTHS, DIM = 16, (0.25, 1.0), 8
SPLITS = {"train": range(6), "validation": range(6, 14), "test": range(14, 22)}
VIEWS = 8
"""Images of an identity; every second one of a test identity is a query."""


def write_training(root: Path, *, kind: str = "switchable", seed: int = 0) -> Path:
    """Write what a finished training leaves; return its folder.

    Args:
        root: Folder of the project.
        kind: `switchable`, or `each` for networks that were trained apart.
        seed: Of the weights, too.
    """
    method = {"switchable": "sfsc", "each": "independent"}[kind]
    folder = root / "results" / "tiny" / "synthetic" / method / f"seed{seed}"
    folder.mkdir(parents=True)
    data = write_prepared(root / "data" / "prepared" / "tiny" / "synthetic")
    settings = {
        "backbone": "small_resnet", "widths": list(WIDTHS), "embedding_dim": DIM,
        "pooling": "average", "image_channels": 3,
    }  # fmt: skip
    torch.manual_seed(seed)
    network = KINDS[kind](**settings)
    images = to_float(np.array(PreparedSet.open(data).images[:64]))
    for switch in range(len(WIDTHS)):
        network.train()(images, switch)  # moves the statistics
    costs = [cost(network.eval(), switch, (3, SIDE, SIDE)) for switch in range(len(WIDTHS))]
    save_file(
        {f"network.{name}": t.contiguous() for name, t in network.state_dict().items()},
        folder / "model.safetensors",
    )
    record = {
        "dataset": "synthetic", "method": method, "seed": seed, "widths": list(WIDTHS),
        "network": {"kind": kind, **settings}, "image_size": [SIDE, SIDE],
        "settings": {
            "reference": None, "loss": {"base": {"name": "softmax"}, "terms": {}},
            "aggregation": {"name": "projection"},
        },
        "epochs": 1, "steps": 1, "train_images": 48,
        "train_identities": 6, "macs": [c.macs for c in costs],
        "parameters": [c.parameters for c in costs], "wall_seconds": 1.0, "git_revision": "f" * 40,
        "git_clean": True, "config_digest": "c" * 64, "environment": {},
        "data_digest": digest_of(data / "manifest.csv"),
        "validation": [{"epoch": 1, "map": [[0.5] * 2] * 2, "average_map": 0.5}],
        "code_digest": "e" * 16, "finished": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    section = Evaluate(average_precision="step", ranks=(1,))
    evaluate(section, folder, data, folder, threads=1)
    return folder


def write_prepared(folder: Path) -> Path:
    """Write a prepared set of noisy squares, one colour and place per identity."""
    if folder.exists():
        return folder
    generator = np.random.default_rng(0)
    rows, images = [], []
    for split, identities in SPLITS.items():
        for identity in identities:
            square = generator.integers(0, 256, (8, 8, 3))
            for view in range(VIEWS):
                image = generator.integers(0, 256, (SIDE, SIDE, 3)) // 4
                image[4:12, 4:12] = square
                images.append(image.astype(np.uint8))
                part = ("query", "gallery")[view % 2] if split == "test" else split
                digest = pixel_digest(images[-1])
                rows.append(Row(f"{identity}/{view}.png", identity, view, part, digest))
    folder.mkdir(parents=True)
    return write_set(folder, PreparedSet(Manifest.from_rows(rows), np.stack(images)))


def write_photographs(data: Path, folder: Path, split: str) -> list[Path]:
    """Write the images of a split as PNG files, in the order of the manifest."""
    prepared = PreparedSet.open(data)
    paths = []
    for row in prepared.manifest.rows(split):
        path = folder / f"{row:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.array(prepared.images[row])).save(path)
        paths.append(path)
    return paths
