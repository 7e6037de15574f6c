"""An exported sub-model: one ONNX file that knows its space and how its images are made."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sfsc.deploy.extra import needs_deploy_extra
from sfsc.deploy.photographs import Size, open_photograph
from sfsc.deploy.space import METADATA, ModelDescription
from sfsc.errors import ResultError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

BATCH = 64
"""Images embedded at once."""


class OnnxEmbedder:
    """Embeds images with ONNX Runtime on the processor.

    Args:
        session: The loaded model.
        description: What the file's metadata say.
    """

    def __init__(self, session: "InferenceSession", description: ModelDescription) -> None:
        self._session, self.description = session, description

    @classmethod
    def load(cls, path: Path, *, threads: int = 1) -> "OnnxEmbedder":
        """Load a file that `sfsc export` wrote.

        Args:
            path: The ONNX file; nothing beside it is read.
            threads: Threads of the computation.

        Raises:
            ConfigError: If ONNX Runtime is not installed.
            ResultError: If the file is missing, damaged or not of `sfsc export`.
        """
        with needs_deploy_extra():
            import onnxruntime  # noqa: PLC0415 - optional
            from onnxruntime.capi import onnxruntime_pybind11_state as native  # noqa: PLC0415
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        try:
            session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
            metadata = session.get_modelmeta().custom_metadata_map
            description = ModelDescription.model_validate_json(metadata[METADATA])
        except (OSError, KeyError, ValueError, native.InvalidProtobuf, native.Fail,
                native.InvalidGraph, native.InvalidArgument) as error:  # fmt: skip
            raise ResultError(
                f"{path} must be a model that `sfsc export` wrote. "
                f"Found: {' '.join(str(error).split())[:200]}. Export it again."
            ) from error
        return cls(session, description)

    @property
    def space(self) -> str:
        """Digest of the metric space: embeddings of models with the same one can be compared."""
        return self.description.space

    @property
    def width(self) -> float:
        """Width of the sub-model."""
        return self.description.width

    @property
    def image_size(self) -> Size:
        """(H, W) of the images, pixels."""
        return self.description.image_size

    def read(self, photograph: Path | bytes, name: str = "The photograph") -> NDArray[np.uint8]:
        """Return a photograph as `embed` takes it, (H, W, C); see `open_photograph`."""
        return open_photograph(
            photograph,
            self.image_size,
            resize=self.description.resize,
            channels=self.description.image_channels,
            name=name,
        )

    def embed(self, images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the unit-length embeddings of images, float32 (B, D).

        Args:
            images: uint8 (B, H, W, C).

        Raises:
            ValueError: If the images have another shape or type.
        """
        expected = (*self.image_size, self.description.image_channels)
        array = np.asarray(images) if len(images) else np.empty((0, *expected), np.uint8)
        if array.dtype != np.uint8 or array.shape[1:] != expected:
            raise ValueError(
                f"Images must be uint8 (B, {', '.join(map(str, expected))}). "
                f"Found {array.dtype} {array.shape}."
            )
        parts = [
            self._session.run(["embeddings"], {"images": array[first : first + BATCH]})[0]
            for first in range(0, len(array), BATCH)
        ]
        empty = np.empty((0, self.description.embedding_dim), dtype=np.float32)
        return np.concatenate([empty, *parts])
