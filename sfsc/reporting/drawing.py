"""The stage `sfsc figures`: the figures of one data set, as SVG and PNG, with their captions.

A figure is a file of `sfsc/reporting/figures` with a function `draw(results) -> Drawing`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from sfsc.errors import ResultError, SfscError
from sfsc.files import replacing, write_texts
from sfsc.reporting.captions import describe_data
from sfsc.reporting.runs import Group, Results
from sfsc.reporting.style import MUTED, PAGE, theme
from sfsc.settings import parts
from sfsc.settings.jobs import StudyJob

PNG_DPI = 200


@dataclass(frozen=True)
class Drawing:
    """A figure and its words."""

    figure: Figure
    title: str
    """A few words, for a heading."""
    caption: str
    """What is shown, of which data, seeds and protocol."""
    alternative: str
    """The figure in words, for readers who cannot see it."""

    def save(self, svg: Path, dataset: str) -> None:
        """Write the figure as SVG and, beside it, as PNG and its words as JSON.

        The same drawing gives the same bytes.

        Args:
            svg: The SVG file.
            dataset: Name of the data set, for the words.
        """
        with replacing(svg) as temporary:
            metadata = {"Date": None, "Creator": None}
            self.figure.savefig(temporary, format="svg", metadata=metadata)
        with replacing(svg.with_suffix(".png")) as temporary:
            metadata = {"Software": None}
            self.figure.savefig(temporary, format="png", dpi=PNG_DPI, metadata=metadata)
        words = {
            "dataset": dataset,
            "title": self.title,
            "caption": self.caption,
            "alternative": self.alternative,
        }
        text = json.dumps(words, indent=1, ensure_ascii=False) + "\n"
        write_texts({svg.with_suffix(".json"): text})


def write_figures(
    names: Sequence[str],
    job: StudyJob,
    results: Path,
    *,
    dataset: str,
    output: Path,
    data_dir: Path | None,
) -> None:
    """Draw figures of one data set; each is written as soon as it is drawn.

    Args:
        names: Files of `sfsc/reporting/figures`.
        job: Which runs the study has.
        results: `results/<study>`.
        dataset: A data set of the study.
        output: Folder for `<dataset>_<name>.svg`, `.png` and `.json`.
        data_dir: The prepared set, for `retrieval`.

    Raises:
        ResultError: If a name is unknown, a result file is missing or damaged, or the runs do not
            fit each other.
        DataError: If the prepared set is damaged.
    """
    known = parts.names("reporting.figures")
    for name in names:
        if name not in known:
            raise ResultError(f"A figure must be one of {', '.join(known)}. Found `{name}`.")
    of_set = Results(job, results, dataset, data_dir)
    for name in names:
        try:
            with theme():
                drawing: Drawing = parts.load("reporting.figures", name).draw(of_set)
                drawing.save(output / f"{dataset}_{name}.svg", dataset)
        except SfscError as error:
            raise type(error)(f"Figure `{name}` of {dataset}: {error}") from error
        except Exception as error:
            error.add_note(f"This happened in figure `{name}` of {dataset}.")
            raise


def draw_nothing(title: str, text: str, groups: Sequence[Group]) -> Drawing:
    """Draw a sentence where a study has nothing to show."""
    figure = Figure(figsize=(PAGE, 0.6))
    figure.text(0.5, 0.5, text, ha="center", va="center", color=MUTED)
    return Drawing(figure, title, f"{text} {describe_data(groups)}", text)
