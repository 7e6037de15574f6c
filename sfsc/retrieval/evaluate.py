"""The stage `sfsc evaluate`: cached embeddings to the matrices of self- and cross-tests."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from sfsc.config import Evaluate
from sfsc.data.manifest import Manifest, Split
from sfsc.data.prepared import MANIFEST
from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.retrieval.cross_test import CrossTest, Search, evaluate_matrix, index_by_cosine
from sfsc.retrieval.products import Float32s, Float64s
from sfsc.retrieval.ranking import Labels
from sfsc.retrieval.reranking import RerankedGallery
from sfsc.retrieval.stored import load_embeddings
from sfsc.timing import useful

WORTH_A_GPU = 2**24
"""Scores of a pair of sub-models; Market-1501's, VeRi-776's and MSMT17's test splits have more."""


def evaluate(
    section: Evaluate, embeddings: Path, data_dir: Path, output: Path, queries: Path
) -> None:
    """Write `cross_test.json`: metrics of every pair of sub-models, as fractions.

    Args:
        section: Definition of average precision behind the summaries; ranks; re-ranking.
        embeddings: File written by `sfsc embed`.
        data_dir: The prepared set that was embedded.
        output: The JSON file.
        queries: The safetensors file of the same metrics of each query and of the queries'
            identities, for paired statistics.

    Raises:
        ResultError: If the embeddings are damaged or do not fit the set.
        DataError: If the manifest is damaged.
    """
    stored = load_embeddings(embeddings)
    manifest = Manifest.load(data_dir / MANIFEST)
    query, gallery = _labels(manifest, "query"), _labels(manifest, "gallery")
    try:
        with useful():
            result = evaluate_matrix(
                stored.query,
                stored.gallery,
                query,
                gallery,
                ranks=section.ranks,
                index=_index(section, len(query.identity) * len(gallery.identity)),
            )
    except ValueError as error:
        raise ResultError(
            f"{embeddings} must fit the prepared set {data_dir}. {error} Embed it again."
        ) from error
    content = {**stored.run, **_describe(result, section)}
    with replacing(queries) as temporary:
        save_file(
            result.queries | {"identity": result.query_identity},
            temporary,
            metadata={"run": json.dumps(stored.run)},
        )
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def _index(section: Evaluate, n_scores: int) -> Callable[[Float32s], Search]:
    """Return what searches a gallery: a GPU where there is one and the scores are many."""
    reranking = section.reranking and section.reranking.model_dump()
    if n_scores >= WORTH_A_GPU:
        # Here, as small galleries are searched sooner than torch is imported.
        from sfsc.device import best_device  # noqa: PLC0415
        from sfsc.retrieval.gpu import GalleryOnGPU  # noqa: PLC0415

        if (device := best_device()).type == "cuda":
            on_gpu = partial(GalleryOnGPU, device=device)
            return partial(RerankedGallery, **reranking, cosines=on_gpu) if reranking else on_gpu
    return partial(RerankedGallery, **reranking) if reranking else index_by_cosine


def _labels(manifest: Manifest, split: Split) -> Labels:
    rows = manifest.rows(split)
    return Labels(manifest.identity[rows], manifest.camera[rows])


def _describe(result: CrossTest, section: Evaluate) -> dict[str, object]:
    matrices = {
        "map_step": result.map_step,
        "map_trapezoidal": result.map_trapezoidal,
        "minp": result.minp,
        **{f"cmc_{rank}": matrix for rank, matrix in result.cmc.items()},
    }
    return {
        "average_precision": section.average_precision,
        "reranking": section.reranking and section.reranking.model_dump(),
        "n_query": result.n_query,
        "n_gallery": result.n_gallery,
        "n_skipped_queries": result.n_skipped_queries,
        "matrices": {name: matrix.tolist() for name, matrix in matrices.items()},
        "summary": summarise(result.mean_average_precision(section.average_precision)),
    }


def summarise(matrix: Float64s) -> dict[str, float | None]:
    """Return the summary numbers of an (M, M) matrix of mean average precisions.

    >>> summarise(np.array([[0.5, 0.25], [0.25, 1.0]]))["off_diagonal_map"]
    0.25
    """
    off_diagonal = matrix[~np.eye(len(matrix), dtype=bool)]
    return {
        "average_map": float(matrix.mean()),
        "diagonal_map": float(np.diagonal(matrix).mean()),
        "off_diagonal_map": float(off_diagonal.mean()) if len(off_diagonal) else None,
        "worst_map": float(matrix.min()),
    }
