"""The command `sfsc escalation`: mAP and cost against the share of queries embedded again.

The share is chosen on validation identities; the figure shows test identities.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sfsc.compute import best_device, timed
from sfsc.data.manifest import Split
from sfsc.deploy.escalation import NEAREST, uncertainty
from sfsc.deploy.finished import Finished
from sfsc.deploy.nearest import find_nearest
from sfsc.deploy.space import has_one_space, width_key
from sfsc.errors import ResultError
from sfsc.files import write_texts
from sfsc.reporting.drawing import Drawing
from sfsc.reporting.names import short_name, width_name
from sfsc.reporting.style import MUTED, PAGE, mark_counts, theme, width_colours
from sfsc.retrieval.embed import extract_embeddings
from sfsc.retrieval.matrix import evaluate_matrix
from sfsc.retrieval.relevance import Labels, find_relevant

SHARES = np.linspace(0, 1, 21)
"""Shares of the queries that are embedded again."""
GAIN = 0.9
"""The chosen share reaches this much of what embedding every query again gains."""

Float64s = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Escalation from one sub-model to the full one."""

    width: float
    """Width that embeds every query first."""
    macs: list[float]
    """Mean multiply-accumulates of a query, by share."""
    validation: list[float]
    """mAP of validation queries, by share, a fraction."""
    test: list[float]
    """mAP of test queries, by share, a fraction."""
    chosen: float
    """The smallest share that reaches `GAIN` on validation identities."""


def write_escalation(run_dir: Path, output: Path) -> list[Curve]:
    """Write the figure and, beside it, its numbers as `<name>.curves.json`.

    Args:
        run_dir: Folder of a finished training.
        output: The SVG file; a PNG file and the caption are written beside it.

    Raises:
        ResultError: If the training is not finished, or its sub-models share no space.
        DataError: If the prepared set is damaged.
    """
    finished = Finished.open(run_dir)
    widths = finished.run.widths
    if len(widths) == 1 or not has_one_space(finished.run.record):
        raise ResultError(
            f"{run_dir} must hold several sub-models of one space. Found "
            f"{', '.join(map(width_key, widths))}, trained apart. Name a training of `sfsc`."
        )
    with timed("embedding and ranking"):
        validation = _measure(finished, "validation", "validation")
        test = _measure(finished, "query", "gallery")
    macs = finished.run.record["macs"]
    curves = [
        Curve(
            width,
            (macs[switch] + SHARES * macs[-1]).tolist(),
            validation[switch].tolist(),
            test[switch].tolist(),
            choose_share(validation[switch]),
        )
        for switch, width in enumerate(widths[:-1])
    ]
    content = {"shares": SHARES.tolist(), "curves": [asdict(curve) for curve in curves]}
    write_texts({output.with_suffix(".curves.json"): json.dumps(content, indent=1) + "\n"})
    with theme():
        _draw(curves, finished).save(output, finished.run.dataset)
    return curves


def choose_share(levels: Float64s) -> float:
    """Return the smallest share that reaches `GAIN` of what escalating all queries gains.

    >>> choose_share(np.minimum(0.5 + SHARES, 0.7))
    0.2

    Args:
        levels: mAP by share, as of `SHARES`.
    """
    wanted = levels[0] + GAIN * (levels[-1] - levels[0])
    return round(float(SHARES[np.argmax(levels >= wanted)]), 2)


def escalate(precision: Float64s, again: Float64s, doubt: Float64s) -> Float64s:
    """Return mAP at each of `SHARES` if the most doubtful queries are embedded again, (S,).

    >>> escalate(np.array([0.2, 0.6]), np.array([0.8, 0.7]), np.array([3.0, 1.0]))[[0, 10, 20]]
    array([0.4 , 0.7 , 0.75])

    Args:
        precision: Average precision of each query, (Q,).
        again: The same by the larger sub-model, (Q,).
        doubt: Uncertainty of each query, (Q,).
    """
    order = np.argsort(-doubt, kind="stable")
    gains = np.concatenate([[0.0], np.cumsum((again - precision)[order])])
    counts = np.ceil(np.round(SHARES * len(doubt), 9)).astype(np.int64)
    levels: Float64s = precision.mean() + gains[counts] / len(doubt)
    return levels


