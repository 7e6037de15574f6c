"""The stamp that the mirror leaves with the results: whether it is complete, and its MLflow runs.

The workflow and `sfsc explain` read it; neither imports mlflow.
"""

import json
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

from sfsc.files import replacing

NAME = "mlflow.json"


def write_stamp(path: Path, content: Mapping[str, object]) -> None:
    """Write the stamp of a mirror."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def mlflow_run(results: Path, folder: Path) -> str:
    """Return a phrase that names the MLflow run of a finished run, or says that there is none yet.

    Args:
        results: `results/<study>`, the folder of the stamp.
        folder: Folder of the run, `results/<study>/<dataset>/<run>/seed<k>`.
    """
    try:
        runs = json.loads((results / NAME).read_text(encoding="utf-8"))["mlflow_runs"]
        found = runs["/".join(folder.parts[-4:])]
    except (OSError, ValueError, KeyError, TypeError):
        return "not mirrored yet: run `sfsc track` or the rule `track`"
    return f"run {found} of experiment sfsc/{results.name}"


def page_of_experiment(stamp: Path, uri: str) -> str | None:
    """Return where a browser shows the mirrored runs, and the command that serves them if need be.

    Args:
        stamp: A file written by `write_stamp`.
        uri: Value of MLFLOW_TRACKING_URI, or "".

    Returns:
        A phrase; None if the mirror is not complete.
    """
    content = json.loads(stamp.read_text(encoding="utf-8"))
    if content["status"] != "ok" or "experiment" not in content:
        return None
    page = f"#/experiments/{content['experiment']}?workflowType=machine_learning"
    if uri.startswith("http"):
        return f"{uri.rstrip('/')}/{page}"
    return f"make ui, then http://127.0.0.1:5000/{page}"


def pages_of_database(results: Path, port: str) -> Iterator[str]:
    """Yield where `make ui` shows the runs of each study, `<study>: <address>`.

    Args:
        results: The folder of all studies.
        port: The port that `make ui` serves the default database at.
    """
    for stamp in sorted(results.glob(f"*/{NAME}")):
        page = page_of_experiment(stamp, f"http://127.0.0.1:{port}")
        if page and "database" in json.loads(stamp.read_text(encoding="utf-8")):
            yield f"{stamp.parent.name}: {page}"


def is_stale(stamp: Path, uri: str) -> bool:
    """Return whether a mirror is incomplete, or its store has lost it since.

    This is checked at each start of the pipeline, so a store that does not answer within two
    seconds counts as complete.

    Args:
        stamp: A file written by `write_stamp`.
        uri: Value of MLFLOW_TRACKING_URI, or "".
    """
    content = json.loads(stamp.read_text(encoding="utf-8"))
    if content["status"] != "ok":
        return True
    run = next(iter(content["mlflow_runs"].values()), None)
    if run is None:
        return False
    if "database" in content:
        return not _is_in_database(run, Path(content["database"]))
    return uri.startswith("http") and not _is_on_server(run, uri)


def _is_in_database(run: str, database: Path) -> bool:
    """Return whether an SQLite database has a run that is not deleted."""
    query = "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=2)) as store:
            return store.execute(query, [run]).fetchone() is not None
    except sqlite3.DatabaseError as error:  # "unable to open", "no such table", or "locked"
        return "locked" in str(error)


def _is_on_server(run: str, uri: str) -> bool:
    """Return whether a server has a run that is not deleted; True if it gives no answer.

    A server that asks for a password gives none.
    """
    address = f"{uri.rstrip('/')}/api/2.0/mlflow/runs/get?run_id={run}"
    try:
        with urllib.request.urlopen(address, timeout=2) as response:  # noqa: S310 - starts with http
            content: dict[str, Any] = json.load(response)
            return bool(content["run"]["info"]["lifecycle_stage"] == "active")
    except urllib.error.HTTPError as error:
        with error:
            return error.code != 404
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return True


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in pages_of_database(Path("results"), sys.argv[1]))
