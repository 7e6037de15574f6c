"""A deployed sub-model: uint8 images to unit embeddings, from two small files.

The files are the weights of one sub-model and the settings to build it from. MLflow serves them
(`mlflow.pyfunc.load_model`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from sfsc.data.transforms import to_float
from sfsc.networks.build import KINDS, Network, channels_last
from sfsc.networks.extract import extract

WEIGHTS, DESCRIPTION = "submodel.safetensors", "submodel.json"


class ImageEmbedder:
    """A sub-model with the interface of MLflow's pyfunc flavour.

    Args:
        submodel: A module from `sfsc.networks.extract.extract`, in evaluation mode.
        image_shape: (H, W, C) of the images that it was trained on.
    """

    def __init__(self, submodel: nn.Module, image_shape: tuple[int, int, int]) -> None:
        self.submodel, self.image_shape = submodel, image_shape

    @torch.inference_mode()
    def predict(
        self, model_input: NDArray[np.uint8], params: dict[str, Any] | None = None
    ) -> NDArray[np.float32]:
        """Return the unit-length embeddings of images, float32, (B, D).

        Args:
            model_input: Images, uint8, (B, H, W, C).
            params: Ignored; part of MLflow's interface.

        Raises:
            ValueError: If the images have another shape or type than those of the training.
        """
        del params
        if model_input.dtype != np.uint8 or model_input.shape[1:] != self.image_shape:
            height, width, channels = self.image_shape
            raise ValueError(
                f"Images must be an array of uint8 and shape (B, {height}, {width}, {channels}), "
                f"as in training. Found {model_input.dtype} and {model_input.shape}; resize them."
            )
        embeddings = functional.normalize(self.submodel(to_float(model_input)), dim=-1)
        array: NDArray[np.float32] = embeddings.numpy()
        return array


def save_submodel(
    network: Network,
    switch: int,
    folder: Path,
    *,
    settings: Mapping[str, Any],
    image_size: Sequence[int],
) -> None:
    """Write the two files of one sub-model.

    Args:
        network: The network of a finished run.
        switch: Index of the sub-model.
        folder: Folder to create.
        settings: `network` of the run's `run.json`.
        image_size: (H, W) of the training's images, `image_size` of `run.json`.
    """
    folder.mkdir(parents=True)
    tensors = extract(network, switch).state_dict()
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / WEIGHTS)
    description = {"network": settings, "switch": switch, "image_size": list(image_size)}
    (folder / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")


def load_submodel(folder: Path) -> ImageEmbedder:
    """Return a sub-model written by `save_submodel`."""
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    return _build(description, load_file(folder / WEIGHTS))


def save_submodel_file(
    network: Network,
    switch: int,
    path: Path,
    *,
    settings: Mapping[str, Any],
    image_size: Sequence[int],
) -> None:
    """Write one sub-model as one file; arguments as of `save_submodel`."""
    tensors = extract(network, switch).state_dict()
    description = {"network": settings, "switch": switch, "image_size": list(image_size)}
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        path,
        metadata={"submodel": json.dumps(description)},
    )


def load_submodel_file(path: Path) -> ImageEmbedder:
    """Return a sub-model written by `save_submodel_file`."""
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["submodel"])
    return _build(description, load_file(path))


def _build(description: Mapping[str, Any], weights: dict[str, Tensor]) -> ImageEmbedder:
    settings = dict(description["network"])
    network = KINDS[settings.pop("kind", "switchable")](**settings).eval()
    submodel = extract(network, description["switch"])
    submodel.load_state_dict(weights)
    image_shape = (*description["image_size"], settings["image_channels"])
    return ImageEmbedder(channels_last(submodel).eval(), image_shape)


def _load_pyfunc(path: str) -> ImageEmbedder:
    """Load a sub-model for MLflow, which requires this name."""
    return load_submodel(Path(path))
