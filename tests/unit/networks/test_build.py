"""A network is rebuilt from the files of a finished run."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sfsc.errors import ResultError
from sfsc.networks.build import KINDS, EmbeddingNetwork, load_network

SETTINGS = {
    "backbone": "small_resnet",
    "widths": [0.25, 1.0],
    "embedding_dim": 8,
    "image_channels": 3,
}
CLASSIFIERS = {
    "switchable": {"classifier": torch.zeros(5, 8)},
    "each": {f"classifiers.{i}": torch.zeros(5, 8) for i in range(2)},
}


def save_run(folder: Path, kind: str) -> torch.nn.Module:
    """Write an untrained network as a finished run, with classifiers; return the network."""
    network = KINDS[kind](**SETTINGS).eval()
    weights = {f"network.{name}": weight for name, weight in network.state_dict().items()}
    save_file(weights | CLASSIFIERS[kind], folder / "model.safetensors")
    (folder / "run.json").write_text(json.dumps({"network": {"kind": kind, **SETTINGS}}))
    return network


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_network_embeds_as_the_saved_one(tmp_path: Path, kind: str):
    """Weights and statistics are restored; the classifiers in the file are ignored."""
    network, images = save_run(tmp_path, kind), torch.randn(4, 3, 16, 16)
    loaded = load_network(tmp_path)
    assert loaded.widths == (0.25, 1.0)
    assert not loaded.training
    for switch in range(2):
        expected = network(images, switch).embedding
        torch.testing.assert_close(loaded(images, switch).embedding, expected)


def test_a_run_without_a_kind_is_switchable(tmp_path: Path):
    """Records of the first release have no `kind`."""
    save_run(tmp_path, "switchable")
    (tmp_path / "run.json").write_text(json.dumps({"network": SETTINGS}))
    assert isinstance(load_network(tmp_path), EmbeddingNetwork)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"kind": "both"}, "'both'"),
        ({"backbone": "vgg"}, "No module named 'sfsc.networks.backbones.vgg'"),
    ],
)
def test_an_unknown_network_is_refused(tmp_path: Path, changes: dict[str, str], found: str):
    """An unknown name is an error that gives the folder and the name."""
    save_run(tmp_path, "switchable")
    network = {"kind": "switchable", **SETTINGS, **changes}
    (tmp_path / "run.json").write_text(json.dumps({"network": network}))
    with pytest.raises(ResultError) as error:
        load_network(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} must hold the run.json and model.safetensors of one finished training. "
        f"Found: {found} Train it again."
    )
