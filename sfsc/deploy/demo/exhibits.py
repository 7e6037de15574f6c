"""What the page shows: the sub-models of an export, test queries, and the gallery they ask."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfsc.data.manifest import JUNK
from sfsc.data.prepared import MANIFEST, PreparedSet
from sfsc.deploy.accuracy import embed_split
from sfsc.deploy.export import write_models
from sfsc.deploy.finished import Finished
from sfsc.deploy.model import OnnxEmbedder
from sfsc.deploy.space import SPACE, read_space, width_key
from sfsc.errors import DataError, ResultError
from sfsc.provenance import digest_of

LOGGER = logging.getLogger(__name__)
SHOWN = 24
"""Hits of an answer."""


@dataclass(frozen=True)
class Hit:
    """An image of the gallery."""

    image: int
    """Its place in the gallery."""
    score: float
    """Cosine to the query."""
    identity: int
    camera: int
    same: bool | None
    """Whether it shows the query's identity; None for a photograph of unknown identity."""


@dataclass(frozen=True)
class Answer:
    """The nearest images of the gallery, and how good the whole ranking is."""

    hits: list[Hit]
    first: int | None
    """Rank of the first image of the query's identity; None if the identity is unknown."""


@dataclass(frozen=True)
class Model:
    """A sub-model of the export."""

    file: Path
    """ONNX."""
    embedder: OnnxEmbedder
    map_against_full: float
    """mAP of all test queries by it in the full model's gallery, a fraction."""


@dataclass(frozen=True)
class Exhibits:
    """The sub-models of one metric space, and the test set of their training."""

    models: Mapping[str, Model]
    """By the name of their width, ascending; the last is the full model."""
    prepared: PreparedSet

    @property
    def full(self) -> OnnxEmbedder:
        """The model that indexes the gallery."""
        return list(self.models.values())[-1].embedder

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """The gallery's embeddings by the full model, (G, D)."""
        return embed_split(self.full, self.prepared, "gallery")

    @cached_property
    def queries(self) -> NDArray[np.int64]:
        """Rows of the test queries in the prepared set."""
        return self.prepared.manifest.rows("query")

    @cached_property
    def gallery(self) -> NDArray[np.int64]:
        """Rows of the gallery in the prepared set."""
        return self.prepared.manifest.rows("gallery")

    def search(self, vector: NDArray[np.float32], query: int | None) -> Answer:
        """Return the nearest images of the gallery, nearest first; ties by place.

        Images of a test query's identity *and* camera are left out, as in the test.

        Args:
            vector: A unit embedding, (D,).
            query: Place among the test queries; None for another photograph.
        """
        manifest, scores = self.prepared.manifest, self.vectors @ vector
        identity, camera = manifest.identity[self.gallery], manifest.camera[self.gallery]
        same = np.zeros(len(scores), dtype=bool)
        scores[identity == JUNK] = -np.inf
        if query is not None:
            row = self.queries[query]
            same = identity == manifest.identity[row]
            scores[same & (camera == manifest.camera[row])] = -np.inf
        order = np.argsort(-scores, kind="stable")
        order = order[np.isfinite(scores[order])]
        hits = [
            Hit(
                image,
                float(scores[image]),
                int(identity[image]),
                int(camera[image]),
                None if query is None else bool(same[image]),
            )
            for image in order[:SHOWN].tolist()
        ]
        right = np.flatnonzero(same[order])
        return Answer(hits, int(right[0]) + 1 if len(right) else None)


@contextmanager
def open_exhibits(folder: Path, data: Path | None = None) -> Iterator[Exhibits]:
    """Open what a finished training or an export can show.

    The sub-models of a training are exported to a temporary folder.

    Args:
        folder: The folder of a finished training, or one that `sfsc export` wrote.
        data: The prepared set of the training; None looks for it.

    Raises:
        ConfigError: If a package of the extra `deploy` is not installed.
        ResultError: If the folder is neither, or its files are damaged.
        DataError: If the prepared set is missing, damaged or of images of another size.
    """
    with tempfile.TemporaryDirectory(prefix="sfsc-demo-") as temporary:
        if (folder / SPACE).is_file():
            models = _open_export(folder)
            prepared = PreparedSet.open(data or _find_data(folder))
        elif (folder / "run.json").is_file():
            finished = Finished.open(folder)
            models = _export(finished, Path(temporary))
            prepared = PreparedSet.open(data) if data else finished.prepared
        else:
            raise ResultError(
                f"{folder} must be the folder of a finished training, or one that `sfsc export` "
                f"wrote. Found neither run.json nor {SPACE}."
            )
        full = list(models.values())[-1].embedder
        models = {key: m for key, m in models.items() if m.embedder.space == full.space}
        exhibits = Exhibits(models, prepared)
        _check_images(exhibits)
        LOGGER.info("Indexing %d images by the full model ...", len(exhibits.gallery))
        exhibits.vectors  # noqa: B018 - computed now, not by the first request
        yield exhibits


def _open_export(folder: Path) -> dict[str, Model]:
    space = read_space(folder)
    files = {key: folder / space.files[key].onnx for key in map(width_key, space.widths)}
    return {
        key: Model(file, OnnxEmbedder.load(file), space.map_against_full[key])
        for key, file in files.items()
    }


def _export(finished: Finished, target: Path) -> dict[str, Model]:
    LOGGER.info("Exporting %d sub-models ...", len(finished.run.widths))
    written = write_models(finished, target, int8=False)
    return {
        one.key: Model(one.onnx, OnnxEmbedder.load(one.onnx), accuracy)
        for one, accuracy in zip(written, finished.map_against_full, strict=True)
    }


def _find_data(export: Path) -> Path:
    """Return a prepared set in the present folder that is the one of an export's training."""
    space = read_space(export)
    found = sorted(Path("data/prepared").glob(f"*/{space.dataset}/{MANIFEST}"))
    for manifest in found:
        if digest_of(manifest) == space.data:
            return manifest.parent
    others = ", ".join(str(manifest.parent) for manifest in found)
    raise DataError(
        f"The prepared set of the training must be a data/prepared/<study>/{space.dataset} here, "
        f"with {space.data[:12]} as the digest of {MANIFEST}. Found {others or 'none'}; name it "
        "with `--data`."
    )


def _check_images(exhibits: Exhibits) -> None:
    description, images = exhibits.full.description, exhibits.prepared.images
    expected = (*description.image_size, description.image_channels)
    if images.shape[1:] != expected:
        raise DataError(
            f"The prepared set must have images of {expected}, as the training had. Found "
            f"{images.shape[1:]}; name its set with `--data`."
        )
