"""The stage `sfsc cost`: the table of each sub-model's cost, from the files of `sfsc measure`.

`sfsc tables` does not write it, because its tables are the same, bit for bit, whenever a study is
made again; times differ from one measurement to the next.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sfsc.errors import ResultError
from sfsc.reporting.markup import Cell, Table, read_table, tables_by, write_table
from sfsc.reporting.names import short_name, width_name

HEAD = (
    "width", "parameters", "MACs", "model, bytes", "embedding, bytes", "latency, ms",
    "images per second",
)  # fmt: skip
QUARTILES = ("q1", "median", "q3")
TIMES = ("latency_ms", "images_per_second")
KEYS = (
    "width", "parameters", "macs", "model_bytes", "embedding_bytes", "latency_rounds",
    "throughput_rounds",
)  # fmt: skip
COMMON_KEYS = (
    "dataset", "method", "image_height", "image_width", "embedding_dim", "batch_images", "device",
    "threads", "torch",
)  # fmt: skip
"""Keys that all sub-models of a data set share."""


def write_cost(measured: Sequence[Path], output: Path) -> None:
    """Write the table as CSV, Markdown and LaTeX.

    Args:
        measured: The file of `sfsc measure` of each data set, in the order of the table.
        output: The CSV file.

    Raises:
        ResultError: If a file is missing or damaged.
    """
    frame = pd.DataFrame([row for path in measured for row in _read_rows(path)])
    write_table(output, frame, cost_tables(frame), cost_note(frame), float_format="%.6g")


def read_cost(csv: Path) -> pd.DataFrame:
    """Read the table back; a `ResultError` if it is damaged."""
    return read_table(csv, "method", "device", "torch", stage="cost")


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Return one row per sub-model."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [_row(submodel, content) for submodel in content["submodels"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(
            f"{path} must be written by `sfsc measure`. Found: {error!r}. Measure again."
        ) from error


def _row(submodel: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    times = {f"{t}_{q}": submodel[t][q] for t in TIMES for q in QUARTILES}
    names = {key: content[key] for key in ("dataset", "method")}
    own = {key: submodel[key] for key in KEYS}
    return {**names, **own, **times, **{key: content[key] for key in COMMON_KEYS}}


def cost_tables(frame: pd.DataFrame) -> list[Table]:
    """Return the table of each data set."""
    return tables_by(["dataset"], frame, HEAD, ("width",), _cells)


def _cells(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    texts = (
        width_name(row["width"]),
        f"{row['parameters']:,}",
        f"{row['macs']:,}",
        f"{row['model_bytes']:,}",
        str(row["embedding_bytes"]),
        *(quartile_text(*(row[f"{name}_{quartile}"] for quartile in QUARTILES)) for name in TIMES),
    )
    return tuple(map(Cell, texts))


def quartile_text(q1: float, median: float, q3: float) -> str:
    """Return "median [quartiles]" with the median's three leading digits, or its whole number.

    >>> quartile_text(0.4012, 0.4149, 0.4322), quartile_text(1498.2, 1520.7, 1533.0)
    ('0.415 [0.401, 0.432]', '1,521 [1,498, 1,533]')
    """
    digits = next((n for n, least in ((0, 100), (1, 10), (2, 1)) if median >= least), 3)
    return f"{median:,.{digits}f} [{q1:,.{digits}f}, {q3:,.{digits}f}]"


def cost_note(frame: pd.DataFrame) -> str:
    """Return the sentences below the table."""
    sets = frame.drop_duplicates("dataset").to_dict("records")

    def of_sets(template: str) -> str:
        return ", ".join(dict.fromkeys(template.format_map(row) for row in sets))

    methods = ", ".join(dict.fromkeys(short_name(row["method"]) for row in sets))
    return (
        f"Each sub-model of the network of {methods}, the first switchable row of `compare` (its "
        "first row if none is switchable), extracted as the plain network that is deployed. Only "
        "the architecture matters, not the weights. Parameters exclude the statistics of batch "
        "norms. MACs: multiply-accumulates of convolutions, linear layers and attention for one "
        "image, height x width "
        f"{of_sets('{image_height} x {image_width} on {dataset}')}. Model: size of its files. "
        f"Embedding: {of_sets('{embedding_dim}')} numbers of 4 bytes. Latency: one image, from the "
        "normalised image in memory to the embedding. Images per second: in batches of "
        f"{of_sets('{batch_images}')}. Median [quartiles] over {_span(frame['latency_rounds'])} "
        f"and {_span(frame['throughput_rounds'])} rounds after warm-up; each round measures every "
        "sub-model once, in random order. Measured on "
        f"{of_sets('{device}, torch {torch}, threads: {threads}')}. The job asks for all "
        "cores, so that no other job of the pipeline runs beside it on one machine. Times differ "
        "from one measurement to the next."
    )


def _span(counts: "pd.Series[Any]") -> str:
    """Return the smallest and the largest of some counts, or one number if they are equal."""
    return " to ".join(dict.fromkeys(map(str, (counts.min(), counts.max()))))
