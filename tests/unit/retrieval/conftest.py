"""A prepared set and a finished run, both tiny."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from sfsc.data.manifest import Manifest, Row, pixel_digest
from sfsc.data.prepared import file_digest
from sfsc.networks.build import EmbeddingNetwork

NETWORK = {
    "backbone": "small_resnet",
    "widths": [0.125, 1.0],
    "embedding_dim": 8,
    "image_channels": 3,
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Two identities in two cameras: 2 queries, 3 gallery images, 1 training image."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    labels = [(7, 0, "train"), (0, 0, "query"), (0, 1, "gallery"), (1, 1, "gallery"),
              (1, 0, "query"), (-1, 1, "gallery")]  # fmt: skip
    rows = [
        Row(f"{index}.png", identity, camera, split, pixel_digest(images[index]))
        for index, (identity, camera, split) in enumerate(labels)
    ]
    Manifest.from_rows(rows).save(folder / "manifest.csv")
    np.save(folder / "images.npy", images)
    digests = {
        f"{name}_sha256": file_digest(folder / file)
        for name, file in (("manifest", "manifest.csv"), ("images", "images.npy"))
    }
    (folder / "summary.json").write_text(json.dumps(digests))
    return folder


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """An untrained network in the files of a finished run."""
    folder = tmp_path / "run"
    folder.mkdir()
    network = EmbeddingNetwork(**NETWORK)
    weights = {f"network.{name}": weight for name, weight in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    record = {"dataset": "synthetic", "method": "sfsc", "seed": 3, "widths": NETWORK["widths"]}
    (folder / "run.json").write_text(json.dumps({**record, "network": NETWORK}))
    return folder
