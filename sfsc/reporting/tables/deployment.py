"""The deployment table: what a platform gets that asks the full model's gallery (DESIGN.md 3).

A small platform embeds the query, a server has embedded the gallery with the full model.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from sfsc.reporting.markup import Cell, Table, mean_text, tables_by
from sfsc.reporting.names import method_colour, method_name, width_name
from sfsc.reporting.runs import Results
from sfsc.reporting.summaries import AVERAGE_MAP, cell, self_test
from sfsc.reporting.tables.main import mean_columns

COLUMNS = (
    "dataset", "method", "query_width", "full_gallery_map_mean", "full_gallery_map_std",
    "own_gallery_map_mean", "own_gallery_map_std", "unified_map_mean", "unified_map_std",
)  # fmt: skip
HEAD = ("method", "query by", "asks the full gallery", "asks its own gallery", "unified model")
NOTE = (
    "mAP, percent, mean ± standard deviation over seeds. A platform embeds the query with the "
    "sub-model of its width; the gallery is embedded by the full model, or by the same sub-model. "
    "Unified model: the smallest network, which serves every platform, asks its own gallery."
)


def deployment_frame(results: Sequence[Results]) -> pd.DataFrame:
    """Return one row per data set, compared method with several sub-models, and query width.

    Columns `<name>_mean` and `<name>_std` are mean and sample standard deviation over seeds,
    percent; a standard deviation of one seed is missing, as are both where the study compares no
    unified model:

    * `full_gallery_map`: mAP of queries by this width in the full model's gallery;
    * `own_gallery_map`: mAP of the same queries in a gallery by the same width;
    * `unified_map`: mAP of the unified model, which serves every platform.
    """
    rows = [row for of_set in results for row in _rows(of_set)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(results: Results) -> Iterator[dict[str, object]]:
    unified: dict[str, object] = {}
    if "unified" in results.job.compare:
        unified = mean_columns(results.group("unified"), {"unified_map": AVERAGE_MAP})
    for group in results.compared():
        full = len(group.widths) - 1
        for switch, width in enumerate(group.widths if full else ()):
            cells = {"full_gallery_map": cell(switch, full), "own_gallery_map": self_test(switch)}
            yield {
                "dataset": group.dataset,
                "method": group.method,
                "query_width": width,
                **mean_columns(group, cells),
                **unified,
            }


def deployment_tables(frame: pd.DataFrame) -> list[Table]:
    """Return the table of each data set."""
    return tables_by(["dataset"], frame, HEAD, 2, _cells)


def _cells(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    names = ("full_gallery_map", "own_gallery_map", "unified_map")
    return (
        Cell(method_name(row["method"]), colour=method_colour(row["method"])),
        Cell(width_name(row["query_width"])),
        *(Cell(mean_text(row[f"{name}_mean"], row[f"{name}_std"])) for name in names),
    )