def _measure(finished: Finished, query: Split, gallery: Split) -> list[Float64s]:
    """Return mAP by share, for each smaller sub-model, against the full model's gallery."""
    asked, indexed = (_Split.of(finished, split) for split in (query, gallery))
    tested = evaluate_matrix(asked.vectors, indexed.vectors, asked.labels, indexed.labels)
    precision = tested.queries["map_step"][:, -1].astype(np.float64)
    valid = np.flatnonzero(find_relevant(asked.labels, indexed.labels).positives.counts)
    levels = []
    for switch in range(len(finished.run.widths) - 1):
        hits = find_nearest(asked.vectors[switch], indexed.vectors[-1], NEAREST + 1)
        is_own = indexed.rows[hits.images] == asked.rows[:, None]
        doubt = uncertainty(_without(hits.scores, is_own))
        levels.append(escalate(precision[switch], precision[-1], doubt[valid]))
    return levels


class _Split(NamedTuple):
    rows: NDArray[np.int64]
    """Images of the prepared set, (N,)."""
    labels: Labels
    """Their identities and cameras."""
    vectors: NDArray[np.float32]
    """Their unit vectors by every sub-model, (M, N, D)."""

    @classmethod
    def of(cls, finished: Finished, split: Split) -> "_Split":
        """Embed a split, or a sample of it."""
        rows, manifest = finished.rows(split), finished.prepared.manifest
        device = best_device()
        network = finished.network.to(device)
        vectors = extract_embeddings(network, finished.prepared.images, rows, device=device)
        return cls(rows, Labels(manifest.identity[rows], manifest.camera[rows]), vectors)


def _without(scores: NDArray[np.float32], is_own: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the scores (Q, k - 1) without the query itself, or without the last one."""
    drop = np.where(is_own.any(axis=1), is_own.argmax(axis=1), scores.shape[1] - 1)
    kept = np.arange(scores.shape[1])[None] != drop[:, None]
    others: NDArray[np.float32] = scores[kept].reshape(len(scores), -1)
    return others


def _draw(curves: list[Curve], finished: Finished) -> Drawing:
    figure = Figure(figsize=(PAGE, 2.6))
    by_share, by_cost = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.07, right=0.98, bottom=0.19, top=0.9, wspace=0.07)
    colours = width_colours(len(curves) + 1)
    for curve, colour in zip(curves, colours, strict=False):
        levels = 100 * np.array(curve.test)
        marked = int(np.argmin(np.abs(SHARES - curve.chosen)))
        for axes, x in ((by_share, 100 * SHARES), (by_cost, np.array(curve.macs))):
            axes.plot(x, levels, color=colour, label=f"first by width {width_name(curve.width)}")
            axes.plot(x[marked], levels[marked], "o", color=colour, ms=5)
        ends = 100 * SHARES[[0, -1]], levels[[0, -1]]
        by_share.plot(*ends, color=MUTED, lw=0.8, ls=(0, (4, 3)), zorder=0)
    figure.legend(*by_cost.get_legend_handles_labels(), loc="upper left", ncols=len(curves))
    by_share.set(xlabel="queries embedded again (%); dashed: at random", ylabel="mAP (%)")
    by_cost.set(xlabel="mean multiply-accumulates per query", xscale="log")
    mark_counts(by_cost.xaxis)
    words = [
        f"width {width_name(curve.width)}: {100 * curve.test[0]:.1f} % without, "
        f"{100 * curve.test[SHARES.searchsorted(curve.chosen)]:.1f} % with "
        f"{100 * curve.chosen:.0f} % embedded again, {100 * curve.test[-1]:.1f} % with all"
        for curve in curves
    ]
    run = finished.run
    return Drawing(
        figure,
        title="Escalation",
        caption=(
            "Every query is embedded by a small sub-model; those whose "
            f"{NEAREST} nearest similarities in the full model's gallery have the highest entropy "
            "are embedded again by the full model. Left: mAP of test queries against the share "
            "embedded again; dashed: the same share at random. Right: against the mean cost of a "
            "query, both embeddings counted. Dots: the smallest share that reaches "
            f"{100 * GAIN:.0f} % of the gain on validation identities. {short_name(run.method)} on "
            f"{run.dataset}, seed {run.seed}."
        ),
        alternative=f"mAP of test queries, {'; '.join(words)}.",
    )


def as_text(curves: list[Curve]) -> str:
    """Return the numbers for a terminal."""
    lines = ["  width  share  mAP, %: none  this share  all    MACs per query"]
    for curve in curves:
        at = int(np.argmin(np.abs(SHARES - curve.chosen)))
        none, some, every = (100 * curve.test[index] for index in (0, at, -1))
        lines.append(
            f"  {width_key(curve.width):>5}  {curve.chosen:5.2f}  {none:12.1f}  {some:10.1f}  "
            f"{every:4.1f}  {curve.macs[at]:>15,.0f}"
        )
    return "\n".join(lines) + "\n"
