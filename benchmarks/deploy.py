"""What a deployed sub-model costs: latency, indexing and search.

`python -m benchmarks.deploy --json` prints

    ort_speedup_smallest  latency of the smallest sub-model in eager torch over ONNX Runtime
    ort_span              latency of the largest over the smallest sub-model in ONNX Runtime, whose
                          MACs differ about 16-fold; `torch_span` is the same in eager torch
    index_over_embed      time to index photographs of 640 x 480 pixels (reading, decoding, writing)
                          over embedding the same images from memory, by the full width
    search_over_matmul    time to search 10^6 vectors of 128 numbers for 100 queries over the plain
                          product of the two matrices

and the absolute figures: latencies of one image by width (milliseconds, one thread), images and
queries a second (both threads). The network is ResNet-50 at 256 x 128 with random weights; figures
that begin with `small_resnet_` are of the default study's network at 24 x 24, whose smallest
sub-models take less time than calling ONNX Runtime does.
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.printing import print_result
from sfsc.deploy.index import index
from sfsc.deploy.model import BATCH, OnnxEmbedder
from sfsc.deploy.nearest import find_nearest
from sfsc.deploy.onnx_file import write_int8, write_onnx
from sfsc.deploy.space import ModelDescription, file_stem, width_key
from sfsc.networks.build import EmbeddingNetwork
from sfsc.networks.extract import extract
from sfsc.networks.latency import time_in_turns
from sfsc.networks.serving import ImageEmbedder

THREADS = 2
DIM = 128
LIMITS = {"ort_span": 4.0, "index_over_embed": 1.15, "search_over_matmul": 1.5}
"""`ort_span` at least, the others at most."""


def write_models(
    backbone: str, folder: Path, size: tuple[int, int], widths: Sequence[float]
) -> list[ImageEmbedder]:
    """Write the sub-models of a network with random weights; return them in torch."""
    network = EmbeddingNetwork(backbone, widths=widths, embedding_dim=DIM, image_channels=3).eval()
    calibration = np.random.default_rng(0).integers(0, 256, (32, *size, 3), dtype=np.uint8)
    for switch, width in enumerate(widths):
        description = ModelDescription(
            dataset="none", method="none", seed=0, image_size=size, image_channels=3,
            resize="stretch", embedding_dim=DIM, licence="none", space="0" * 64, width=width,
            precision="float32",
        )  # fmt: skip
        path = folder / f"{file_stem(width)}.onnx"
        write_onnx(extract(network, switch), path, description)
        write_int8(path, path.with_suffix(".int8.onnx"), description, calibration)
    return [ImageEmbedder(extract(network, s), (*size, 3)) for s in range(len(widths))]


def measure_latency(
    backbone: str, size: tuple[int, int], widths: Sequence[float], prefix: str
) -> dict[str, float]:
    """Return the latency of one image by width in torch and ONNX Runtime, and their ratios."""
    torch.set_num_threads(1)
    image = np.zeros((1, *size, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        calls: dict[str, Callable[[], object]] = {}
        for width, model in zip(
            widths, write_models(backbone, Path(folder), size, widths), strict=True
        ):
            path, key = Path(folder) / f"{file_stem(width)}.onnx", width_key(width)
            calls[f"torch_ms_{key}"] = partial(model.predict, image)
            calls[f"ort_ms_{key}"] = partial(OnnxEmbedder.load(path).embed, image)
            int8 = OnnxEmbedder.load(path.with_suffix(".int8.onnx"))
            calls[f"int8_ms_{key}"] = partial(int8.embed, image)
        seconds = median_seconds(*calls.values())
    times = {name: 1000 * median for name, median in zip(calls, seconds, strict=True)}
    small, large = width_key(widths[0]), width_key(widths[-1])
    ratios = {
        "ort_speedup_smallest": times[f"torch_ms_{small}"] / times[f"ort_ms_{small}"],
        "ort_span": times[f"ort_ms_{large}"] / times[f"ort_ms_{small}"],
        "torch_span": times[f"torch_ms_{large}"] / times[f"torch_ms_{small}"],
    }
    return {prefix + name: value for name, value in (ratios | times).items()}


def measure_index(n_images: int, backbone: str, size: tuple[int, int]) -> dict[str, float]:
    """Return what indexing costs beside the embedding alone."""
    with tempfile.TemporaryDirectory() as name:
        folder, galleries = Path(name), itertools.count()
        write_models(backbone, folder, size, (1.0,))
        model = OnnxEmbedder.load(folder / "width-1.onnx", threads=THREADS)
        paths = write_photographs(folder / "photographs", n_images)
        images = [model.read(path) for path in paths]

        def index_anew() -> None:
            index(model, paths, folder / f"gallery{next(galleries)}", threads=THREADS)

        indexing, embedding = median_seconds(index_anew, partial(model.embed, images))
    return {
        "index_over_embed": indexing / embedding,
        "indexed_images_per_second": n_images / indexing,
        "embedded_images_per_second": n_images / embedding,
    }


def write_photographs(folder: Path, n: int) -> list[Path]:
    """Write JPEG files of 640 x 480 pixels."""
    folder.mkdir()
    generator, paths = np.random.default_rng(0), []
    for number in range(n):
        coarse = generator.integers(0, 256, (15, 20, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC)
        paths.append(folder / f"{number}.jpg")
        picture.save(paths[-1], quality=90)
    return paths


def measure_search(n_gallery: int, n_queries: int) -> dict[str, float]:
    """Return what search costs beside the matrix product of queries and gallery."""
    query, gallery = (unit_vectors(n) for n in (n_queries, n_gallery))
    product, search, one = median_seconds(
        lambda: query @ gallery.T,
        partial(find_nearest, query, gallery, 10),
        partial(find_nearest, query[:1], gallery, 10),
    )
    return {
        "search_over_matmul": search / product,
        "searched_queries_per_second": n_queries / search,
        "one_query_ms": 1000 * one,
    }


def unit_vectors(n: int) -> NDArray[np.float32]:
    """Return random unit vectors (n, D)."""
    vectors = np.random.default_rng(n).standard_normal((n, DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def median_seconds(*calls: Callable[[], object]) -> list[float]:
    """Return the median time of each call; they take turns."""
    seconds: list[float] = np.median(time_in_turns(calls, torch.device("cpu")), axis=0).tolist()
    return seconds


def measure(*, n_gallery: int = 10**6, n_images: int = 2 * BATCH) -> Mapping[str, float]:
    """Return all figures.

    Args:
        n_gallery: Vectors of the gallery that is searched.
        n_images: Photographs that are indexed.
    """
    return {
        **measure_latency("resnet50", (256, 128), (0.25, 1.0), ""),
        **measure_latency("small_resnet", (24, 24), (0.125, 0.25, 0.5, 1.0), "small_resnet_"),
        **measure_index(n_images, "resnet50", (256, 128)),
        **measure_search(n_gallery, n_queries=100),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    print_result(measure(), LIMITS, as_json=options.json)


if __name__ == "__main__":
    main()
