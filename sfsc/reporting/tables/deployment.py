"""The deployment table: what a platform gets that asks the full model's gallery (DESIGN.md 3).

A small platform embeds the query, a server has embedded the gallery with the full model.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from sfsc.files import write_texts
from sfsc.reporting.runs import Results, load_results
from sfsc.reporting.summaries import AVERAGE_MAP, cell, self_test
from sfsc.reporting.tables.main import mean_columns
from sfsc.settings.jobs import StudyJob

COLUMNS = (
    "dataset", "method", "query_width", "full_gallery_map_mean", "full_gallery_map_std",
    "own_gallery_map_mean", "own_gallery_map_std", "unified_map_mean", "unified_map_std",
)  # fmt: skip


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
