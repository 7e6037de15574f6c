"""The stage `sfsc measure` writes size and speed of each sub-model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from result_files import write_prepared

from sfsc.cli import main
from sfsc.networks import latency
from sfsc.networks.build import KINDS
from sfsc.networks.cost import cost
from sfsc.networks.footprint import measure
from sfsc.networks.serving import load_submodel, save_submodel
from sfsc.provenance import environment, write_fingerprint
from sfsc.settings.jobs import MeasureJob

NETWORK = {
    "backbone": "small_resnet", "widths": (0.25, 1.0), "embedding_dim": 8, "pooling": "gem",
    "pretrained": None,
}  # fmt: skip
SHAPE = (3, 24, 24)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set with fewer images than a batch."""
    return write_prepared(tmp_path_factory.mktemp("data") / "synthetic")


def job_of(**changes: Any) -> MeasureJob:
    """Return a job that measures a small network."""
    return MeasureJob(dataset="synthetic", method="sfsc", network={**NETWORK, **changes})


@pytest.fixture(scope="module")
def measured(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The content of the file that the command writes."""
    folder = tmp_path_factory.mktemp("results")
    config, output = folder / "config.json", folder / "cost.json"
    write_fingerprint(config, job_of().model_dump(mode="json"), modules=["sfsc.networks.footprint"])
    files = ["--config", str(config), "--data", str(prepared), "--output", str(output)]
    assert main(["measure", *files]) == 0
    return json.loads(output.read_text())


def test_sizes_are_those_of_the_deployed_files(measured: dict[str, Any], tmp_path: Path):
    """Bytes of the files that are served and of an embedding."""
    settings = {k: v for k, v in NETWORK.items() if k != "pretrained"} | {"image_channels": 3}
    network = KINDS["switchable"](**settings).eval()
    for switch, row in enumerate(measured["submodels"]):
        folder = tmp_path / str(switch)
        described = {"kind": "switchable"} | settings
        save_submodel(network, switch, folder, settings=described, image_size=(24, 24))
        assert row["model_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
        (embedding,) = load_submodel(folder).predict(np.zeros((1, 24, 24, 3), dtype=np.uint8))
        assert row["embedding_bytes"] == embedding.nbytes
        expected = cost(network, switch, SHAPE)
        assert (row["parameters"], row["macs"]) == (expected.parameters, expected.macs)
        assert row["width"] == NETWORK["widths"][switch]
    small, full = measured["submodels"]
    assert small["model_bytes"] < full["model_bytes"] / 4


def test_times_are_positive_quartiles(measured: dict[str, Any]):
    """Quartiles are in ascending order, over the recorded number of rounds."""
    for row in measured["submodels"]:
        for name in ("latency_ms", "images_per_second"):
            assert 0 < row[name]["q1"] <= row[name]["median"] <= row[name]["q3"]
        for name in ("latency_rounds", "throughput_rounds"):
            assert latency.LEAST_ROUNDS <= row[name] <= latency.MOST_ROUNDS


def test_the_measurement_is_described(measured: dict[str, Any]):
    """Network, image size, machine, torch version and threads are recorded."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else environment()["cpu"]
    assert {key: value for key, value in measured.items() if key != "submodels"} == {
        "dataset": "synthetic", "method": "sfsc", "image_height": 24, "image_width": 24,
        "embedding_dim": 8, "batch_images": 64, "device": name, "threads": 1,
        "torch": torch.__version__,
    }  # fmt: skip


def test_a_network_alone_costs_what_a_submodel_of_its_width_does(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A single network's row equals the sub-model's but for the list of widths in its file."""
    monkeypatch.setattr(latency, "SECONDS_PER_CALL", 0.0)
    found = {}
    for widths in ((0.25, 1.0), (0.25,)):
        measure(job_of(widths=widths), prepared, tmp_path / "cost.json")
        found[widths] = json.loads((tmp_path / "cost.json").read_text())["submodels"][0]
    together, alone = found.values()
    assert together["model_bytes"] - alone["model_bytes"] == len(", 1.0")
    for key in ("parameters", "macs", "embedding_bytes"):
        assert together[key] == alone[key]


def test_one_thread_computes(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The number of threads that was set before does not matter."""
    monkeypatch.setattr(latency, "SECONDS_PER_CALL", 0.0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        measure(job_of(), prepared, tmp_path / "cost.json")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
