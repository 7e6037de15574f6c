"""A deployed sub-model: uint8 images to unit embeddings, from two small files.

The files are the weights of one sub-model and the settings to build it from. MLflow serves them
(`mlflow.pyfunc.load_model`).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from sfsc.data.transforms import to_float
from sfsc.networks.build import KINDS, Network, channels_last
from sfsc.networks.extract import extract

WEIGHTS, DESCRIPTION = "submodel.safetensors", "submodel.json"


class ImageEmbedder:
    """A sub-model with the interface of MLflow's pyfunc flavour.

    Args:
        submodel: A module from `sfsc.networks.extract.extract`, in evaluation mode.
    """

    def __init__(self, submodel: nn.Module) -> None:
        self.submodel = submodel

    @torch.inference_mode()
    def predict(
        self, model_input: NDArray[np.uint8], params: dict[str, Any] | None = None
    ) -> NDArray[np.float32]:
        """Return the unit-length embeddings of images, float32, (B, D).

        Args:
            model_input: Images, uint8, (B, H, W, C).
            params: Ignored; part of MLflow's interface.
        """
        del params
        embeddings = functional.normalize(self.submodel(to_float(model_input)), dim=-1)
        array: NDArray[np.float32] = embeddings.numpy()
        return array


def save_submodel(network: Network, switch: int, settings: dict[str, Any], folder: Path) -> None:
    """Write the two files of one sub-model.

    Args:
        network: The network of a finished run.
        switch: Index of the sub-model.
        settings: `network` of the run's `run.json`.
        folder: Folder to create.
    """
    folder.mkdir(parents=True)
    tensors = extract(network, switch).state_dict()
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / WEIGHTS)
    (folder / DESCRIPTION).write_text(
        json.dumps({"network": settings, "switch": switch}), encoding="utf-8"
    )


def load_submodel(folder: Path) -> ImageEmbedder:
    """Return a sub-model written by `save_submodel`."""
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    settings = dict(description["network"])
    network = KINDS[settings.pop("kind", "switchable")](**settings).eval()
    submodel = extract(network, description["switch"])
    submodel.load_state_dict(load_file(folder / WEIGHTS))
    return ImageEmbedder(channels_last(submodel).eval())


def _load_pyfunc(path: str) -> ImageEmbedder:
    """Load a sub-model for MLflow, which requires this name."""
    return load_submodel(Path(path))
