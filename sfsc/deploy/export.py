"""The command `sfsc export`: each sub-model of a finished training as files to deploy."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfsc.data.transforms import MEAN, STD
from sfsc.deploy.accuracy import embed_split, mean_average_precision
from sfsc.deploy.card import write_card
from sfsc.deploy.finished import Finished
from sfsc.deploy.model import OnnxEmbedder
from sfsc.deploy.onnx_file import write_int8, write_onnx
from sfsc.deploy.space import (
    SPACE,
    Files,
    Int8,
    ModelDescription,
    Origin,
    Space,
    file_stem,
    has_one_space,
    space_digest,
    width_key,
)
from sfsc.deploy.thresholds import estimate_thresholds
from sfsc.errors import ResultError
from sfsc.files import move_into_place
from sfsc.networks.extract import extract
from sfsc.networks.latency import time_in_turns
from sfsc.networks.serving import ImageEmbedder, load_submodel_file, save_submodel_file
from sfsc.retrieval.embed import extract_embeddings

LOGGER = logging.getLogger(__name__)
CHECKED_IMAGES, CALIBRATION_IMAGES = 256, 256
LARGEST_DIFFERENCE = 1e-5
"""Between a file's embeddings and torch's, in any of the D numbers."""
LICENCES = {
    "synthetic": "Apache-2.0 (rendered by this project)",
    "omniglot": "MIT (Brenden Lake)",
    "fruits360": "CC BY-SA 4.0",
    "grocery": "MIT",
}
"""Licence of the images by data set; others are their owner's."""
RESIZING = {"omniglot": "ink", "grocery": "crop", "fruits360": "crop"}
"""How a set's images were made; `stretch` where it is not said.

The list is here and not in the data sets' files, where a change of it would rerun every training on
the set.
"""


def export(run_dir: Path, output: Path, *, int8: bool = False) -> Space:
    """Write each sub-model as ONNX and safetensors, `space.json` and `card.md`.

    The files appear when all of them are checked against torch on images of the set.

    Args:
        run_dir: Folder of a finished training.
        output: Folder of the files.
        int8: Whether to write files with 8-bit weights and activations, too.

    Raises:
        ConfigError: If a package of the extra `deploy` is not installed.
        ResultError: If the training is not finished, or if a file's embeddings differ from torch's.
        DataError: If the prepared set is damaged.
    """
    finished = Finished.open(run_dir)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output) as name:
        folder = Path(name)
        models = [*write_models(finished, folder, int8=int8)]
        space = _describe(finished, models)
        content = space.model_dump_json(indent=1, exclude_none=True)
        (folder / SPACE).write_text(content + "\n", encoding="utf-8")
        write_card(space, finished, folder)
        for path in sorted(folder.iterdir(), key=lambda path: path.name == SPACE):
            move_into_place(path, output / path.name)
    return space


@dataclass(frozen=True)
class ExportedModel:
    """The files of one sub-model, written and checked."""

    description: ModelDescription
    onnx: Path
    safetensors: Path
    int8: Path | None
    """None if it was not asked for."""

    @property
    def key(self) -> str:
        """The width as a key of `space.json`."""
        return width_key(self.description.width)

    @property
    def files(self) -> Files:
        """The files' names."""
        int8 = self.int8 and self.int8.name
        return Files(onnx=self.onnx.name, safetensors=self.safetensors.name, int8=int8)


def write_models(finished: Finished, folder: Path, *, int8: bool) -> Iterator[ExportedModel]:
    """Write and check the files of each sub-model, ascending widths.

    Args:
        finished: The training.
        folder: An existing folder.
        int8: Whether to write files with 8-bit weights and activations, too.

    Raises:
        ResultError: If a file's embeddings differ from torch's.
    """
    for switch, description in enumerate(describe_models(finished)):
        stem, record = file_stem(description.width), finished.run.record
        submodel = extract(finished.network, switch)
        written = ExportedModel(
            description,
            folder / f"{stem}.onnx",
            folder / f"{stem}.safetensors",
            folder / f"{stem}.int8.onnx" if int8 else None,
        )
        write_onnx(submodel, written.onnx, description)
        save_submodel_file(
            finished.network,
            switch,
            written.safetensors,
            settings=record["network"],
            image_size=record["image_size"],
        )
        _check(written, ImageEmbedder(submodel, finished.image_shape), finished)
        if written.int8:
            lower = description.model_copy(update={"precision": "int8"})
            images = finished.images(finished.rows("train", CALIBRATION_IMAGES))
            write_int8(written.onnx, written.int8, lower, images)
        yield written


def describe_models(finished: Finished) -> list[ModelDescription]:
    """Return what the metadata of each sub-model's files say, ascending widths."""
    digests, origin = _spaces(finished), _origin(finished)
    return [
        ModelDescription(**origin, space=digest, width=width, precision="float32")
        for width, digest in zip(finished.run.widths, digests, strict=True)
    ]


