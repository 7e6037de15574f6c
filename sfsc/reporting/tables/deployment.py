"""The deployment table: what a platform gets that asks the full model's gallery (DESIGN.md 3).

A small platform embeds the query, a server has embedded the gallery with the full model.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from sfsc.reporting.markup import NONE, Cell, Table, mean_text
from sfsc.reporting.names import method_colour, method_name, width_name
from sfsc.reporting.runs import Results
from sfsc.reporting.summaries import AVERAGE_MAP, cell, self_test
from sfsc.reporting.tables.main import REFERENCES, mean_columns

COLUMNS = (
    "dataset", "method", "query_width", "full_gallery_map_mean", "full_gallery_map_std",
    "own_gallery_map_mean", "own_gallery_map_std", "unified_map_mean", "unified_map_std",
)  # fmt: skip
FULL = "full_gallery_map"
GALLERIES = {
    FULL: "queries in the full model's gallery",
    "own_gallery_map": "queries in the gallery of the same sub-model",
}
"""Measure of each table of a data set, and its title."""
NOTE = (
    "mAP, percent, mean ± standard deviation over seeds. A platform embeds the query with the "
    "sub-model of its width; the gallery is embedded by the full model, or by the same sub-model."
)
INDEPENDENT = "independent networks are not compatible"
UNIFIED = "the unified model is the smallest network on every platform and asks its own gallery"


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
    """Return two tables of each data set, one per gallery: a row per method, a column per width.

    Args:
        frame: Of `deployment_frame`, or some of its rows.
    """
    widths = sorted(set(frame["query_width"]))
    return [
        _table(f"{dataset}: {title}", rows, measure, widths)
        for dataset, rows in frame.groupby("dataset", sort=False)
        for measure, title in GALLERIES.items()
    ]


def deployment_note(frame: pd.DataFrame) -> str:
    """Return the sentences below the tables, on the references that they have."""
    references = {
        INDEPENDENT: (frame["method"] == "independent").any(),
        UNIFIED: frame["unified_map_mean"].notna().any(),
    }
    told = "; ".join(sentence for sentence, is_there in references.items() if is_there)
    return f"{NOTE} Last, for reference: {told}." if told else NOTE


def _table(title: str, rows: pd.DataFrame, measure: str, widths: Sequence[float]) -> Table:
    """Return the compatible methods and, set apart, the references.

    The unified model, one number for all platforms, is a row of the full model's gallery alone.
    """
    texts = {
        str(method): _texts(of_method.set_index("query_width"), measure, widths)
        for method, of_method in rows.groupby("method", sort=False)
    }
    apart = [method for method in texts if method in REFERENCES]
    unified = mean_text(*rows[["unified_map_mean", "unified_map_std"]].iloc[0])
    if unified != NONE and measure == FULL:
        texts["unified"] = [unified] * len(widths)
        apart.append("unified")
    order = [*(method for method in texts if method not in apart), *apart]
    return Table(
        title,
        ("method", f"width {width_name(widths[0])}", *map(width_name, widths[1:])),
        frozenset({"method"}),
        tuple(
            (Cell(method_name(method), colour=method_colour(method)), *map(Cell, texts[method]))
            for method in order
        ),
        n_apart=len(apart),
    )


def _texts(by_width: pd.DataFrame, measure: str, widths: Sequence[float]) -> list[str]:
    """Return the text of each width; a dash for one that the method does not have."""
    numbers = by_width[[f"{measure}_mean", f"{measure}_std"]].reindex(list(widths))
    return [mean_text(mean, deviation) for mean, deviation in numbers.to_numpy()]
