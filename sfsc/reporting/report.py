"""The stage `sfsc report`: one HTML page with a study's tables, figures and their provenance.

The page makes no request to any host. It refers to the tables and figures beside it by relative
paths and contains everything else, so its folder can be moved or sent as a whole.
"""

import base64
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from sfsc.data.words import sentences_of
from sfsc.errors import ResultError
from sfsc.files import write_texts
from sfsc.reporting.captions import describe_test
from sfsc.reporting.choices import NOTE as CHOICES_NOTE
from sfsc.reporting.choices import choice_tables, load_choices
from sfsc.reporting.claims.entries import load_claims
from sfsc.reporting.claims.prose import interval_text, p_text, part_sentence, price_sentence
from sfsc.reporting.findings import (
    count_verdicts,
    lead_sentence,
    unjudged_summary,
    verdict_sentence,
)
from sfsc.reporting.names import method_name
from sfsc.reporting.runs import Group, Run, load_results
from sfsc.reporting.tables.conflicts import NOTE as CONFLICTS_NOTE
from sfsc.reporting.tables.cost import cost_note, cost_tables, read_cost
from sfsc.reporting.tables.deployment import deployment_note
from sfsc.reporting.tables.main import REFERENCES, main_note
from sfsc.reporting.tables.variations import variation_note
from sfsc.reporting.tables.write import NAMES, read_runs_table, tables_of
from sfsc.settings.jobs import StudyJob

TEMPLATE = "report.html.j2"
FIRST = "_accuracy_cost.svg"
"""The figure that is shown beside the deployment table."""


def write_report(
    job: StudyJob,
    results: Path,
    *,
    tables: Path,
    claims: Path,
    cost: Path,
    figures: Sequence[Path],
    sheets: Sequence[Path],
    choices: Sequence[Path],
    output: Path,
) -> None:
    """Write the page.

    Args:
        job: Which runs the study has.
        results: `results/<study>`.
        tables: Folder of `sfsc tables`.
        claims: JSON file of `sfsc claims`.
        cost: CSV file of `sfsc cost`.
        figures: SVG files of `sfsc figures`, in the order of the page.
        sheets: Contact sheets, `<data set>/contact_sheet.png`.
        choices: JSON files of `sfsc choices`.
        output: The HTML file.

    Raises:
        ResultError: If an input is missing or damaged or the inputs do not fit each other.
    """
    groups = [of_set.group(run) for of_set in load_results(job, results) for run in job.runs()]
    compared = [group for group in groups if group.method in job.compare]
    frames = {name: read_runs_table(tables / f"{name}.csv") for name in NAMES}
    costs = read_cost(cost)
    rows = frames["main"]["dataset"] + "/" + frames["main"]["method"]
    _check_rows(tables / "main.csv", list(rows), [f"{g.dataset}/{g.method}" for g in compared])
    _check_rows(cost, list(costs["dataset"].unique()), job.datasets)
    judged = load_claims(claims)
    chosen = load_choices(*choices)
    shown = [_read_figure(path, output, number) for number, path in enumerate(figures, start=1)]
    remarks = describe_test(compared)
    page = page_template(TEMPLATE).render(
        study=job.study,
        n_runs=sum(len(group.runs) for group in groups),
        n_methods=len(job.compare),
        n_conditions=len(job.runs()) - len(job.compare),
        machines=_machines([run for group in groups for run in group.runs]),
        notes={
            "deployment": f"{deployment_note(frames['deployment'])} {remarks}".rstrip(),
            "main": main_note(compared, chosen),
            "claims": remarks,
            "ablation": variation_note("ablation", remarks),
            "robustness": variation_note("robustness", remarks),
            "conflicts": CONFLICTS_NOTE,
            "choices": CHOICES_NOTE,
            "cost": cost_note(costs),
        },
        tables=_relative(tables, output),
        claims=_relative(claims.with_suffix(""), output),
        sections=[_section(name, frames, judged, shown, sheets) for name in job.datasets],
        choices=choice_tables(chosen),
        cost=_relative(cost.with_suffix(""), output),
        costs=cost_tables(costs),
        provenance=_provenance([run for group in groups for run in group.runs]),
        runs=[row for group in groups for row in _run_rows(group)],
    )
    write_texts({output: page})