def _origin(finished: Finished) -> dict[str, Any]:
    run, (height, width, channels) = finished.run, finished.image_shape
    dataset = run.dataset
    return Origin(
        dataset=dataset,
        method=run.method,
        seed=run.seed,
        image_size=(height, width),
        image_channels=channels,
        resize=RESIZING.get(dataset, "stretch"),
        embedding_dim=run.record["network"]["embedding_dim"],
        licence=LICENCES.get(dataset, "the owner's; not redistributable unless they say so"),
    ).model_dump()


def _spaces(finished: Finished) -> list[str]:
    """Return the digest of each sub-model's space: the full network's, or each network's own."""
    origin = _origin(finished)
    preprocessing = {key: origin[key] for key in ("image_size", "image_channels", "resize")}
    preprocessing |= {"mean": MEAN, "std": STD}
    last = len(finished.run.widths) - 1
    one_space = has_one_space(finished.run.record)
    return [
        space_digest(
            {
                name: tensor.numpy()
                for name, tensor in extract(finished.network, reference).state_dict().items()
            },
            preprocessing,
        )
        for reference in (last if one_space else switch for switch in range(last + 1))
    ]


def _check(written: ExportedModel, submodel: ImageEmbedder, finished: Finished) -> None:
    """Compare the embeddings of both files with torch's on images of the set."""
    images = finished.images(finished.rows("query", CHECKED_IMAGES))
    expected = submodel.predict(images)
    found = {
        written.onnx: OnnxEmbedder.load(written.onnx).embed(images),
        written.safetensors: load_submodel_file(written.safetensors).predict(images),
    }
    for path, vectors in found.items():
        difference = float(np.abs(vectors - expected).max())
        LOGGER.info("%s  largest difference to torch %.1e", path.name, difference)
        if not difference <= LARGEST_DIFFERENCE:
            raise ResultError(
                f"Embeddings of {path.name} must be torch's within {LARGEST_DIFFERENCE:g}. Found a "
                f"difference of {difference:.2g}. Please report it, with the versions of torch and "
                "onnxruntime."
            )


def _describe(finished: Finished, models: Sequence[ExportedModel]) -> Space:
    """Return the content of `space.json`; this measures the files."""
    run, keys = finished.run, [model.key for model in models]
    latencies = measure_latency([model.onnx for model in models])
    return Space(
        **_origin(finished),
        data=run.record["data_digest"],
        space=models[-1].description.space,
        spaces={model.key: model.description.space for model in models},
        widths=run.widths,
        files={model.key: model.files for model in models},
        macs=dict(zip(keys, run.record["macs"], strict=True)),
        parameters=dict(zip(keys, run.record["parameters"], strict=True)),
        map_against_full=dict(zip(keys, finished.map_against_full, strict=True)),
        latency_ms=dict(zip(keys, latencies, strict=True)),
        int8=_measure_int8(finished, models) if models[0].int8 else {},
        thresholds=_thresholds(finished, models),
    )


def measure_latency(paths: Sequence[Path]) -> list[float]:
    """Return the median latency of one image in ONNX Runtime with one thread, ms, of each file."""
    models = [OnnxEmbedder.load(path) for path in paths]
    description = models[0].description
    image = np.zeros((1, *description.image_size, description.image_channels), dtype=np.uint8)
    seconds = time_in_turns([partial(model.embed, image) for model in models], torch.device("cpu"))
    return [float(1000 * value) for value in np.median(seconds, axis=0)]


def _measure_int8(finished: Finished, models: Sequence[ExportedModel]) -> dict[str, Int8]:
    """Return accuracy and latency of the int8 files, by width."""
    prepared, definition = finished.prepared, finished.run.test["average_precision"]
    pairs = [(model, model.int8) for model in models if model.int8]
    latencies = measure_latency([path for _, path in pairs])
    gallery = embed_split(OnnxEmbedder.load(models[-1].onnx), prepared, "gallery")
    measured = {}
    for (model, path), latency in zip(pairs, latencies, strict=True):
        exact = embed_split(OnnxEmbedder.load(model.onnx), prepared, "query")
        query = embed_split(OnnxEmbedder.load(path), prepared, "query")
        found = Int8(
            map_against_full=mean_average_precision(query, gallery, prepared, definition),
            latency_ms=latency,
            cosine=float((exact * query).sum(axis=1).min()),
        )
        LOGGER.info(
            "%s  lowest cosine to float32 %.4f, mAP against the full gallery %.2f %%",
            path.name, found.cosine, 100 * found.map_against_full,
        )  # fmt: skip
        measured[model.key] = found
    return measured


def _thresholds(finished: Finished, models: Sequence[ExportedModel]) -> dict[str, dict[str, float]]:
    """Return thresholds of each pair of sub-models of one space, on validation identities."""
    rows = finished.rows("validation")
    vectors = extract_embeddings(finished.network, finished.prepared.images, rows)
    identity = finished.prepared.manifest.identity[rows]
    return {
        f"{query.key}->{gallery.key}": estimate_thresholds(vectors[q], vectors[g], identity)
        for q, query in enumerate(models)
        for g, gallery in enumerate(models)
        if query.description.space == gallery.description.space
    }
