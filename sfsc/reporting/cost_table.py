"""The stage `sfsc cost`: the table of what sub-models cost, from the files of `sfsc measure`.

It is not among the tables of `sfsc tables`: times differ from one measurement to the next, and
those are the same, bit for bit, whenever a study is made again.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sfsc.errors import ResultError
from sfsc.reporting.names import short_name, width_name
from sfsc.reporting.table import Cell, Table, to_latex, to_markdown, write_texts

HEAD = (
    "width", "parameters", "MACs", "model, bytes", "embedding, bytes", "latency, ms",
    "images per second",
)  # fmt: skip
QUARTILES = ("q1", "median", "q3")
COUNTS = ("parameters", "macs", "model_bytes", "embedding_bytes")
OF_SET = (
    "dataset", "method", "image_height", "image_width", "embedding_dim", "batch_images", "device",
    "threads", "torch",
)  # fmt: skip
"""What all sub-models of a data set have in common."""


def write_cost(measured: Sequence[Path], output: Path) -> None:
    """Write the table: CSV, and Markdown and LaTeX beside it.

    Args:
        measured: The file of `sfsc measure` of each data set, in the order of the table.
        output: The CSV file.

    Raises:
        ResultError: If a file is missing or damaged.
    """
    frame = pd.DataFrame([row for path in measured for row in _read_rows(path)])
    tables, note = cost_tables(frame), cost_note(frame)
    texts = {
        output: frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        output.with_suffix(".md"): to_markdown(tables, note),
        output.with_suffix(".tex"): to_latex(tables, note),
    }
    write_texts(texts)


def read_cost(path: Path) -> pd.DataFrame:
    """Read the table back.

    Args:
        path: A CSV file of `write_cost`.

    Raises:
        ResultError: If it is missing or damaged.
    """
    try:
        return pd.read_csv(path, dtype={"dataset": str, "method": str, "device": str, "torch": str})
    except (OSError, ValueError) as error:
        raise ResultError(
            f"{path} must be a table written by `sfsc cost`. Found: {error}. Write it again."
        ) from error


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Return one row per sub-model."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        common = {key: content[key] for key in OF_SET}
        return [_row(submodel, common) for submodel in content["submodels"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(
            f"{path} must be written by `sfsc measure`. Found: {error!r}. Measure again."
        ) from error


def _row(submodel: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    times = {
        f"{name}_{quartile}": submodel[name][quartile]
        for name in ("latency_ms", "images_per_second")
        for quartile in QUARTILES
    }
    names = {key: common[key] for key in ("dataset", "method")}
    keys = ("width", *COUNTS, "latency_rounds", "throughput_rounds")
    return {**names, **{key: submodel[key] for key in keys}, **times, **common}


def cost_tables(frame: pd.DataFrame) -> list[Table]:
    """Return the table of each data set."""
    return [
        Table(str(dataset), HEAD, 1, tuple(_cells(row) for _, row in rows.iterrows()))
        for dataset, rows in frame.groupby("dataset", sort=False)
    ]


def _cells(row: "pd.Series[Any]") -> tuple[Cell, ...]:
    texts = (
        width_name(row["width"]),
        f"{row['parameters']:,}",
        f"{row['macs']:,}",
        f"{row['model_bytes']:,}",
        str(row["embedding_bytes"]),
        *(
            quartile_text(*(row[f"{name}_{quartile}"] for quartile in QUARTILES))
            for name in ("latency_ms", "images_per_second")
        ),
    )
    return tuple(map(Cell, texts))


def quartile_text(q1: float, median: float, q3: float) -> str:
    """Return "median [quartiles]", the median with three digits or all those of a whole number.

    >>> quartile_text(0.4012, 0.4149, 0.4322), quartile_text(1498.2, 1520.7, 1533.0)
    ('0.415 [0.401, 0.432]', '1521 [1498, 1533]')
    """
    digits = next((n for n, least in ((0, 100), (1, 10), (2, 1)) if median >= least), 3)
    return f"{median:.{digits}f} [{q1:.{digits}f}, {q3:.{digits}f}]"


def cost_note(frame: pd.DataFrame) -> str:
    """Return the sentences that a reader needs under the table."""
    sets = frame.drop_duplicates("dataset").to_dict("records")

    def of_sets(template: str) -> str:
        return ", ".join(dict.fromkeys(template.format_map(row) for row in sets))

    methods = ", ".join(dict.fromkeys(short_name(row["method"]) for row in sets))
    return (
        f"Each sub-model of the network of {methods}, the first switchable row of `compare` (of "
        "the first row where none is), cut out as a plain network: what is deployed. All depends "
        "on the architecture and nothing on the weights. Parameters: without the statistics of "
        "batch norms. MACs: multiply-accumulates of convolutions, linear layers and attention for "
        "one image, height x width "
        f"{of_sets('{image_height} x {image_width} on {dataset}')}. Model: its files. Embedding: "
        f"{of_sets('{embedding_dim}')} numbers of 4 "
        "bytes. Latency: of one image, from the normalised image in memory to the embedding. "
        f"Images per second: in batches of {of_sets('{batch_images}')}. Median [quartiles] over "
        f"{_span(frame['latency_rounds'])} and {_span(frame['throughput_rounds'])} rounds behind "
        "warm-up; in a round the sub-models take turns, in an order drawn anew. Measured on "
        f"{of_sets('{device}, torch {torch}, threads: {threads}')}. The job asks for all cores, so "
        "that on one machine no other job of the pipeline runs beside it. Times differ from one "
        "measurement to the next."
    )


def _span(counts: "pd.Series[Any]") -> str:
    """Return the smallest and the largest of some counts, one if they are the same."""
    return " to ".join(dict.fromkeys(map(str, (counts.min(), counts.max()))))
