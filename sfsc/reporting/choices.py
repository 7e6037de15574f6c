"""The stage `sfsc choices`: choose hyper-parameters on validation identities (DESIGN.md 6).

The conditions of a search are its candidates, listed from the simplest on. They are compared by the
average mAP on the validation identities at the end of training, mean over data sets and, in a
search of several methods, over these: they get the same candidate. It is the simplest one that the
best one leads by at most one standard error, paired by seed (Breiman et al., Classification and
Regression Trees, 1984, section 3.4.3). A chosen value on the border of its range asks for a wider
one. No test file is read.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sfsc.errors import ResultError
from sfsc.files import write_texts
from sfsc.reporting.fairness import candidate_text, setting_name
from sfsc.reporting.markup import NONE, Cell, Table, mean_text, to_markdown
from sfsc.reporting.names import METHODS, heading, in_words, method_colour, method_name, short_name
from sfsc.reporting.runs import Float64s, read_record, settings_of
from sfsc.settings.jobs import Condition, StudyJob

NOTE = (
    "Average mAP on the validation identities at the end of training, percent: mean over data sets "
    "and seeds, ± the standard deviation over seeds of the mean over data sets. Lead: the best "
    "candidate's mAP minus this one's, points, paired by seed, ± its standard error; mean over the "
    "methods of a search, which get the same candidate. Independent networks share no space, so "
    "their average counts their own galleries only, one pair in M. Bold: the chosen one, the "
    "simplest (first listed) of those that the best leads by at most one standard error. Border: "
    "settings of the chosen candidate at an end of the range that was tried. No test identity was "
    "looked at."
)
HEAD = ("method", "candidate", "validation mAP", "lead of the best", "settings", "border")


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
        choice
        for variation, conditions in job.search.items()
        for choice in _choose(job, results, variation, conditions)
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


def load_choices(*paths: Path) -> list[dict[str, Any]]:
    """Read what `write_choices` wrote, in one list.

    Raises:
        ResultError: If a file is missing or damaged.
    """
    choices: list[dict[str, Any]] = []
    for path in paths:
        try:
            choices += json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ResultError(
                f"{path} must be written by `sfsc choices`. Found: {error}. Write it again."
            ) from error
    return choices


def choice_tables(choices: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return a table per search; chosen candidates are bold."""
    return [
        Table(
            _title(variation),
            HEAD,
            frozenset({"method", "candidate", "settings", "border"}),
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
    tried = [other["values"] for other in choice["candidates"]]
    borders = map(setting_name, choice.get("on_border", ()))
    return (
        Cell(short_name(method), colour=method_colour(method)),
        Cell(in_words(candidate["condition"]), is_best=is_chosen),
        Cell(_text(candidate, "average_map_mean", "average_map_std"), is_best=is_chosen),
        Cell(_text(candidate, "lead", "lead_error")),
        Cell(candidate_text(candidate["values"], tried) or NONE),
        Cell(", ".join(borders) if is_chosen else ""),
    )


def _title(variation: str) -> str:
    """Return the name of a search: a method, or what it is searched under and the method.

    >>> _title("bct_s"), _title("arcface_triplet_sfsc")
    ('BCT-S', 'ArcFace triplet: SFSC (ours)')
    """
    method = next((name for name in METHODS if variation.endswith(f"_{name}")), "")
    if variation in METHODS or not method:
        return method_name(variation)
    return f"{heading(variation.removesuffix(f'_{method}'))}: {method_name(method)}"


def _text(candidate: Mapping[str, Any], value: str, spread: str) -> str:
    """Return a number of a candidate and its spread; what is None is left out."""
    numbers = [candidate.get(key) for key in (value, spread)]
    return mean_text(*(float("nan") if number is None else number for number in numbers))


def _choose(
    job: StudyJob, results: Path, variation: str, conditions: Sequence[Condition]
) -> Iterator[dict[str, Any]]:
    """Yield for each method its candidates with their validation mAP, and the chosen one."""
    seeds = conditions[0].seeds or job.variation_seeds
    levels = {c.run: _validation(job, results, c.run, seeds) for c in conditions}
    names = dict.fromkeys(condition.condition for condition in conditions)
    pooled = [
        np.mean([levels[c.run] for c in conditions if c.condition == name], axis=0)
        for name in names
    ]
    best = max(pooled, key=lambda level: level.mean())
    leads = {name: _lead(best - level) for name, level in zip(names, pooled, strict=True)}
    chosen = next(n for n, lead in leads.items() if lead["lead"] <= (lead["lead_error"] or 0.0))
    for method in dict.fromkeys(condition.method for condition in conditions):
        own = [condition for condition in conditions if condition.method == method]
        settings = {c.condition: _settings(job, results, c.run, seeds[0]) for c in own}
        values = _varied(settings)
        yield {
            "variation": variation,
            "method": method,
            "datasets": list(job.datasets),
            "chosen": chosen,
            "chosen_values": values[chosen],
            "on_border": _borders(values[chosen], list(values.values())),
            "candidates": [
                {
                    "condition": c.condition,
                    "run": c.run,
                    "values": values[c.condition],
                    "average_map_mean": round(levels[c.run].mean(), 6),
                    "average_map_std": _deviation(levels[c.run]),
                    **leads[c.condition],
                    "n_seeds": len(levels[c.run]),
                }
                for c in own
            ],
        }


def _varied(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return of each candidate the settings that not all candidates share."""
    keys = dict.fromkeys(key for values in settings.values() for key in values)
    varied = [k for k in keys if len({str(values.get(k)) for values in settings.values()}) > 1]
    return {
        name: {key: values[key] for key in varied if key in values}
        for name, values in settings.items()
    }


def _lead(lead: Float64s) -> dict[str, Any]:
    """Return the mean lead of the best candidate over seeds, with its standard error."""
    return {
        "lead": round(lead.mean(), 6),
        "lead_error": _deviation(lead / len(lead) ** 0.5),
    }


def _deviation(values: Float64s) -> float | None:
    """Return the sample standard deviation, None for a single seed."""
    return None if len(values) == 1 else round(values.std(ddof=1), 6)


def _borders(chosen: Mapping[str, Any], tried: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the settings that are numbers and at an end of the range that was tried.

    >>> _borders({"loss.weight": 3.0}, [{"loss.weight": 1.0}, {"loss.weight": 3.0}])
    ['loss.weight']
    >>> _borders({"kl.weight": 1.0}, [{"kl.weight": 1.0}, {}])  # a range of one value has no end
    []
    """
    ranges = {key: [values[key] for values in tried if key in values] for key in chosen}
    return [
        key
        for key, values in ranges.items()
        if not any(isinstance(value, str | bool | list | None) for value in values)
        and min(values) < max(values)
        and chosen[key] in (min(values), max(values))
    ]


def _settings(job: StudyJob, results: Path, run: str, seed: int) -> dict[str, Any]:
    folder = results / job.datasets[0] / run / f"seed{seed}"
    return settings_of(read_record(folder), folder)


def _validation(job: StudyJob, results: Path, run: str, seeds: Sequence[int]) -> Float64s:
    """Return the mean over data sets of each seed, percent, (S,)."""
    by_set = [
        [
            read_record(results / dataset / run / f"seed{seed}")["validation"][-1]["average_map"]
            for seed in seeds
        ]
        for dataset in job.datasets
    ]
    levels: Float64s = 100 * np.array(by_set, dtype=np.float64).mean(axis=0)
    return levels


def _frame(choices: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    columns = [
        "variation", "method", "condition", "run", "average_map_mean", "average_map_std", "lead",
        "lead_error", "n_seeds", "is_chosen",
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
