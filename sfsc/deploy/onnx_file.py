"""Writing a sub-model as an ONNX file, and as one with 8-bit weights and activations."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sfsc.data.transforms import normalise, to_unit
from sfsc.deploy.extra import needs_deploy_extra
from sfsc.deploy.space import METADATA, ModelDescription


class Deployed(nn.Module):
    """A sub-model from uint8 images (B, H, W, C) to unit embeddings (B, D).

    Args:
        submodel: A module from `sfsc.networks.extract.extract`, in evaluation mode.
    """

    def __init__(self, submodel: nn.Module) -> None:
        super().__init__()
        self.submodel = submodel

    def forward(self, images: Tensor) -> Tensor:
        """Normalise the images, embed them and scale the embeddings to length 1."""
        return functional.normalize(self.submodel(normalise(to_unit(images))), dim=-1)


def write_onnx(submodel: nn.Module, path: Path, description: ModelDescription) -> None:
    """Write a sub-model as one ONNX file: input `images`, output `embeddings`, any batch.

    Args:
        submodel: A module from `sfsc.networks.extract.extract`, in evaluation mode.
        path: The file.
        description: Its metadata.

    Raises:
        ConfigError: If a package of the extra `deploy` is not installed.
    """
    with needs_deploy_extra():
        import onnxscript  # noqa: F401, PLC0415 - optional; torch imports it
    for chatty in ("torch.onnx", "onnxscript", "onnx_ir"):  # which report every pass
        logging.getLogger(chatty).setLevel(logging.ERROR)
    example = torch.zeros(2, *description.image_size, description.image_channels, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the exporter about torch itself
        torch.onnx.export(
            Deployed(submodel).eval(),
            (example,),
            path,
            input_names=["images"],
            output_names=["embeddings"],
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    _set_metadata(path, description)


def write_int8(
    source: Path, path: Path, description: ModelDescription, calibration: NDArray[np.uint8]
) -> None:
    """Quantise an ONNX file to 8-bit weights and activations.

    Args:
        source: A file of `write_onnx`.
        path: The file to write.
        description: Its metadata.
        calibration: Images of the training, uint8 (N, H, W, C); they set the activations' ranges.
    """
    with needs_deploy_extra():
        from onnxruntime import quantization  # noqa: PLC0415 - optional
        from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415
    prepared = path.with_name(f".{path.name}")
    try:
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            path,
            _Images(calibration),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
        )
    finally:
        prepared.unlink(missing_ok=True)
    _set_metadata(path, description)


class _Images:
    """Calibration images in batches, as ONNX Runtime's quantiser reads them."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = iter(np.array_split(images, len(images) // 16))

    def get_next(self) -> Mapping[str, NDArray[np.uint8]] | None:
        """Return the next batch, or None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def _set_metadata(path: Path, description: ModelDescription) -> None:
    import onnx  # noqa: PLC0415 - optional

    model = onnx.load(path)
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]  # stack traces of the exporter, with paths of this machine
    onnx.helper.set_model_props(model, {METADATA: description.model_dump_json()})
    onnx.save(model, path)