def page_template(name: str) -> Any:
    """Return a template of this folder; the filter `code` makes code of what is in backticks."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["code"] = _code
    environment.globals |= {"style": "page.css.j2", "chips": "chip.html.j2"}
    return environment.get_template(name)


def _section(
    dataset: str,
    frames: Mapping[str, pd.DataFrame],
    claims: Sequence[Mapping[str, Any]],
    figures: Sequence[Mapping[str, Any]],
    sheets: Sequence[Path],
) -> dict[str, Any]:
    """Return what the page shows of one data set."""
    judged = [claim for claim in claims if claim["dataset"] == dataset]
    if not judged:
        raise ResultError(
            f"The claims must be judged on each data set. Found none on `{dataset}`. Write them "
            "again."
        )
    is_judged = any(claim["verdict"] != "not tested" for claim in judged)
    own = {name: frame[frame["dataset"] == dataset] for name, frame in frames.items()}
    tables = {name: tables_of(name, frame) for name, frame in own.items()}
    (main,) = tables["main"]
    bars = list(zip(main.rows, own["main"]["average_map_mean"], own["main"]["method"], strict=True))
    shown = [figure for figure in figures if figure["dataset"] == dataset]
    return {
        "dataset": dataset,
        "summary": [
            lead_sentence(dataset, own["main"]),
            verdict_sentence(judged) if is_judged else unjudged_summary(own["conflicts"]),
        ],
        "tiles": {verdict: len(names) for verdict, names in count_verdicts(judged).items()},
        "claims": [_claim(claim) for claim in judged if is_judged],
        "bars": [bar for bar in bars if bar[-1] not in REFERENCES],
        "references": [bar for bar in bars if bar[-1] in REFERENCES],
        "deployment": tables["deployment"],
        "main": main,
        "ablation": tables["ablation"],
        "robustness": tables["robustness"],
        "conflicts": tables["conflicts"],
        "first_figures": [figure for figure in shown if figure["svg"].endswith(FIRST)],
        "figures": [figure for figure in shown if not figure["svg"].endswith(FIRST)],
        "sentences": sentences_of(dataset),
        "sheet": next((_encode(path) for path in sheets if path.parent.name == dataset), ""),
    }


def _claim(claim: Mapping[str, Any]) -> dict[str, Any]:
    """Return a claim with the words and the picture of what decides it."""
    return {
        **claim,
        "parts": [part_sentence(part) for part in claim["parts"]],
        "interval": interval_text(claim) if claim["comparison"] else "",
        "p": p_text(claim["p_value"]),
        "price": price_sentence(claim),
        "bar": _bar(claim),
    }


def _bar(claim: Mapping[str, Any]) -> dict[str, float] | None:
    """Return where effect, interval and margin lie on an axis whose middle is the bound, percent.

    None if there is no interval to draw.
    """
    if claim["ci_low"] is None:
        return None
    margin = next(p["margin"] for p in claim["parts"] if p["name"] == claim["comparison"])
    values = {name: claim[name] - claim["bound"] for name in ("effect", "ci_low", "ci_high")}
    reach = 1.1 * max(margin, *map(abs, values.values()))
    places = values | {"margin_low": -margin, "margin_high": margin}
    return {name: round(50 + 50 * value / reach, 2) for name, value in places.items()}


def _provenance(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return what all trainings share, or every value that occurs."""

    def values(key: str) -> str:
        return ", ".join(dict.fromkeys(str(run.record[key]) for run in runs))

    machines = dict.fromkeys(
        ", ".join(f"{name} {value}" for name, value in run.record["environment"].items())
        for run in runs
    )
    minutes = sum(float(run.record["wall_seconds"]) for run in runs) / 60
    is_clean = all(run.record["git_clean"] for run in runs)
    return [
        ("Git revision", values("git_revision")),
        ("Sources as in that revision", "yes" if is_clean else "no: changed when trained"),
        ("Data digests", values("data_digest")),
        ("Environment", "; ".join(machines)),
        ("Training time, all runs", f"{minutes:.1f} minutes"),
    ]


def _machines(runs: Sequence[Run]) -> str:
    """Return on what the trainings ran, and how precisely: every combination that occurs."""
    return "; ".join(dict.fromkeys(map(_machine, runs)))


def _machine(run: Run) -> str:
    environment, settings = run.record["environment"], run.settings
    n_processes, n_cpus = settings["train.processes"], environment["cpus"]
    if "gpu" in environment:
        device = f"{n_processes} x " * (n_processes > 1) + environment["gpu"]
    else:
        device = f"{n_cpus} CPU{'s' * (n_cpus != '1')}"
    return f"{device}, {settings['train.precision']}"


def _run_rows(group: Group) -> list[dict[str, Any]]:
    """Return what the page lists of each seed of a method."""
    return [
        {
            **run.record,
            "name": method_name(run.method),
            "average_map": f"{average_map:.1f}",
            "minutes": f"{run.record['wall_seconds'] / 60:.1f}",
        }
        for run, average_map in zip(group.runs, group.average_map, strict=True)
    ]


def _check_rows(path: Path, found: Sequence[str], expected: Sequence[str]) -> None:
    """Check that a table is one of the study."""
    if list(found) != list(expected):
        raise ResultError(
            f"{path} must be a table of the study, with rows of {', '.join(expected)}. Found "
            f"{', '.join(found) or 'none'}. Write it again."
        )


def _read_figure(svg: Path, output: Path, number: int) -> dict[str, Any]:
    """Return number, paths and words of a figure."""
    path = svg.with_suffix(".json")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        words = {key: content[key] for key in ("dataset", "title", "caption", "alternative")}
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(
            f"{path} must hold the words of a figure. Found: {error}. Draw the figure again."
        ) from error
    paths = {suffix: _relative(svg.with_suffix(f".{suffix}"), output) for suffix in ("svg", "png")}
    return {"number": number, **words, **paths}


def _code(text: str) -> Markup:
    """Return a text with what is in backticks as code, and its statistics never broken."""
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    html = re.sub(r"± (?=\d)", "±\N{NO-BREAK SPACE}", html)
    html = re.sub(r"\bp (=|&lt;) (?=\d)", "p\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", html)
    html = re.sub(r"(?<=\d) → (?=\S)", "\N{NO-BREAK SPACE}→\N{NO-BREAK SPACE}", html)
    html = re.sub(r"(\[[^\]\s]+,) (?=[^\]\s]+\])", "\\1\N{NO-BREAK SPACE}", html)
    return Markup(html)  # noqa: S704 - escaped


def _relative(path: Path, output: Path) -> str:
    return Path(os.path.relpath(path, output.parent)).as_posix()


def _encode(path: Path) -> str:
    try:
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise ResultError(
            f"{path} must be a contact sheet. Found: {error}. Prepare the data set again."
        ) from error
