"""The stage `sfsc choices`: choose hyper-parameters on validation identities (DESIGN.md 6).

The conditions of a search are its candidates. Each method gets the candidate with the highest
average mAP on the validation identities at the end of training, mean over data sets and seeds; of
equal candidates the first. No test file is read.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sfsc.errors import ResultError
from sfsc.files import write_texts
from sfsc.reporting.markup import Cell, Table, mean_text, to_markdown
from sfsc.reporting.names import in_words, method_colour, method_name, short_name
from sfsc.reporting.runs import read_record, settings_of
from sfsc.settings.jobs import Condition, StudyJob

NOTE = (
    "Average mAP on the validation identities at the end of training, percent: mean over data sets "
    "and seeds, ± the standard deviation over seeds of the mean over data sets. Chosen: the "
    "highest of each method; of equal ones the first. No test identity was looked at."
)


def write_choices(job: StudyJob, results: Path, output: Path) -> None:
    """Write the choices of a study's searches as JSON, and beside it as CSV and Markdown.

    Args:
        job: The study's searches.
        results: `results/<study>`.
        output: The JSON file.

    Raises:
        ResultError: If a `run.json` is missing or damaged.
    """
    choices = [
        _choose(job, results, variation, conditions)
        for variation, of_methods in job.search.items()
        for conditions in _by_method(of_methods)
    ]
    texts = {
        output: json.dumps(choices, indent=1) + "\n",
        output.with_suffix(".csv"): _frame(choices).to_csv(
            index=False, float_format="%.4f", lineterminator="\n"
        ),
        output.with_suffix(".md"): to_markdown(
            choice_tables(choices), NOTE if choices else "This study searches nothing."
        ),
    }
    write_texts(texts)


def load_choices(path: Path) -> list[dict[str, Any]]:
    """Read a file that `write_choices` wrote.

    Raises:
        ResultError: If the file is missing or damaged.
    """
    try:
        choices: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(
            f"{path} must be written by `sfsc choices`. Found: {error}. Write it again."
        ) from error
    return choices


def choice_tables(choices: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return a table per search; chosen candidates are bold."""
    return [
        Table(
            method_name(variation),
            ("method", "candidate", "validation mAP"),
            2,
            tuple(
                _cells(choice, candidate)
                for choice in choices
                if choice["variation"] == variation
                for candidate in choice["candidates"]
            ),
        )
        for variation in dict.fromkeys(choice["variation"] for choice in choices)
    ]


def _cells(choice: Mapping[str, Any], candidate: Mapping[str, Any]) -> tuple[Cell, ...]:
    method, is_chosen = choice["method"], candidate["condition"] == choice["chosen"]
    mean, deviation = (candidate[f"average_map_{key}"] for key in ("mean", "std"))
    return (
        Cell(short_name(method), colour=method_colour(method)),
        Cell(in_words(candidate["condition"]), is_best=is_chosen),
        Cell(mean_text(mean, float("nan") if deviation is None else deviation), is_best=is_chosen),
    )


def _by_method(conditions: Sequence[Condition]) -> Iterator[list[Condition]]:
    for method in dict.fromkeys(condition.method for condition in conditions):
        yield [condition for condition in conditions if condition.method == method]


def _choose(
    job: StudyJob, results: Path, variation: str, conditions: Sequence[Condition]
) -> dict[str, Any]:
    """Return the candidates of one method with their validation mAP, and the best of them."""
    settings = [_settings(job, results, condition.run) for condition in conditions]
    keys = dict.fromkeys(key for values in settings for key in values)
    varied = [key for key in keys if len({str(values.get(key)) for values in settings}) > 1]
    candidates = [
        {
            "condition": condition.condition,
            "run": condition.run,
            "values": {key: values[key] for key in varied if key in values},
            **_validation(job, results, condition.run),
        }
        for condition, values in zip(conditions, settings, strict=True)
    ]
    best = max(candidates, key=lambda candidate: candidate["average_map_mean"])
    return {
        "variation": variation,
        "method": conditions[0].method,
        "chosen": best["condition"],
        "chosen_values": best["values"],
        "candidates": candidates,
    }


def _settings(job: StudyJob, results: Path, run: str) -> dict[str, Any]:
    folder = results / job.datasets[0] / run / f"seed{job.variation_seeds[0]}"
    return settings_of(read_record(folder), folder)


def _validation(job: StudyJob, results: Path, run: str) -> dict[str, Any]:
    """Return mean and standard deviation over seeds of the mean over data sets, percent."""
    by_seed = [
        100
        * sum(
            read_record(results / dataset / run / f"seed{seed}")["validation"][-1]["average_map"]
            for dataset in job.datasets
        )
        / len(job.datasets)
        for seed in job.variation_seeds
    ]
    series = pd.Series(by_seed, dtype=float)
    return {
        "average_map_mean": round(series.mean(), 6),
        "average_map_std": None if len(series) == 1 else round(series.std(ddof=1), 6),
        "n_seeds": len(series),
    }


def _frame(choices: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    columns = [
        "variation", "method", "condition", "run", "average_map_mean", "average_map_std", "n_seeds",
        "is_chosen",
    ]  # fmt: skip
    rows = [
        {
            **choice,
            **candidate,
            "is_chosen": candidate["condition"] == choice["chosen"],
        }
        for choice in choices
        for candidate in choice["candidates"]
    ]
    return pd.DataFrame(rows, columns=columns)
