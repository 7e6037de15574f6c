"""The stage `sfsc evaluate`: embeds the test images and tests every pair of sub-models."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from sfsc.compute import best_device, keep_freed_memory, make_deterministic, timed
from sfsc.data.manifest import Manifest, Split
from sfsc.data.prepared import PreparedSet
from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.networks.build import load_network
from sfsc.retrieval.arrays import Float32s, Float64s
from sfsc.retrieval.embed import extract_embeddings
from sfsc.retrieval.matrix import CrossTest, evaluate_matrix
from sfsc.retrieval.ranking import Index, index_by_cosine
from sfsc.retrieval.relevance import Labels
from sfsc.settings import parts
from sfsc.settings.sections import Evaluate

SPLITS: tuple[Split, ...] = ("query", "gallery")


def evaluate(
    section: Evaluate, run_dir: Path, data_dir: Path, output_dir: Path, *, threads: int
) -> None:
    """Test a run on the query and gallery splits; on a GPU where there is one.

    Writes three files:

    * `embeddings.safetensors`: `query` (M, Q, D) and `gallery` (M, G, D), float32 unit vectors in
      the order of the manifest.
    * `cross_test.json`: the metrics of every pair of sub-models, as fractions.
    * `query_metrics.safetensors`: the same metrics of each query and the queries' identities, for
      paired statistics.

    Args:
        section: Definition of average precision for the summaries; ranks; re-ranking.
        run_dir: Folder of a finished training.
        data_dir: Prepared set that the run was trained on.
        output_dir: Folder of the files.
        threads: Threads of torch's operators.

    Raises:
        ResultError: If the run is damaged or its embeddings cannot be tested.
        DataError: If the prepared set is damaged.
    """
    keep_freed_memory()
    device = best_device()
    make_deterministic(threads, device)
    prepared = PreparedSet.open(data_dir)
    network = load_network(run_dir).to(device)
    run = _read_run(run_dir / "run.json")
    with timed("embedding and ranking"):
        embeddings = {
            split: extract_embeddings(
                network, prepared.images, prepared.manifest.rows(split), device=device
            )
            for split in SPLITS
        }
        try:
            result = _test(section, embeddings, prepared.manifest, device)
        except ValueError as error:
            raise ResultError(
                f"{run_dir} must be a run that can be tested on {data_dir}. {error}"
            ) from error
    with replacing(output_dir / "embeddings.safetensors") as temporary:
        tensors = {"query": embeddings["query"], "gallery": embeddings["gallery"]}
        save_file(tensors, temporary, metadata=_metadata(run))
    write_test(result, section, run, output_dir)


def write_test(result: CrossTest, section: Evaluate, run: dict[str, Any], output_dir: Path) -> None:
    """Write `cross_test.json` and `query_metrics.safetensors`.

    Args:
        result: The matrices.
        section: How they were computed.
        run: `dataset`, `method`, `seed` and `widths` of the run.
        output_dir: Folder of the files.
    """
    content = {**run, **_describe(result, section)}
    with replacing(output_dir / "query_metrics.safetensors") as temporary:
        arrays = result.queries | {"identity": result.query_identity}
        save_file(arrays, temporary, metadata=_metadata(run))
    with replacing(output_dir / "cross_test.json") as temporary:
        temporary.write_text(
            json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )


def _read_run(path: Path) -> dict[str, Any]:
    """Return what identifies a run wherever its tests are shown."""
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        return {key: run[key] for key in ("dataset", "method", "seed", "widths")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(
            f"{path} must be the record of a finished training. Found: {error!r}. Train it again."
        ) from error


def _metadata(run: dict[str, Any]) -> dict[str, str]:
    """Return the metadata of a file of tensors.

    One key, as safetensors writes several in no fixed order: the file would differ between runs.
    """
    return {"run": json.dumps(run)}


def build_index(section: Evaluate) -> Index:
    """Return what makes a gallery searchable: by cosine unless the settings name a re-ranking."""
    if section.reranking is None:
        return index_by_cosine
    part = parts.load("retrieval.rerankings", section.reranking.name)
    index: Index = part.build(section.reranking)
    return index


def _test(
    section: Evaluate,
    embeddings: Mapping[Split, Float32s],
    manifest: Manifest,
    device: torch.device,
) -> CrossTest:
    rows = [manifest.rows(split) for split in SPLITS]
    query, gallery = (Labels(manifest.identity[chosen], manifest.camera[chosen]) for chosen in rows)
    return evaluate_matrix(
        embeddings["query"],
        embeddings["gallery"],
        query,
        gallery,
        ranks=section.ranks,
        index=build_index(section),
        device=device,
    )


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
