"""Heat maps of the cross-tests side by side, one per method, on one scale."""

from collections.abc import Mapping

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from sfsc.reporting.captions import describe_protocol, percent
from sfsc.reporting.drawing import Drawing
from sfsc.reporting.names import TWINS, method_name, name_lines, width_name
from sfsc.reporting.runs import Float64s, Group, Results
from sfsc.reporting.style import HEAT_MAP, MUTED, PAGE, add_axes

SIDE, PITCH, ROW = 1.42, 1.58, 2.32
"""Side of a matrix, and the distances to the next one to the right and below; inches."""
HEAD = 0.55
"""Height of the words above a matrix, inches."""
SINGLES, SINGLE_ROW = 1.0, 0.95
"""Width of the column of one-network methods at the left, and a row of it; inches."""


def draw(results: Results) -> Drawing:
    """Draw each method's M x M matrix of mAP, mean over seeds.

    Methods with one network have one cell of the same size, at the left.
    """
    groups = results.compared()
    singles = [group for group in groups if not group.is_switchable]
    matrices = [group for group in groups if group.is_switchable]
    left = SINGLES if singles else 0.0
    columns = max(1, int((PAGE - left - 0.5 - 0.6) / PITCH))
    cell = SIDE / max(4, *(len(group.widths) for group in groups))
    of_singles = HEAD + cell + SINGLE_ROW * (len(singles) - 1)
    height = max(ROW * max(1, -(-len(matrices) // columns)), of_singles) + 0.1
    figure = Figure(figsize=(PAGE, height))
    means = {group.method: group.map_percent.mean(axis=0) for group in groups}
    scale = _scale(means)
    for index, group in enumerate(singles):
        axes = add_axes(figure, (0.1, height - HEAD - cell - SINGLE_ROW * index, cell, cell))
        _draw_cells(axes, means[group.method], scale)
        _write_head(axes, group, f"{_mean_text(group)} %")
        axes.text(1.12, 0.5, f"width\n{width_name(group.widths[0])}", va="center", size=7)
        axes.set_axis_off()
    for index, group in enumerate(matrices):
        row, column = divmod(index, columns)
        place = (left + 0.5 + PITCH * column, height - HEAD - SIDE - ROW * row, SIDE, SIDE)
        _draw_matrix(add_axes(figure, place), group, means[group.method], scale, is_left=not column)
    if matrices:
        right = left + 0.5 + PITCH * min(len(matrices), columns) + 0.05
        _draw_scale(figure, scale, (right, height - HEAD - SIDE, 0.1, SIDE))
    return Drawing(
        figure,
        title="Self- and cross-tests",
        caption=(
            "Mean average precision (%) for queries embedded by one sub-model (rows) in a gallery "
            "indexed by another (columns), mean over seeds; the diagonal, framed, holds the "
            "self-tests. Above each matrix its mean ± standard deviation over seeds. Methods with "
            "one network have one number, at the left. The colours span what compatible methods "
            f"reach. {describe_protocol(groups)}"
        ),
        alternative="Heat maps of mAP by query and gallery width. Means over the matrices: "
        + "; ".join(f"{method_name(group.method)} {_mean_text(group)} %" for group in groups)
        + ".",
    )


def _scale(means: Mapping[str, Float64s]) -> Normalize:
    """Return the range of the colours; independent networks, not compatible, do not widen it."""
    counted = [mean for method, mean in means.items() if method != TWINS] or list(means.values())
    return Normalize(min(m.min() for m in counted), max(m.max() for m in counted), clip=True)


def _mean_text(group: Group) -> str:
    return percent(group.average_map)


def _draw_matrix(
    axes: Axes, group: Group, means: Float64s, scale: Normalize, *, is_left: bool
) -> None:
    _draw_cells(axes, means, scale)
    _write_head(axes, group, f"mean {_mean_text(group)} %")
    names = [width_name(width) for width in group.widths]
    centres = np.arange(len(names)) + 0.5
    axes.set_xticks(centres, names, rotation=0)
    axes.set_yticks(centres, names, rotation=0)
    axes.set_xlabel("gallery width")
    if is_left:
        axes.set_ylabel("query width")
    else:
        axes.tick_params(labelleft=False)


def _draw_cells(axes: Axes, means: Float64s, scale: Normalize) -> None:
    """Draw an annotated heat map, the self-tests framed."""
    sns.heatmap(
        means, ax=axes, annot=True, fmt=".1f", annot_kws={"size": 7}, cmap=HEAT_MAP, norm=scale,
        linewidths=1, linecolor="white", cbar=False,
    )  # fmt: skip
    for i, number in enumerate(axes.texts[:: len(means) + 1]):
        place, ink = (i + 0.07, i + 0.07), number.get_color()
        axes.add_patch(Rectangle(place, 0.86, 0.86, fill=False, edgecolor=ink, lw=0.8))
    axes.grid(visible=False)
    axes.tick_params(length=0)


def _write_head(axes: Axes, group: Group, text: str) -> None:
    """Write name and mean above a panel; offsets are in points because panels differ in size."""
    name, qualifier = name_lines(group.method)
    for lift, line, style in (
        (24 if qualifier else 14, name, {"weight": "bold", "size": 7.5}),
        (14, qualifier, {"size": 7}),
        (4, text, {"color": MUTED, "size": 7}),
    ):
        axes.annotate(line, (0, 1), (0, lift), "axes fraction", "offset points", **style)


def _draw_scale(figure: Figure, scale: Normalize, place: tuple[float, float, float, float]) -> None:
    axes = add_axes(figure, place)
    bar = figure.colorbar(ScalarMappable(scale, HEAT_MAP), cax=axes)
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(5, integer=True)
    bar.update_ticks()
    axes.grid(visible=False)
    axes.set_title("mAP (%)", size=7, weight="normal", pad=5)
