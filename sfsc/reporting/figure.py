"""The stage `sfsc figure`: one figure of one data set, as SVG and PNG, with the words for it."""

import json
from pathlib import Path

from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.reporting.runs import Results
from sfsc.reporting.style import save_figure, theme
from sfsc.settings import parts
from sfsc.settings.jobs import StudyJob


def write_figure(
    name: str, job: StudyJob, results: Path, *, dataset: str, output: Path, data_dir: Path | None
) -> None:
    """Write one figure: `output` (SVG), and PNG and words (JSON) beside it.

    Args:
        name: A file of sfsc/reporting/figures.
        job: Which runs the study has.
        results: `results/<study>`.
        dataset: A data set of the study.
        output: Ends with `.svg`.
        data_dir: The prepared set, for `retrieval`.

    Raises:
        ResultError: If a result file is missing or damaged or the runs do not fit each other.
        DataError: If the prepared set is damaged.
    """
    known = parts.names("reporting.figures")
    if name not in known:
        raise ResultError(f"A figure must be one of {', '.join(known)}. Found `{name}`.")
    with theme():
        drawing = parts.load("reporting.figures", name).draw(
            Results(job, results, dataset, data_dir)
        )
        save_figure(drawing.figure, output)
    words = {
        "dataset": dataset,
        "title": drawing.title,
        "caption": drawing.caption,
        "alternative": drawing.alternative,
    }
    with replacing(output.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(words, indent=1, ensure_ascii=False) + "\n")
