"""Reading weights that others have saved: state dicts, however wrapped, in .pth or .safetensors.

Only tensors are read. Code in a pickle never runs.
"""

import pickle
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sfsc.errors import ConfigError
from sfsc.provenance import digest_of

WRAPPERS = ("state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema")
"""Keys of checkpoints under which training code saves a state dict; the first present is read."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""Prefixes of names that DistributedDataParallel, `torch.compile` and training code add."""
DAMAGED = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError),
    *(MemoryError, OSError, RuntimeError, TypeError, ValueError),
    *(pickle.UnpicklingError, struct.error, SafetensorError),
)
"""What reading a damaged file raises."""
SCALAR, ARRAY = np.float64().__reduce__()[0], np.empty(0).__reduce__()[0]
NUMPY: tuple[Any, ...] = (
    *((SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((ARRAY, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *(np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bhilqefdBHILQ"}),
)
"""What unpickles NumPy numbers and arrays, which checkpoints hold beside weights."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name, in the order of the file.

    A checkpoint is opened at the first of `WRAPPERS`, and `PREFIXES` of all names are removed.

    Args:
        path: A .safetensors file, or a .pth file written by `torch.save`.

    Raises:
        ConfigError: If the file cannot be read or holds no tensors.
    """
    content = _read(path)
    while isinstance(content, Mapping) and not _tensors(content):
        key = next((key for key in WRAPPERS if key in content), None)
        if key is None:
            break
        content = content[key]
    tensors = _tensors(content)
    if not tensors:
        raise _refusal(path, _describe(content))
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise _refusal(path, f"`{name}`, a sparse, quantised or empty (meta) tensor")
    return _without_prefixes(tensors)


def digest_of_weights(path: Path) -> str:
    """Return the digest of a file of weights.

    Raises:
        ConfigError: If the file cannot be read.
    """
    try:
        return digest_of(path)
    except OSError as error:
        raise _refusal(path, _reason(error)) from error


def _read(path: Path) -> object:
    """Return what is saved in a file, whose content tells its format."""
    try:
        with path.open("rb") as file, torch.serialization.safe_globals([*NUMPY]):
            head = file.read(64)
            if head[8:9] == b"{":  # safetensors: 8 bytes of length, then JSON
                return load_file(path)
            if not head.startswith((b"PK", b"\x80")):  # a zip archive, or a pickle of old torch
                raise _refusal(path, f"it begins with {head[:24]!r}" if head else "it is empty")
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        raise _refusal(path, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Return what is wrong with a file, without torch's advice to run code from it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if foreign := re.search(r"GLOBAL (\S+)", str(error)):
        return f"a Python object, `{foreign[1]}`; save `model.state_dict()` alone"
    if "TorchScript" in str(error):
        return "a TorchScript program; save `model.state_dict()` instead"
    return "it is damaged or incomplete"


def _tensors(content: object) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefixes that all names have."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            return _without_prefixes({n.removeprefix(prefix): t for n, t in tensors.items()})
    return tensors


def _describe(content: object) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    keys = ", ".join(f"`{key}`" for key in list(content)[:8])
    return f"no tensors, but the keys {keys}" if keys else "an empty dictionary"


def _refusal(path: Path, found: str) -> ConfigError:
    return ConfigError(
        "`network.pretrained` must be a file with a state dict, written by torch or safetensors. "
        f"Found {path}: {found}."
    )
