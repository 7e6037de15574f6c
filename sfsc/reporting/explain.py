"""The stage `sfsc explain`: from a row of a table to everything that it was made from.

For each seed: the run's files, its parameters, data, code, git revision and environment, its MLflow
run, and the commands that make it again. Files that have changed since the training are marked.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sfsc.errors import ResultError
from sfsc.provenance import digest_of
from sfsc.reporting.runs import Run, load_run, read_record
from sfsc.reporting.tables.write import read_runs_table
from sfsc.settings.problems import nearest
from sfsc.tracking.stamp import mlflow_run

DIGITS = 12
"""Number of digits of a digest that are shown."""


def explain(table: Path, row: str, *, dataset: str | None, results: Path | None) -> Iterator[str]:
    """Yield lines that say where the numbers of a table's row come from.

    Args:
        table: A CSV file of `reports/<study>/tables`.
        row: A value of the table's column `run` or, if it has none, `method`.
        dataset: Data set of the row; None if only one data set has such a row.
        results: `results/<study>`; None for the one beside `reports`.

    Raises:
        ResultError: If there is no such row, or a result file is missing or damaged.
    """
    record = _find(read_runs_table(table), table, row, dataset)
    results = results or table.parents[3] / "results" / table.parents[1].name
    folder = results / str(record["dataset"]) / row
    _check_is_here(folder, results)
    seeds = str(record["seeds"]).split() if "seeds" in record else _seeds(folder)
    yield f"{table}, row `{row}` of {record['dataset']}: average mAP {_summary(record, seeds)}."
    for seed in seeds:
        yield ""
        yield from _explain_run(load_run(folder / f"seed{seed}"), results)


def _summary(record: Mapping[Any, Any], seeds: Sequence[str]) -> str:
    """Return the mean of the seeds and, of more than one, their standard deviation."""
    mean = f"{record['average_map_mean']:.2f}"
    if len(seeds) == 1:
        return f"{mean} %, of the one seed {seeds[0]}"
    deviation = f"{record['average_map_std']:.2f}"
    return f"{mean} ± {deviation} %, mean and standard deviation of the seeds {', '.join(seeds)}"


def _find(frame: pd.DataFrame, table: Path, row: str, dataset: str | None) -> Mapping[Any, Any]:
    """Return the row that is asked for."""
    if "average_map_mean" not in frame:
        raise ResultError(
            f"{table} must be a table of runs: main, ablation or robustness. Found no column "
            "`average_map_mean`."
        )
    column = "run" if "run" in frame else "method"
    if dataset:
        frame = frame[frame["dataset"] == dataset]
    found = frame[frame[column] == row].drop_duplicates(["dataset", column]).to_dict("records")
    if len(found) == 1:
        return found[0]
    if found:
        sets = ", ".join(str(record["dataset"]) for record in found)
        raise ResultError(
            f"`--dataset` must say which of the rows `{row}` of {table} is meant. Found rows of "
            f"{sets}."
        )
    near = nearest(row, list(map(str, frame[column])))
    names = ", ".join(dict.fromkeys(map(str, frame[column]))) or "no row"
    raise ResultError(f"`--row` must be a `{column}` of {table}: {names}. Found `{row}`.{near}")


def _check_is_here(folder: Path, results: Path) -> None:
    """Check that a run's results are on this machine; git has the reports alone."""
    if not folder.is_dir():
        study = "" if results.name == "default" else f" STUDY={results.name}"
        raise ResultError(
            f"The results of the row must be in {folder}. Found no such folder. `dvc pull "
            f"{results}` fetches the study's results; `make reproduce{study}` computes them."
        )


def _seeds(folder: Path) -> list[str]:
    """Return the seeds of a run, ascending."""
    return sorted((p.name.removeprefix("seed") for p in folder.glob("seed*")), key=int)


def _explain_run(run: Run, results: Path) -> Iterator[str]:
    """Yield the lines of one seed."""
    folder, networks = run.folder, run.record.get("networks", ())
    stage = "assemble" if networks else "train"
    data = results.parents[1] / "data" / "prepared" / results.name / run.dataset
    yield f"seed {run.seed}: {folder}"
    yield _line("average mAP", f"{100 * run.matrix('map').mean():.2f} %, of cross_test.json")
    yield _line("MLflow", mlflow_run(results, folder))
    yield from _origin(run.record, folder / "config" / f"{stage}.json", data)
    if networks:
        yield _line("made of", ", ".join(networks))
    first, *others = _commands(run, data)
    yield _line("commands", first)
    yield from (_line("", command) for command in others)
    for network in networks:
        folder = results / run.dataset / network
        record = read_record(folder)
        yield f"  network {network}:"
        yield from ("  " + line for line in _origin(record, folder / "config" / "train.json", data))
        yield "  " + _line("command", _train_command(folder, data, record))


def _origin(record: Mapping[str, Any], config: Path, data: Path) -> Iterator[str]:
    """Yield what a training was made from, and whether the files are still the same."""
    yield _line("parameters", _checked(config, record["config_digest"]))
    yield _line("data", _checked(data / "manifest.csv", record["data_digest"]))
    clean = "sources clean" if record["git_clean"] else "sources CHANGED against it"
    yield _line("code", f"digest {record['code_digest']}, git {record['git_revision']}, {clean}")
    environment = record["environment"]
    yield _line(
        "trained",
        f"until {record.get('finished', 'unknown')}, {record['wall_seconds']:.0f} s, "
        f"torch {environment['torch']}, {environment['cpu']}",
    )


def _checked(path: Path, digest: str) -> str:
    """Return a file, the digest that it had when it was used, and whether it still has it."""
    if not path.is_file():
        state = "not here"
    else:
        state = "unchanged" if digest_of(path) == digest else "CHANGED since"
    return f"{path}, sha256 {digest[:DIGITS]}, {state}"


def _commands(run: Run, data: Path) -> Iterator[str]:
    """Yield the commands that make a run and its tests again."""
    folder, config = run.folder, run.folder / "config"
    if networks := run.record.get("networks"):
        folders = " ".join(str(folder.parents[1] / name) for name in networks)
        yield (
            f"sfsc assemble --config {config / 'assemble.json'} --networks {folders} "
            f"--data {data} --output {folder}"
        )
    else:
        yield _train_command(folder, data, run.record)
    yield (
        f"sfsc evaluate --config {config / 'evaluate.json'} --run {folder} --data {data} "
        f"--output {folder}"
    )


def _train_command(folder: Path, data: Path, record: Mapping[str, Any]) -> str:
    command = (
        f"sfsc train --config {folder / 'config' / 'train.json'} --data {data} --output {folder}"
    )
    reference = record["settings"].get("reference")
    if reference is None:
        return command
    # `folder` is <dataset>/<run>/seed<k>/width<w>; the reference's full network is beside <run>.
    full = folder.parents[2] / reference / folder.parent.name / "width1"
    return f"{command} --reference {full}"


def _line(name: str, text: str) -> str:
    return f"  {name:12} {text}"
