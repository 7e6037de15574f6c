"""The stage `sfsc figure`: one figure of one data set, as SVG and PNG, with the words for it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from sfsc.config import StudyJob
from sfsc.data.prepared import PreparedSet
from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.reporting.ablation_figure import draw_ablation
from sfsc.reporting.accuracy_cost_figure import draw_accuracy_cost
from sfsc.reporting.conflicts_figure import draw_conflicts
from sfsc.reporting.cross_test_figure import draw_cross_tests
from sfsc.reporting.drawing import Drawing
from sfsc.reporting.priority_figure import draw_priority
from sfsc.reporting.retrieval_figure import draw_retrieval
from sfsc.reporting.robustness_figure import draw_robustness
from sfsc.reporting.runs import Group, Results
from sfsc.reporting.style import save_figure, theme
from sfsc.reporting.submodel_curves_figure import draw_gradient_norms, draw_uncertainties
from sfsc.reporting.twins_figure import draw_twins

OF_COMPARED: dict[str, Callable[[Sequence[Group]], Drawing]] = {
    "cross_test": draw_cross_tests,
    "accuracy_cost": draw_accuracy_cost,
    "uncertainty": draw_uncertainties,
}
"""The figures of the compared rows."""
OF_STUDY: dict[str, Callable[[Results], Drawing]] = {
    "gradient_norm": draw_gradient_norms,
    "conflicts": draw_conflicts,
    "priority": draw_priority,
    "twins": draw_twins,
    "ablation": draw_ablation,
    "robustness": draw_robustness,
}
"""The figures that choose their runs themselves."""
FIGURES = (*OF_COMPARED, *OF_STUDY, "retrieval")


def write_figure(
    name: str, job: StudyJob, results: Path, *, dataset: str, output: Path, data_dir: Path | None
) -> None:
    """Write one figure: `output` (SVG), and PNG and words (JSON) beside it.

    Args:
        name: One of `FIGURES`.
        job: Which runs the study has.
        results: `results/<study>`.
        dataset: A data set of the study.
        output: Ends with `.svg`.
        data_dir: The prepared set, for `retrieval`.

    Raises:
        ResultError: If a result file is missing or damaged or the runs do not fit each other.
        DataError: If the prepared set is damaged.
    """
    with theme():
        drawing = _draw(name, Results(job, results, dataset), data_dir)
        save_figure(drawing.figure, output)
    words = {
        "dataset": dataset,
        "title": drawing.title,
        "caption": drawing.caption,
        "alternative": drawing.alternative,
    }
    with replacing(output.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(words, indent=1, ensure_ascii=False) + "\n")


def _draw(name: str, results: Results, data_dir: Path | None) -> Drawing:
    if name in OF_COMPARED:
        return OF_COMPARED[name](results.compared())
    if name in OF_STUDY:
        return OF_STUDY[name](results)
    if name != "retrieval":
        raise ResultError(f"A figure must be one of {', '.join(FIGURES)}. Found `{name}`.")
    if data_dir is None:
        raise ResultError("The figure `retrieval` must have a prepared set. Add `--data`.")
    return draw_retrieval(results.compared(), PreparedSet.open(data_dir))
