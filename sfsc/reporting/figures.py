"""The stage `sfsc figure`: one figure of one data set, as SVG and PNG, with the words for it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from sfsc.data.prepared import PreparedSet
from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.reporting.accuracy_cost_figure import draw_accuracy_cost
from sfsc.reporting.conflicts_figure import draw_conflicts
from sfsc.reporting.cross_test_figure import draw_cross_tests
from sfsc.reporting.drawing import Drawing
from sfsc.reporting.retrieval_figure import draw_retrieval
from sfsc.reporting.runs import Group, load_one_dataset
from sfsc.reporting.style import save_figure, theme
from sfsc.reporting.submodel_curves_figure import draw_gradient_norms, draw_uncertainties

FIGURES: dict[str, Callable[[Sequence[Group]], Drawing]] = {
    "cross_test": draw_cross_tests,
    "accuracy_cost": draw_accuracy_cost,
    "gradient_norm": draw_gradient_norms,
    "conflicts": draw_conflicts,
    "uncertainty": draw_uncertainties,
}
"""The figures that need the runs only; `retrieval` needs the images too."""


def write_figure(name: str, runs: Sequence[Path], output: Path, data_dir: Path | None) -> None:
    """Write one figure: `output` (SVG), and PNG and words (JSON) beside it.

    Args:
        name: A key of `FIGURES`, or `retrieval`.
        runs: Folders of the runs of one data set.
        output: Ends with `.svg`.
        data_dir: The prepared set, for `retrieval`.

    Raises:
        ResultError: If a result file is missing or damaged or the runs do not fit each other.
        DataError: If the prepared set is damaged.
    """
    groups = load_one_dataset(runs)
    with theme():
        drawing = _draw(name, groups, data_dir)
        save_figure(drawing.figure, output)
    words = {
        "dataset": groups[0].dataset,
        "title": drawing.title,
        "caption": drawing.caption,
        "alternative": drawing.alternative,
    }
    with replacing(output.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(words, indent=1, ensure_ascii=False) + "\n")


def _draw(name: str, groups: Sequence[Group], data_dir: Path | None) -> Drawing:
    if name == "retrieval":
        if data_dir is None:
            raise ResultError("The figure `retrieval` must have a prepared set. Add `--data`.")
        return draw_retrieval(groups, PreparedSet.open(data_dir))
    if name not in FIGURES:
        known = ", ".join([*FIGURES, "retrieval"])
        raise ResultError(f"A figure must be one of {known}. Found `{name}`.")
    return FIGURES[name](groups)
