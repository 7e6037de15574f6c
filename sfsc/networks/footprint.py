"""The stage `sfsc measure`: size and speed of each sub-model as deployed.

They depend on the architecture only. The network is therefore built anew, without trained weights,
and a changed training does not rerun the stage.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sfsc.compute import best_device
from sfsc.data.prepared import PreparedSet
from sfsc.data.transforms import to_float
from sfsc.files import replacing
from sfsc.networks.build import EmbeddingNetwork, Network, channels_last
from sfsc.networks.cost import cost
from sfsc.networks.extract import extract
from sfsc.networks.latency import Quartiles, time_in_turns
from sfsc.networks.serving import save_submodel
from sfsc.provenance import environment
from sfsc.settings.jobs import MeasureJob

THREADS = 1
"""Threads of torch's operators; on a phone, the network shares the processor."""
BATCH_IMAGES = 64
"""Batch size of the throughput; the latency is of one image."""
BYTES_PER_NUMBER = 4
"""Size of a float32, of which embeddings consist."""


def measure(job: MeasureJob, data_dir: Path, output: Path) -> None:
    """Write size and speed of every sub-model of a network.

    The JSON file describes the measurement and has a row for each sub-model, ascending: parameters,
    MACs for one image, bytes of the deployed files and of an embedding, quartiles of the latency of
    one image in milliseconds and of the throughput of a batch in images per second.

    Args:
        job: The network to measure.
        data_dir: Prepared set whose first images are embedded.
        output: The JSON file.

    Raises:
        DataError: If the prepared set is damaged.
    """
    torch.set_num_threads(THREADS)
    device = best_device()
    packed = PreparedSet.open(data_dir).images
    height, width, channels = packed.shape[1:]
    settings = job.network.architecture() | {"image_channels": channels}
    network = EmbeddingNetwork(**settings).eval()
    rows = [
        {
            **_size(network, switch, settings, (height, width)),
            **asdict(cost(network, switch, (channels, height, width))),
        }
        for switch in range(len(job.network.widths))
    ]
    times = _time(network, _first(packed, BATCH_IMAGES, device), device)
    content = {
        "dataset": job.dataset,
        "method": job.method,
        "image_height": height,
        "image_width": width,
        "embedding_dim": job.network.embedding_dim,
        "batch_images": BATCH_IMAGES,
        "device": _name(device),
        "threads": THREADS,
        "torch": torch.__version__,
        "submodels": [row | time for row, time in zip(rows, times, strict=True)],
    }
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _size(
    network: Network, switch: int, settings: dict[str, Any], image_size: tuple[int, int]
) -> dict[str, float]:
    """Return the width of a sub-model and the bytes of its files and of an embedding."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"kind": "switchable", **settings}
        target = Path(folder) / "submodel"
        save_submodel(network, switch, target, settings=settings, image_size=image_size)
        files = [path.stat().st_size for path in target.iterdir()]
    return {
        "width": settings["widths"][switch],
        "model_bytes": sum(files),
        "embedding_bytes": BYTES_PER_NUMBER * settings["embedding_dim"],
    }


def _first(packed: NDArray[np.uint8], n: int, device: torch.device) -> Tensor:
    """Return the first n images as network input, repeated if the set has fewer."""
    return to_float(packed[np.arange(n) % len(packed)], device)


@torch.inference_mode()
def _time(network: Network, images: Tensor, device: torch.device) -> list[dict[str, Any]]:
    """Return quartiles of the latency and throughput of each sub-model."""
    submodels = [
        channels_last(extract(network, switch)).eval().to(device)
        for switch in range(len(network.widths))
    ]
    one = _time_batch(submodels, images[:1], device)
    many = _time_batch(submodels, images, device)
    return [
        {
            "latency_ms": asdict(Quartiles.of(1000 * one[:, index])),
            "images_per_second": asdict(Quartiles.of(len(images) / many[:, index])),
            "latency_rounds": len(one),
            "throughput_rounds": len(many),
        }
        for index in range(len(submodels))
    ]


def _time_batch(
    submodels: Sequence[nn.Module], images: Tensor, device: torch.device
) -> NDArray[np.float64]:
    return time_in_turns([partial(submodel, images) for submodel in submodels], device)


def _name(device: torch.device) -> str:
    is_gpu = device.type == "cuda"
    return torch.cuda.get_device_name(device) if is_gpu else environment()["cpu"]
