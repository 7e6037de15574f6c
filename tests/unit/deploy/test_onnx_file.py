"""An exported sub-model computes what torch does."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from sfsc.data.transforms import to_float
from sfsc.deploy.model import OnnxEmbedder
from sfsc.deploy.onnx_file import write_onnx
from sfsc.deploy.space import ModelDescription
from sfsc.networks.build import EmbeddingNetwork
from sfsc.networks.extract import extract
from sfsc.networks.serving import ImageEmbedder
from sfsc.settings import parts


def describe(side: int, dim: int, width: float) -> ModelDescription:
    """Return the metadata of a model of square images."""
    return ModelDescription(
        dataset="synthetic", method="sfsc", seed=0, image_size=(side, side), image_channels=3,
        resize="stretch", embedding_dim=dim, licence="MIT", space="0" * 64, width=width,
        precision="float32",
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pooling"),
    [*((name, "average") for name in parts.names("networks.backbones")), ("small_resnet", "gem")],
)
def test_every_backbone_is_torchs_within_1e_5(name: str, pooling: str, tmp_path: Path):
    """At the smallest and the full width, for batches of 1 and 3."""
    network = EmbeddingNetwork(
        name, widths=(0.25, 1.0), embedding_dim=8, image_channels=3, pooling=pooling
    )
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        for switch in (0, 1):
            network.train()(to_float(images), switch)
    network.eval()
    for switch, width in enumerate(network.widths):
        submodel = extract(network, switch)
        write_onnx(submodel, tmp_path / "model.onnx", describe(32, 8, width))
        model = OnnxEmbedder.load(tmp_path / "model.onnx")
        expected = ImageEmbedder(submodel, (32, 32, 3)).predict(images)
        np.testing.assert_allclose(model.embed(images), expected, atol=1e-5)
        np.testing.assert_allclose(model.embed(images[:1]), expected[:1], atol=1e-5)


def test_a_file_holds_no_path_of_this_machine(exported: Path):
    """The exporter's stack traces are left out."""
    content = (exported / "width-1.onnx").read_bytes()
    assert b"site-packages" not in content
    assert b".py" not in content
    onnx.checker.check_model(onnx.load(exported / "width-1.onnx"))


def test_a_model_needs_nothing_beside_it(exported: Path, tmp_path: Path):
    """Its metadata name space, width and preprocessing."""
    alone = tmp_path / "anything.onnx"
    alone.write_bytes((exported / "width-0_25.onnx").read_bytes())
    model = OnnxEmbedder.load(alone)
    assert (model.width, model.image_size) == (0.25, (16, 16))
    assert model.description.resize == "stretch"
    assert len(model.space) == 64
