"""The stage `sfsc tables`: the tables of a study's runs.

Each of `NAMES` is one frame, written as CSV, Markdown and LaTeX. The main table is also written as
metrics.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sfsc.files import write_texts
from sfsc.reporting.captions import describe_test
from sfsc.reporting.choices import load_choices
from sfsc.reporting.markup import Table, read_table, write_table
from sfsc.reporting.runs import load_results
from sfsc.reporting.tables.conflicts import NOTE as CONFLICTS_NOTE
from sfsc.reporting.tables.conflicts import conflict_frame, conflict_tables
from sfsc.reporting.tables.deployment import NOTE as DEPLOYMENT_NOTE
from sfsc.reporting.tables.deployment import deployment_frame, deployment_tables
from sfsc.reporting.tables.main import main_frame, main_note, main_tables
from sfsc.reporting.tables.variations import variation_frame, variation_note, variation_tables
from sfsc.settings.jobs import StudyJob

NAMES = ("deployment", "main", "ablation", "robustness", "conflicts")
"""The tables, in the order of the report."""
EMPTY = {
    "deployment": "This study compares no method with several sub-models.",
    "ablation": "This study has no ablation conditions.",
    "robustness": "This study has no robustness conditions.",
    "conflicts": "This study has no network with several sub-models.",
}


def write_tables(
    job: StudyJob, results: Path, output: Path, metrics: Path, choices: Sequence[Path]
) -> None:
    """Write the tables of a study.

    Args:
        job: Which runs the study has.
        results: `results/<study>`.
        output: Folder for the tables `NAMES`, each `.csv`, `.md` and `.tex`.
        metrics: JSON file for the main table's numbers, nested by data set and run.
        choices: Files of `sfsc choices`, which name the origin of the hyper-parameters.

    Raises:
        ResultError: If a result file is missing or damaged or the runs do not fit each other.
    """
    by_set = load_results(job, results)
    compared = [group for of_set in by_set for group in of_set.compared()]
    remarks = describe_test(compared)
    frames = {
        "deployment": deployment_frame(by_set),
        "main": main_frame(compared),
        "ablation": variation_frame("ablation", by_set),
        "robustness": variation_frame("robustness", by_set),
        "conflicts": conflict_frame(by_set),
    }
    notes = {
        "deployment": f"{DEPLOYMENT_NOTE} {remarks}".rstrip(),
        "main": main_note(compared, load_choices(*choices)),
        "ablation": variation_note("ablation", remarks),
        "robustness": variation_note("robustness", remarks),
        "conflicts": CONFLICTS_NOTE,
    }
    for name, frame in frames.items():
        tables = tables_of(name, frame)
        note = notes[name] if tables else EMPTY[name]
        write_table(output / f"{name}.csv", frame, tables, note)
    write_texts({metrics: json.dumps(_nested(frames["main"]), indent=1) + "\n"})


def tables_of(name: str, frame: pd.DataFrame) -> list[Table]:
    """Return what readers see of the frame of one of `NAMES`."""
    own = {"deployment": deployment_tables, "main": main_tables, "conflicts": conflict_tables}
    return own[name](frame) if name in own else variation_tables(name, frame)


def read_runs_table(csv: Path) -> pd.DataFrame:
    """Read one of `NAMES` back; a `ResultError` if it is damaged."""
    frame = read_table(csv, "seeds", "condition", "leads", "change", stage="tables")
    return frame.fillna({"leads": "", "change": ""})


def _nested(frame: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Return the numbers by data set, run and name; `reranked_` begins the name if they are."""
    names = [name for name in frame.columns if name.endswith(("_mean", "_std"))]
    nested: dict[str, dict[str, dict[str, float]]] = {}
    for row in frame.to_dict("records"):
        prefix = "" if row["reranking"] == "none" else "reranked_"
        nested.setdefault(row["dataset"], {})[row["method"]] = {
            f"{prefix}{name}": round(row[name], 4) for name in names if pd.notna(row[name])
        }
    return nested
