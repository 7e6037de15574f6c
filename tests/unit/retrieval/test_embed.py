"""Embeddings of a tiny set by an untrained network."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sfsc.data.prepared import PreparedSet
from sfsc.data.transforms import to_float
from sfsc.networks.build import load_network
from sfsc.retrieval.embed import extract_embeddings

ROOT = Path(__file__).parents[3]


def test_embeddings_are_those_of_each_image_alone(run_dir: Path, data_dir: Path):
    """Neither batches nor sub-models mix: each image through each sub-model, after the neck."""
    network, images = load_network(run_dir), PreparedSet.open(data_dir).images
    found = extract_embeddings(
        network, images, np.arange(6), device=torch.device("cpu"), batch_images=4
    )
    for switch in range(2):
        for index in range(6):
            with torch.inference_mode():
                alone = network(to_float(images[[index]]), switch).embedding[0]
            expected = alone / alone.norm()
            assert found[switch, index] == pytest.approx(expected.numpy(), abs=1e-5)


MEMORY = """
from pathlib import Path
import numpy as np, torch
from benchmarks.memory import status_bytes
from sfsc.networks.switchable import Embeddings
from sfsc.retrieval.embed import extract_embeddings

def network(images, switch):
    vectors = torch.full((len(images), 512), float(switch + 1))
    return Embeddings(vectors, vectors)

network.widths = (0.5, 1.0)
images, rows = np.zeros((40_000, 1, 1, 1), dtype=np.uint8), np.arange(40_000)
extract_embeddings(network, images, rows[:512])  # what torch allocates once
Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
before = status_bytes("VmRSS")
found = extract_embeddings(network, images, rows)
assert found.shape == (2, 40_000, 512)
print((status_bytes("VmHWM") - before) / found.nbytes)
"""
"""Embeds each image as the same vector; prints the memory taken over that of the result."""


def test_memory_is_that_of_the_embeddings():
    """Not twice as much while the batches are joined; in a process that has no memory to spare."""
    command = [sys.executable, "-c", MEMORY]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert 1 <= float(result.stdout) < 1.2


def test_a_network_on_another_device_is_fed_there(run_dir: Path, data_dir: Path):
    """`cpu:0` stands in for a GPU; the result is in memory."""
    network, images = load_network(run_dir), PreparedSet.open(data_dir).images
    here = extract_embeddings(network, images, np.arange(6))
    there = extract_embeddings(network, images, np.arange(6), device=torch.device("cpu:0"))
    assert np.array_equal(here, there)


def test_no_images_are_refused(run_dir: Path, data_dir: Path):
    """There is no dimension to return."""
    images = PreparedSet.open(data_dir).images
    with pytest.raises(ValueError, match=r"^There must be images to embed\. Found none\.$"):
        extract_embeddings(load_network(run_dir), images, np.arange(0))
