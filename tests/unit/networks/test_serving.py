"""A deployed sub-model gives the embeddings of the switchable network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from sfsc.data.transforms import to_float
from sfsc.networks.build import KINDS
from sfsc.networks.serving import load_submodel, save_submodel

SETTINGS = {
    "kind": "switchable", "backbone": "small_resnet", "widths": [0.25, 1.0], "embedding_dim": 8,
    "image_channels": 3,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("switch", [0, 1])
def test_the_files_are_the_submodel(kind: str, switch: int, tmp_path: Path):
    """Unit embeddings equal the network's, with its batch-norm statistics."""
    settings = SETTINGS | {"kind": kind}
    network = KINDS[kind](**{k: v for k, v in settings.items() if k != "kind"})
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    with torch.no_grad():
        network.train()(to_float(images), switch)  # moves the statistics
        network.eval()
        expected = functional.normalize(network(to_float(images), switch).embedding, dim=-1)
    save_submodel(network, switch, tmp_path / "submodel", settings=settings, image_size=(16, 16))
    embeddings = load_submodel(tmp_path / "submodel").predict(images)
    assert (embeddings.shape, embeddings.dtype) == ((6, 8), np.float32)
    np.testing.assert_allclose(embeddings, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_a_small_submodel_is_a_small_file(tmp_path: Path):
    """Only the blocks of the sub-model are stored."""
    network = KINDS["switchable"](**{k: v for k, v in SETTINGS.items() if k != "kind"})
    sizes = []
    for switch in (0, 1):
        folder = tmp_path / str(switch)
        save_submodel(network, switch, folder, settings=SETTINGS, image_size=(16, 16))
        sizes.append((tmp_path / str(switch) / "submodel.safetensors").stat().st_size)
    assert sizes[0] < sizes[1] / 4


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.zeros((2, 64, 64, 3), np.uint8), "uint8 and (2, 64, 64, 3)"),
        (np.zeros((2, 12, 16, 3), np.uint8), "uint8 and (2, 12, 16, 3)"),
        (np.zeros((16, 12, 3), np.uint8), "uint8 and (16, 12, 3)"),
        (np.zeros((2, 16, 12, 1), np.uint8), "uint8 and (2, 16, 12, 1)"),
        (np.zeros((2, 16, 12, 3), np.float32), "float32 and (2, 16, 12, 3)"),
    ],
)
def test_images_of_another_shape_or_type_are_refused(
    images: np.ndarray, found: str, tmp_path: Path
):
    """An embedding of them would look like any other."""
    network = KINDS["switchable"](**{k: v for k, v in SETTINGS.items() if k != "kind"})
    save_submodel(network, 0, tmp_path / "submodel", settings=SETTINGS, image_size=(16, 12))
    with pytest.raises(ValueError, match="Images") as error:
        load_submodel(tmp_path / "submodel").predict(images)
    assert str(error.value) == (
        "Images must be an array of uint8 and shape (B, 16, 12, 3), as in training. Found "
        f"{found}; resize them."
    )
