"""What the mirror into MLflow leaves beside the results: whether it is complete, and its runs.

Read by the workflow and by `sfsc explain`, neither of which imports mlflow.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from sfsc.files import replacing

NAME = "mlflow.json"


def write_stamp(path: Path, content: Mapping[str, object]) -> None:
    """Write the stamp of a mirror."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def mlflow_run(results: Path, folder: Path) -> str:
    """Return which MLflow run shows a finished run, or that none does yet.

    Args:
        results: `results/<study>`, where the stamp lies.
        folder: Of the run, `results/<study>/<dataset>/<run>/seed<k>`.
    """
    try:
        runs = json.loads((results / NAME).read_text())["mlflow_runs"]
        found = runs["/".join(folder.parts[-4:])]
    except (OSError, ValueError, KeyError, TypeError):
        return "not mirrored yet: `sfsc track`, or the rule `track`, does it"
    return f"run {found} of experiment sfsc/{results.name}"
