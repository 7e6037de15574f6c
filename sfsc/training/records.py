"""The records of a training: a stream while it runs, one Parquet file when it is done.

The stream has one JSON object per line. The Parquet file is its long form with the columns step,
epoch, metric, switch, other, layer and value (-1 and "" where a column does not apply):

| metric | belongs to | recorded |
|---|---|---|
| learning_rate | the step | every step |
| loss, base_loss and <term>_loss of each term, before its weight | a sub-model | every step |
| uncertainty, gradient_norm, common_norm | a sub-model | every step |
| cosine_common | a pair of sub-models, `switch` < `other` | every few steps |
| cosine_whole, cosine_nested | a pair of sub-models, `switch` < `other` | every few steps |
| cosine_layer | a pair in one parameter tensor, `layer` | every few steps |
| cosine_update | a sub-model and the update, on its block of the shared weights | every few steps |
| projection_change | the step: what the nested projection would do to the mean | every few steps |

`common_norm` and `cosine_common` look at the *common block*: the weights that all sub-models own,
without the classifier. `common_norm` is per unit of loss weight, so that it compares sub-models
and methods whose losses have different weights.

A pair conflicts where its cosine is negative. Cosines of pairs compare the sub-models' own
gradients on the training batch, before aggregation; for a given seed all methods see the same
batches. `cosine_update` compares the aggregated update with a sub-model's gradient: it is negative
where a step goes against the sub-model.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from sfsc.aggregation.conflicts import (
    common_cosines,
    common_norms,
    pairwise_cosines,
    projection_change,
    update_cosines,
)
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.files import replacing
from sfsc.training.model import CLASSIFIER
from sfsc.training.step import Gradients

Record = Mapping[str, Any]
TYPES = {
    "step": "int32",
    "epoch": "int32",
    "metric": "category",
    "switch": "int8",
    "other": "int8",
    "layer": "category",
    "value": "float32",
}
"""Columns of the long form and their types."""


class Stream:
    """An append-only file of records that can be cut back to where a checkpoint was taken.

    Args:
        path: The file; made if it is missing.
        length: Number of leading bytes to keep of an existing file.
    """

    def __init__(self, path: Path, *, length: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("ab")
        self._file.truncate(length)

    def write(self, record: Record) -> None:
        """Append one record."""
        self._file.write(json.dumps(record).encode() + b"\n")

    def flush(self) -> int:
        """Write everything to disk and return the stream's length in bytes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def step_values(gradients: Gradients) -> dict[str, Tensor]:
    """Return what every step records: for each metric one number per sub-model, (M,).

    The numbers stay where the gradients are; nothing waits for a GPU.
    """
    objectives, rows = gradients.objectives, gradients.jacobian.rows
    columns = {
        "loss": [o.total for o in objectives],
        **{f"{name}_loss": [o.losses[name] for o in objectives] for name in objectives[0].losses},
        "uncertainty": [o.uncertainty for o in objectives],
        "gradient_norm": [torch.nn.utils.get_total_norm(list(row.values())) for row in rows],
    }
    if norms := common_norms(gradients.jacobian, without=[CLASSIFIER]):
        weights = [o.weight for o in objectives]
        columns["common_norm"] = [n / w for n, w in zip(norms, weights, strict=True)]
    return {metric: torch.stack(column) for metric, column in columns.items()}


def read_values(values: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Return the numbers of `step_values` as floats; waits for a GPU, once."""
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))


def conflict_record(jacobian: NestedJacobian, update: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the cosines of gradients with each other and with the update.

    Args:
        jacobian: Gradients of the sub-models.
        update: What was made of them, by parameter name.

    Returns:
        Pairs, whole, nested and per layer, as [switch, other, cosine] lists, one cosine per
        sub-model, and what the projection would change; nothing if there is one sub-model alone.
    """
    layers = {name: gramian.cpu() for (name,), gramian in jacobian.gramians("layer").items()}
    if not layers:
        return {}
    nested = torch.cat(list(layers.values())).sum(dim=0)
    return {
        "cosine_common": _pairs(common_cosines(jacobian, without=[CLASSIFIER])),
        "cosine_whole": _pairs(pairwise_cosines(nested.sum(dim=0, keepdim=True))),
        "cosine_nested": _pairs(pairwise_cosines(nested)),
        "cosine_layer": {n: _pairs(pairwise_cosines(g.squeeze(0))) for n, g in layers.items()},
        "cosine_update": update_cosines(jacobian, update).tolist(),
        "projection_change": projection_change(nested),
    }


def read_stream(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a stream."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def write_parquet(stream: Path, output: Path) -> None:
    """Write the long form of a stream's step records.

    Args:
        stream: The stream of a finished training.
        output: The Parquet file.
    """
    rows = [row for record in read_stream(stream) if "step" in record for row in _long(record)]
    frame = pd.DataFrame(rows, columns=list(TYPES)).astype(TYPES)
    with replacing(output) as temporary:
        frame.to_parquet(temporary, index=False)


def _pairs(matrix: torch.Tensor) -> list[list[float]]:
    m = len(matrix)
    return [[i, j, float(matrix[i, j])] for i in range(m) for j in range(i + 1, m)]


def _long(record: Record) -> Iterator[tuple[Any, ...]]:
    step, epoch = record["step"], record["epoch"]
    for metric, value in record.items():
        if metric in {"step", "epoch"}:
            continue
        if metric == "cosine_layer":
            for layer, pairs in value.items():
                yield from ((step, epoch, metric, i, j, layer, v) for i, j, v in pairs)
        elif metric in {"cosine_common", "cosine_whole", "cosine_nested"}:
            yield from ((step, epoch, metric, i, j, "", v) for i, j, v in value)
        elif isinstance(value, list):
            yield from ((step, epoch, metric, s, -1, "", v) for s, v in enumerate(value))
        else:
            yield (step, epoch, metric, -1, -1, "", value)
