"""The deployment table: what a platform gets that asks the full model's gallery (DESIGN.md 3).

A small platform embeds the query, a server has embedded the gallery with the full model.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sfsc.config import StudyJob
from sfsc.reporting.runs import Float64s, Group, Results, load_results
from sfsc.reporting.table import write_texts

CELLS: dict[str, Callable[[Float64s, int], Float64s]] = {
    "full_gallery_map": lambda percent, switch: percent[:, switch, -1],
    "own_gallery_map": lambda percent, switch: percent[:, switch, switch],
}
"""The cells of a row, from mAP (S, M, M) and the query's sub-model to (S,)."""


def write_deployment(job: StudyJob, results: Path, output: Path) -> None:
    """Write the deployment table of a study.

    Args:
        job: The study's data sets and runs.
        results: `results/<study>`.
        output: The CSV file.

    Raises:
        ResultError: If a result file is missing or damaged or the runs do not fit each other.
    """
    frame = deployment_frame(load_results(job, results))
    write_texts({output: frame.to_csv(index=False, float_format="%.4f", lineterminator="\n")})


def deployment_frame(results: Sequence[Results]) -> pd.DataFrame:
    """Return one row per data set, compared method with several sub-models, and query width.

    Columns `<name>_mean` and `<name>_std` are mean and sample standard deviation over seeds,
    percent; a standard deviation of one seed is missing, as are both where the study compares no
    unified model:

    * `full_gallery_map`: mAP of queries by this width in the full model's gallery;
    * `own_gallery_map`: mAP of the same queries in a gallery by the same width;
    * `unified_map`: mAP of the unified model, which serves every platform.
    """
    columns = [
        "dataset", "method", "query_width",
        *(f"{name}_{number}" for name in (*CELLS, "unified_map") for number in ("mean", "std")),
    ]  # fmt: skip
    return pd.DataFrame([row for of_set in results for row in _rows(of_set)], columns=columns)


def _rows(results: Results) -> Iterator[dict[str, object]]:
    unified = np.full(1, np.nan)
    if "unified" in results.job.compare:
        unified = results.group("unified").map_percent[:, 0, 0]
    for group in results.compared():
        if group.is_switchable:
            for switch in range(len(group.widths)):
                yield _row(group, switch) | _over_seeds("unified_map", unified)


def _row(group: Group, switch: int) -> dict[str, object]:
    row: dict[str, object] = {
        "dataset": group.dataset,
        "method": group.method,
        "query_width": group.widths[switch],
    }
    for name, cell in CELLS.items():
        row |= _over_seeds(name, cell(group.map_percent, switch))
    return row


def _over_seeds(name: str, values: Float64s) -> dict[str, object]:
    """Return mean and sample standard deviation, missing for one seed."""
    series = pd.Series(values, dtype=float)
    return {f"{name}_mean": series.mean(), f"{name}_std": series.std(ddof=1)}
