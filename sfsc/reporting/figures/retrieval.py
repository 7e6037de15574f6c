"""Examples of retrieval: the smallest and the full sub-model ask the full one's gallery."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from sfsc.data.prepared import PreparedSet
from sfsc.data.words import credit_of
from sfsc.errors import ResultError
from sfsc.reporting.captions import name_data
from sfsc.reporting.drawing import Drawing
from sfsc.reporting.names import OURS, method_name, width_name
from sfsc.reporting.runs import Group, Results, Run
from sfsc.reporting.style import HIT, INK, MISS, MUTED, PAGE, add_axes
from sfsc.retrieval.arrays import Float64s, Integers
from sfsc.retrieval.metrics import average_precision
from sfsc.retrieval.ranking import positive_ranks
from sfsc.retrieval.relevance import Labels, find_relevant
from sfsc.retrieval.stored import load_embeddings

SHOWN = 10
"""Gallery images per query."""
SIDE, PITCH, ROW = 0.54, 0.58, 0.70
"""Side of an image, and the distances to the next one to the right and below; inches."""
LEFT = 0.15
"""Distance of the rankings from the query, inches."""
AFTER = 1.12
"""Where the width and the precision of a ranking stand, in sides of its last image."""
QUANTILES = (0.95, 0.75, 0.5, 0.25, 0.1, 0.0)
"""Quantiles of the average precision of the smallest sub-model's queries. One query is shown for
each, so that none is picked for its looks."""


@dataclass(frozen=True)
class Ranking:
    """The head of the ranking of a query by one sub-model; images are rows of the prepared set."""

    width: float
    """Width of the sub-model that embeds the query."""
    images: Integers
    """(SHOWN,), best first."""
    is_hit: NDArray[np.bool_]
    """(SHOWN,)."""
    average_precision: float


@dataclass(frozen=True)
class Search:
    """A query, a row of the prepared set, and its rankings by the smallest and the full sub-model.

    A run of one sub-model has one ranking.
    """

    query: int
    rankings: tuple[Ranking, ...]


def draw(results: Results) -> Drawing:
    """Draw what the same queries find in the full sub-model's gallery by two sub-models.

    The smallest seed of SFSC is shown; in a study without SFSC that of the last method with several
    sub-models, or of the last method.

    Raises:
        ResultError: If no prepared set is given or the embeddings do not fit it.
        DataError: If the prepared set is damaged.
    """
    if results.data_dir is None:
        raise ResultError("The prepared set must be given. Add `--data`.")
    prepared = PreparedSet.open(results.data_dir)
    group = _choose(results.compared())
    run = group.runs[0]
    searches = find_searches(run, prepared)
    lines = [(s, ranking) for s in searches for ranking in s.rankings]
    figure = Figure(figsize=(PAGE, ROW * len(lines) + 0.48))
    height = figure.get_size_inches()[1]
    for index, (search, ranking) in enumerate(lines):
        bottom = height - 0.4 - ROW * index - SIDE
        places = [0.05, *(LEFT + PITCH * column for column in range(1, SHOWN + 1))]
        panels = [add_axes(figure, (left, bottom, SIDE, SIDE)) for left in places]
        _draw_query(panels[0], search, ranking, prepared)
        _draw_ranking(panels[1:], ranking, prepared)
        if index == 0:
            _draw_head(panels, group.widths)
    widths = " and ".join(width_name(ranking.width) for ranking in searches[0].rankings)
    return Drawing(
        figure,
        title="What the smallest and the full sub-model find in the full one's gallery",
        caption=(
            f"{method_name(run.method)}, seed {run.seed}: the same queries embedded by the "
            f"sub-models of width {widths}, gallery indexed by that of width "
            f"{width_name(group.widths[-1])}; the first {SHOWN} images of each ranking. Hits have "
            "a solid frame and a tick, misses a dashed frame and a cross. Queries are those at "
            f"the quantiles {', '.join(f'{q:g}' for q in QUANTILES)} of the first sub-model's "
            "average precision (AP, right); the "
            "last one is the worst. Under each image its camera. Same identity and camera "
            f"removed{'' if run.reranking == 'none' else '; not re-ranked'}. Data: "
            f"{name_data(run.dataset)}, test identities unseen in training."
            f"{_credit(run.dataset)}"
        ),
        alternative=f"Rows of images. Hits among the first {SHOWN}, best query first, by the "
        f"sub-models of width {widths}: "
        + ", ".join(
            " and ".join(str(int(ranking.is_hit.sum())) for ranking in search.rankings)
            for search in searches
        )
        + ".",
    )


def find_searches(run: Run, prepared: PreparedSet) -> list[Search]:
    """Return the searches of the queries at `QUANTILES` of average precision, best first.

    Args:
        run: With `embeddings.safetensors`.
        prepared: The data set of the run.

    Raises:
        ResultError: If the embeddings do not fit the set.
    """
    path = run.folder / "embeddings.safetensors"
    switches = sorted({0, len(run.widths) - 1})
    queries = [load_embeddings(path, "query", switch) for switch in switches]
    gallery = load_embeddings(path, "gallery", -1)
    manifest = prepared.manifest
    rows = {split: manifest.rows(split) for split in ("query", "gallery")}
    if (len(queries[0]), len(gallery)) != (len(rows["query"]), len(rows["gallery"])):
        raise ResultError(
            f"{path} must hold an embedding of each query and gallery image of the prepared set "
            f"({len(rows['query'])} and {len(rows['gallery'])}). Found {len(queries[0])} and "
            f"{len(gallery)}. Evaluate the run again."
        )
    labels = {split: Labels(manifest.identity[r], manifest.camera[r]) for split, r in rows.items()}
    relevance = find_relevant(labels["query"], labels["gallery"])
    definition = run.test["average_precision"]
    precisions = [
        average_precision(positive_ranks(query, gallery, relevance), definition)
        for query in queries
    ]
    valid = np.flatnonzero(relevance.positives.counts)

    def rank(number: int, place: int) -> Ranking:
        index = int(valid[place])
        scores = gallery @ queries[number][index]
        scores[np.concatenate([relevance.removed[index], relevance.junk])] = -np.inf
        best = np.argsort(-scores, kind="stable")[:SHOWN]
        return Ranking(
            width=run.widths[switches[number]],
            images=rows["gallery"][best],
            is_hit=np.isin(best, relevance.positives[index]),
            average_precision=float(precisions[number][place]),
        )

    return [
        Search(
            query=int(rows["query"][valid[place]]),
            rankings=tuple(rank(number, place) for number in range(len(switches))),
        )
        for place in _places(precisions[0])
    ]


def _places(precision: Float64s) -> list[int]:
    """Return the indices of the queries at `QUANTILES`, each query once."""
    order = np.argsort(precision, kind="stable")
    picked = [order[round(quantile * (len(order) - 1))] for quantile in QUANTILES]
    return [int(place) for place in dict.fromkeys(picked)]


def _credit(dataset: str) -> str:
    """Return the sentence on whose images are shown, after a space; empty if no one is named."""
    credit = credit_of(dataset)
    return f" Images: {credit}." if credit else ""


def _choose(groups: Sequence[Group]) -> Group:
    by_method = {group.method: group for group in groups}
    switchable = [group for group in groups if group.is_switchable]
    return by_method.get(OURS) or (switchable or list(groups))[-1]


def _draw_query(panel: Axes, search: Search, ranking: Ranking, prepared: PreparedSet) -> None:
    """Draw the query beside its first ranking only."""
    if ranking is not search.rankings[0]:
        panel.set_axis_off()
        return
    camera = prepared.manifest.camera[search.query]
    _draw_image(panel, prepared.images[search.query], camera)
    _frame(panel, INK, "solid")


def _draw_ranking(panels: Sequence[Axes], ranking: Ranking, prepared: PreparedSet) -> None:
    camera = prepared.manifest.camera
    for panel, image, is_hit in zip(panels, ranking.images, ranking.is_hit, strict=False):
        _draw_image(panel, prepared.images[image], camera[image])
        colour, dash, sign = (HIT, "solid", "✓") if is_hit else (MISS, (0, (2.5, 1.6)), "✗")
        _frame(panel, colour, dash)
        box = {"facecolor": colour, "edgecolor": "none", "boxstyle": "square,pad=0.12"}
        panel.text(0.96, 0.95, sign, transform=panel.transAxes, color="white", size=6.5,
                   weight="bold", ha="right", va="top", bbox=box)  # fmt: skip
    for panel in panels[len(ranking.images) :]:
        panel.set_axis_off()
    text = f"{width_name(ranking.width)}\nAP {100 * ranking.average_precision:.0f} %"
    panels[-1].text(AFTER, 0.5, text, transform=panels[-1].transAxes, size=7, va="center")


def _draw_image(axes: Axes, image: NDArray[np.uint8], camera: int) -> None:
    is_grey = image.shape[-1] == 1
    axes.imshow(
        image[..., 0] if is_grey else image, cmap="gray" if is_grey else None, vmin=0, vmax=255,
        interpolation="nearest",
    )  # fmt: skip
    axes.set_axis_off()
    axes.text(0.5, -0.05, f"camera {camera}", transform=axes.transAxes, color=MUTED, size=6.5,
              ha="center", va="top")  # fmt: skip


def _frame(axes: Axes, colour: str, dash: str | tuple[int, tuple[float, float]]) -> None:
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=colour,
                             lw=1.6, ls=dash, clip_on=False))  # fmt: skip


def _draw_head(panels: Sequence[Axes], widths: Sequence[float]) -> None:
    texts = {
        0: "Query",
        1: f"Gallery, best match first\nwidth {width_name(widths[-1])}",
        SHOWN: "Query\nwidth",
    }
    for index, text in texts.items():
        left = AFTER if index == SHOWN else 0.0
        panels[index].text(
            left, 1.1, text, transform=panels[index].transAxes, size=7, linespacing=1.3
        )
