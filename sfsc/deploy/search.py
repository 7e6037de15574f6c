"""The command `sfsc search`: the nearest photographs of a gallery."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from sfsc.deploy.answers import Answer, Hit, as_json, as_text, write_page
from sfsc.deploy.escalation import NEAREST, most_uncertain
from sfsc.deploy.gallery import Gallery
from sfsc.deploy.model import OnnxEmbedder
from sfsc.deploy.nearest import Hits, find_nearest
from sfsc.deploy.space import SPACE, read_space, width_key
from sfsc.errors import ConfigError, ResultError


class Escalation(NamedTuple):
    """A larger sub-model for the uncertain queries."""

    share: float
    """Share of the queries, in [0, 1]."""
    model: OnnxEmbedder
    """The larger sub-model."""


@dataclass(frozen=True)
class Request:
    """What `sfsc search` is asked."""

    gallery: Path
    """Folder of the gallery."""
    queries: Sequence[Path]
    """Photographs."""
    model: Path
    """File of the sub-model that embeds them."""
    top: int
    """Hits of each query."""
    share: float | None
    """Share of the queries to embed again, in [0, 1]."""
    larger: Path | None
    """File of the sub-model that embeds them again."""
    rate: str | None
    """False-match rate of "same", such as `fmr=0.01`."""
    page: Path | None
    """HTML file to write."""


def answer(request: Request, output: TextIO, *, is_json: bool) -> None:
    """Search and write the hits.

    Args:
        request: What is asked.
        output: Where to print.
        is_json: Whether to print JSON instead of lines.

    Raises:
        ConfigError: If the request is contradictory.
        ResultError: If the gallery is damaged or of another space.
        DataError: If a query is no whole photograph.
    """
    _check(request)
    files = [path for path in (request.model, request.larger) if path]
    models = [OnnxEmbedder.load(path) for path in files]
    gallery = Gallery.open(request.gallery)
    thresholds = {
        model.width: threshold_of(gallery, path, model.width, request.rate)
        for path, model in zip(files, models, strict=True)
        if request.rate
    }
    answers = search(
        gallery,
        request.queries,
        models[0],
        top=request.top,
        escalation=None if request.share is None else Escalation(request.share, models[1]),
        thresholds=thresholds,
    )
    if request.page:
        write_page(answers, request.page)
    output.write(as_json(answers) if is_json else as_text(answers))


def _check(request: Request) -> None:
    if request.top < 1:
        raise ConfigError(f"`--top` must be at least 1. Found {request.top}.")
    if (request.share is None) != (request.larger is None):
        raise ConfigError("`--escalate` and `--with` must be given together. Found one of them.")
    if not 0 <= (request.share or 0) <= 1:
        raise ConfigError(f"`--escalate` must be a share from 0 to 1. Found {request.share:g}.")


def search(
    gallery: Gallery,
    queries: Sequence[Path],
    model: OnnxEmbedder,
    *,
    top: int = 10,
    escalation: Escalation | None = None,
    thresholds: Mapping[float, float] | None = None,
) -> list[Answer]:
    """Return the nearest photographs of each query.

    Args:
        gallery: The gallery.
        queries: Photographs.
        model: Embeds the queries.
        top: Hits of each query.
        escalation: Embeds the most uncertain queries again.
        thresholds: Least cosine of "same" by the query's width.

    Raises:
        ResultError: If the gallery is damaged or of another space.
        DataError: If a query is no whole photograph.
    """
    hits, widths = _find(gallery, queries, model, max(top, NEAREST if escalation else 0))
    if escalation:
        again = most_uncertain(hits.scores[:, :NEAREST], escalation.share)
        better, widths[again] = _find(
            gallery, [queries[row] for row in again], escalation.model, top
        )
        hits.images[again, :top], hits.scores[again, :top] = better
    return [
        Answer(query, width, [*_hits(gallery, images, scores, (thresholds or {}).get(width))])
        for query, images, scores, width in zip(
            queries, hits.images[:, :top], hits.scores[:, :top], widths.tolist(), strict=True
        )
    ]


def _find(
    gallery: Gallery, queries: Sequence[Path], model: OnnxEmbedder, top: int
) -> tuple[Hits, NDArray[np.float64]]:
    """Return the hits of queries, and the width that embedded each."""
    check_same_space(gallery, model)
    if not gallery.head.shards:
        raise ResultError(f"{gallery.folder} must have images. Found none. Index some.")
    vectors = model.embed([model.read(query) for query in queries])
    return find_nearest(vectors, gallery.vectors, top), np.full(len(queries), model.width)


def _hits(
    gallery: Gallery, images: NDArray[np.int64], scores: NDArray[np.float32], least: float | None
) -> Iterator[Hit]:
    for image, score in zip(images.tolist(), scores.tolist(), strict=True):
        same = None if least is None else score >= least
        yield Hit(gallery.photographs[image].path, score, same)


def check_same_space(gallery: Gallery, model: OnnxEmbedder) -> None:
    """Refuse a model whose embeddings cannot be compared with the gallery's.

    Raises:
        ResultError: If it is of another space.
    """
    if model.space != gallery.model.space:
        raise ResultError(
            "A query's model must be of the gallery's space. Found a gallery by "
            f"{gallery.model.name} and a model that is {model.description.name}. Take a model "
            "of the export that made the gallery, or index the photographs again."
        )


def threshold_of(gallery: Gallery, file: Path, width: float, rate: str) -> float:
    """Return the least cosine of "same" for queries by one sub-model.

    Args:
        gallery: The gallery.
        file: The sub-model's file; `space.json` is beside it.
        width: Its width.
        rate: A false-match rate, such as `fmr=0.01`.

    Raises:
        ConfigError: If the export has no threshold of that rate.
        ResultError: If `space.json` is missing, damaged or of another space.
    """
    space = read_space(file.parent)
    if gallery.model.space not in space.spaces.values():
        raise ResultError(
            f"{file.parent / SPACE} must describe the gallery's space {gallery.model.space[:12]}. "
            f"Found {space.space[:12]}. Take the file of the same export."
        )
    pair = f"{width_key(width)}->{width_key(gallery.model.width)}"
    known = space.thresholds.get(pair, {})
    if rate not in known:
        raise ConfigError(
            f"A threshold must be one that the export estimated for {pair}: "
            f"{', '.join(known) or 'it has none'}. Found `{rate}`."
        )
    return known[rate]
