"""Weights are read from any file that holds a state dict, and from no other."""

import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sfsc.errors import ConfigError
from sfsc.networks.weight_files import digest_of_weights, read_weights

WEIGHTS = {"conv.weight": torch.arange(54.0).reshape(2, 3, 3, 3), "bn.running_mean": torch.ones(2)}
REFUSED = (
    "`network.pretrained` must be a file with a state dict, written by torch or safetensors. Found "
)


def prefixed(prefix: str) -> dict[str, Tensor]:
    """Return the weights with a prefix in all names."""
    return {prefix + name: tensor for name, tensor in WEIGHTS.items()}


def refusal(path: Path) -> str:
    """Return the reason for which a file is refused."""
    with pytest.raises(ConfigError) as error:
        read_weights(path)
    message = str(error.value)
    assert message.startswith(f"{REFUSED}{path}: ")
    return message.removeprefix(f"{REFUSED}{path}: ")


class Attack:
    """An object whose unpickling would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch attacked",)


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        {"state_dict": WEIGHTS, "epoch": 3},
        {"model": WEIGHTS, "optimizer": {"lr": 0.1}},
        {"model_ema": WEIGHTS},
        {"state_dict_ema": prefixed("module.")},
        {"state_dict": {"model": WEIGHTS}},
        {"state_dict": WEIGHTS, "model_ema": prefixed("other.")},
        prefixed("module."),
        prefixed("_orig_mod."),
        prefixed("model."),
        prefixed("module._orig_mod."),
        collections.OrderedDict(prefixed("_orig_mod.module.")),
        {"state_dict": prefixed("module."), "rank1": np.float64(0.9), "cmc": np.ones(3)},
        {"model": WEIGHTS, "best": np.float32(0.5), "step": np.int64(7)},
    ],
    ids=repr,
)
def test_checkpoints_and_prefixes_are_opened(content: object, tmp_path: Path):
    """Wrappers and prefixes of the usual tools, also nested, and NumPy numbers beside weights."""
    torch.save(content, tmp_path / "weights.pth")
    found = read_weights(tmp_path / "weights.pth")
    assert list(found) == list(WEIGHTS)
    assert all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)


@pytest.mark.parametrize("name", ["a.safetensors", "A.SAFETENSORS", "a.pth", "a.pth.tar-60", "a"])
@pytest.mark.parametrize("kind", ["zip", "pickle", "safetensors"])
def test_the_content_tells_the_format(name: str, kind: str, tmp_path: Path):
    """The name of a file does not matter."""
    if kind == "safetensors":
        save_file(WEIGHTS, tmp_path / name)
    else:
        torch.save(WEIGHTS, tmp_path / name, _use_new_zipfile_serialization=kind == "zip")
    assert read_weights(tmp_path / name).keys() == WEIGHTS.keys()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({}, "an empty dictionary"),
        ({"state_dict": None}, "a NoneType"),
        ([1, 2], "a list"),
        (torch.ones(3), "a Tensor"),
        ({"generator": WEIGHTS, "epoch": 1}, "no tensors, but the keys `generator`, `epoch`"),
        ({"conv.weight": np.ones(3)}, "no tensors, but the keys `conv.weight`"),
        (
            nn.Linear(2, 2),
            "a Python object, `torch.nn.modules.linear.Linear`; save `model.state_dict()` alone",
        ),
        (
            {"state_dict": WEIGHTS, "other": Attack()},
            "a Python object, `posix.system`; save `model.state_dict()` alone",
        ),
        (
            WEIGHTS | {"conv.weight": torch.ones(2, 2).to_sparse()},
            "`conv.weight`, a sparse, quantised or empty (meta) tensor",
        ),
        (
            WEIGHTS | {"conv.weight": torch.empty(2, 2, device="meta")},
            "`conv.weight`, a sparse, quantised or empty (meta) tensor",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_content_without_a_state_dict_is_named(
    content: object, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What the file holds instead is in the message, and no code in it runs."""
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "weights.pth")
    assert refusal(tmp_path / "weights.pth") == f"{found}."
    assert not Path("attacked").exists()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>Quota exceeded", "it begins with b'<!DOCTYPE html><html>Quo'"),
        (b"version https://git-lfs.github.com", "it begins with b'version https://git-lfs.'"),
        (pickle.dumps(Attack()), "it is damaged or incomplete"),
        (b"PK\x03\x04 and no more", "it is damaged or incomplete"),
        (b'\x40\0\0\0\0\0\0\0{"conv.weight": ', "it is damaged or incomplete"),
    ],
)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_other_files_are_named(
    content: bytes, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Downloads that failed, pointers, foreign formats and damaged files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pth").write_bytes(content)
    assert refusal(tmp_path / "weights.pth") == f"{found}."
    assert not Path("attacked").exists()


@pytest.mark.filterwarnings("ignore:.*TorchScript", "ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_program_is_named(tmp_path: Path):
    """Its archive looks like that of a state dict."""
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "weights.pt")
    assert refusal(tmp_path / "weights.pt") == (
        "a TorchScript program; save `model.state_dict()` instead."
    )


def test_a_missing_file_is_one_sentence(tmp_path: Path):
    """A path that does not exist or is a folder is named, also when only its digest is needed."""
    assert refusal(tmp_path / "none.pth") == "no such file or directory."
    assert refusal(tmp_path) == "is a directory."
    with pytest.raises(ConfigError, match=r"none\.pth: no such file or directory\.$"):
        digest_of_weights(tmp_path / "none.pth")


@pytest.mark.parametrize("kind", ["zip", "pickle", "safetensors"])
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_never_a_traceback(kind: str, tmp_path: Path):
    """Cut off at any length, or with other bytes in any place, it is read or refused."""
    path, generator = tmp_path / "weights", np.random.default_rng(0)
    if kind == "safetensors":
        save_file(WEIGHTS, path)
    else:
        torch.save(WEIGHTS, path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    refused = 0
    for _ in range(200):
        damaged = bytearray(content[: generator.integers(len(content))])
        if generator.random() < 0.5:
            damaged = bytearray(content)
            for _ in range(8):
                damaged[generator.integers(len(content))] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            read_weights(path)
        except ConfigError:
            refused += 1
    assert refused > 100
