"""The stage `sfsc tables`: the main, the ablation and the robustness table of a study.

Each is one frame, written as CSV, Markdown and LaTeX; the main one also as metrics.
"""

import json
from pathlib import Path

import pandas as pd

from sfsc.errors import ResultError
from sfsc.reporting.choices import load_choices
from sfsc.reporting.main_table import main_frame, main_note, main_tables
from sfsc.reporting.runs import describe_reranking, load_results
from sfsc.reporting.table import Table, to_latex, to_markdown, write_texts
from sfsc.reporting.variation_tables import (
    ablation_frame,
    robustness_frame,
    variation_notes,
    variation_tables,
)
from sfsc.settings.jobs import StudyJob

EFFECTS = {"ablation": "effect", "robustness": "SFSC minus the method"}
"""Heading of the last column of a variation table."""


def write_tables(
    job: StudyJob, results: Path, output: Path, metrics: Path, choices: Path | None
) -> None:
    """Write the tables of a study.

    Args:
        job: Which runs the study has.
        results: `results/<study>`.
        output: Folder of `main`, `ablation` and `robustness`, each `.csv`, `.md` and `.tex`.
        metrics: JSON file of the main table's numbers, nested by data set and run.
        choices: File of `sfsc choices`, where the hyper-parameters are from; None if there is none.

    Raises:
        ResultError: If a result file is missing or damaged or the runs do not fit each other.
    """
    by_set = load_results(job, results)
    compared = [group for of_set in by_set for group in of_set.compared()]
    note = main_note(compared, load_choices(choices) if choices else None)
    notes = variation_notes(describe_reranking(compared[0].runs[0]))
    frames = {
        "main": (main_frame(compared), note),
        "ablation": (ablation_frame(by_set), notes["ablation"]),
        "robustness": (robustness_frame(by_set), notes["robustness"]),
    }
    texts = {metrics: json.dumps(_nested(frames["main"][0]), indent=1) + "\n"}
    for name, (frame, words) in frames.items():
        tables = tables_of(name, frame)
        text = words if tables else f"This study has no {name} conditions."
        texts |= {
            output / f"{name}.csv": frame.to_csv(
                index=False, float_format="%.4f", lineterminator="\n"
            ),
            output / f"{name}.md": to_markdown(tables, text),
            output / f"{name}.tex": to_latex(tables, text),
        }
    write_texts(texts)


def tables_of(name: str, frame: pd.DataFrame) -> list[Table]:
    """Return what a reader sees of the frame of `main`, `ablation` or `robustness`."""
    return main_tables(frame) if name == "main" else variation_tables(frame, EFFECTS[name])


def read_frame(path: Path) -> pd.DataFrame:
    """Read a table back.

    Args:
        path: A CSV file of `write_tables`.

    Raises:
        ResultError: If it is missing or damaged.
    """
    try:
        # An empty column would be numbers, which no empty text could fill.
        texts = dict.fromkeys(("seeds", "condition", "leads", "change"), str)
        frame = pd.read_csv(path, dtype=texts)
        words = [column for column in ("leads", "change") if column in frame]
        return frame.astype({"dataset": str}).fillna(dict.fromkeys(words, ""))
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(
            f"{path} must be a table written by `sfsc tables`. Found: {error}. Write it again."
        ) from error


def _nested(frame: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Return the numbers by data set, run and name; those of re-ranked tests have other names."""
    numbers = [name for name in map(str, frame.columns) if name.endswith(("_mean", "_std"))]
    return {
        str(dataset): {
            str(row["method"]): {
                name if row["reranking"] == "none" else f"reranked_{name}": round(row[name], 4)
                for name in numbers
                if pd.notna(row[name])
            }
            for _, row in rows.iterrows()
        }
        for dataset, rows in frame.groupby("dataset", sort=False)
    }
