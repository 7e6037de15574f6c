"""The metric space of exported models: who may be compared with whom.

`space.json` describes an export's folder; each ONNX file carries what it needs of it.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sfsc.errors import ResultError

SPACE = "space.json"
METADATA = "sfsc"
"""Key of an ONNX file's metadata that holds a `ModelDescription` as JSON."""
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=1, le=4096)]
Width = Annotated[float, Field(gt=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(_Record):
    """What all sub-models of an export share."""

    dataset: str
    """Data set of the training."""
    method: str
    """Row of `methods`."""
    seed: int
    """Seed of the training."""
    image_size: tuple[Side, Side]
    """(H, W) of the images, pixels."""
    image_channels: Literal[1, 3]
    """1 for grey, 3 for RGB."""
    resize: Literal["stretch", "crop", "ink"]
    """How a photograph becomes such an image (`sfsc.deploy.photographs`)."""
    embedding_dim: Annotated[int, Field(ge=1)]
    """D."""
    licence: str
    """Licence of the training images."""


class ModelDescription(Origin):
    """What the metadata of an ONNX file say."""

    space: Digest
    """Digest of the metric space."""
    width: Width
    """Width of the sub-model."""
    precision: Literal["float32", "int8"]
    """Numbers that the weights consist of."""

    @property
    def name(self) -> str:
        """The model in a sentence."""
        return (
            f"{self.method} on {self.dataset}, seed {self.seed}, width {width_key(self.width)}, "
            f"{self.precision} (space {self.space[:12]})"
        )


class Files(_Record):
    """Names of one sub-model's files, in the folder of `space.json`."""

    onnx: str
    """Float32."""
    safetensors: str
    """For torch."""
    int8: str | None = None
    """ONNX with 8-bit weights and activations, if it was asked for."""


class Int8(_Record):
    """What was measured of one int8 file."""

    map_against_full: float
    """mAP of test queries by it in the float32 full model's gallery, a fraction."""
    latency_ms: float
    """Median latency of one image, as of the float32 files."""
    cosine: float
    """The lowest cosine to the float32 embedding of the same test query."""


class Space(Origin):
    """Content of `space.json`; what is measured per sub-model has the name of its width as key."""

    data: Digest
    """Digest of the training's prepared set: of its `manifest.csv`."""
    space: Digest
    """Digest of the full network's metric space."""
    spaces: dict[str, Digest]
    """The space of each width: `space` everywhere, unless the networks were trained apart."""
    widths: tuple[Width, ...]
    """Ascending."""
    files: dict[str, Files]
    """Names of the files."""
    macs: dict[str, int]
    """Multiply-accumulates for one image."""
    parameters: dict[str, int]
    """Parameters."""
    map_against_full: dict[str, float]
    """mAP of test queries by this width in the full model's gallery, a fraction."""
    latency_ms: dict[str, float]
    """Median latency of one image in ONNX Runtime with one thread, where it was exported, ms."""
    int8: dict[str, Int8] = {}
    """What was measured of the int8 files; empty without them."""
    thresholds: dict[str, dict[str, float]]
    """Least cosine of "same" by pair ("0.25->1": query, gallery) and false-match rate."""


def width_key(width: float) -> str:
    """Return a width as a key of `space.json`.

    >>> width_key(0.25), width_key(1.0)
    ('0.25', '1')
    """
    return f"{width:g}"


def file_stem(width: float) -> str:
    """Return the stem of a sub-model's files.

    >>> file_stem(0.25)
    'width-0_25'
    """
    return f"width-{width_key(width).replace('.', '_')}"


def has_one_space(run: Mapping[str, Any]) -> bool:
    """Return whether embeddings of a run's sub-models can be compared with each other.

    They can if the sub-models share weights or learned from the same reference; networks that were
    trained separately embed into unrelated spaces.

    Args:
        run: Content of `run.json`.
    """
    is_shared = run["network"].get("kind") != "each" or len(run["widths"]) == 1
    return is_shared or run["settings"].get("reference") is not None


def space_digest(weights: Mapping[str, NDArray[Any]], preprocessing: Mapping[str, Any]) -> str:
    """Return the identity of a metric space: a digest of weights and preprocessing.

    Args:
        weights: All tensors of the network that the others are compatible with.
        preprocessing: Size, channels, resizing rule and normalisation of its images.
    """
    digest = hashlib.sha256(json.dumps(preprocessing, sort_keys=True).encode())
    for name, values in sorted(weights.items()):
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def read_space(folder: Path) -> Space:
    """Return the content of an export's `space.json`.

    Raises:
        ResultError: If it is missing or damaged.
    """
    path = folder / SPACE
    try:
        return Space.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise ResultError(
            f"{path} must be written by `sfsc export`. Found: {describe(error)}. Export it again."
        ) from error


def describe(error: Exception) -> str:
    """Return what is wrong with a file: its first wrong value, or the words of the system."""
    text = str(error)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        text = f"`{key}`: {first['msg']}" if key else first["msg"]
    return " ".join(text.split())[:200].rstrip(".")
