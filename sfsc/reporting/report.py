"""The stage `sfsc report`: one page that shows a study's tables, figures and where they come from.

The page makes no request to any host: it refers to the tables and figures beside it by relative
paths and holds everything else itself, so its folder can be moved or sent as a whole.
"""

import base64
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from sfsc.config import ReportJob, Rule
from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.reporting.choices import NOTE as CHOICES_NOTE
from sfsc.reporting.choices import choice_tables, load_choices
from sfsc.reporting.claims.entries import load_claims
from sfsc.reporting.claims.prose import part_sentence, verdict_tables
from sfsc.reporting.cost_table import cost_note, cost_tables, read_cost
from sfsc.reporting.graph_layout import Picture, draw_graph
from sfsc.reporting.main_table import main_note
from sfsc.reporting.names import method_colour, method_name
from sfsc.reporting.rule_graph import fold, node_names
from sfsc.reporting.runs import Group, describe_reranking, load_results
from sfsc.reporting.table import Table, mean_text
from sfsc.reporting.tables import read_frame, tables_of
from sfsc.reporting.variation_tables import variation_notes

TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class Bar:
    """A method's average mAP."""

    name: str
    colour: str
    percent: float
    text: str


@dataclass(frozen=True)
class ClaimEntry:
    """What a claim was judged by."""

    id: str
    verdict: str
    explanation: str
    parts: Sequence[str]


@dataclass(frozen=True)
class FigureEntry:
    """A figure on the page."""

    number: int
    dataset: str
    title: str
    caption: str
    alternative: str
    svg: str
    """Path relative to the page."""
    png: str
    """Path relative to the page."""


@dataclass(frozen=True)
class Section:
    """All of one data set."""

    dataset: str
    bars: Sequence[Bar]
    main: Table
    verdicts: Table
    claims: Sequence[ClaimEntry]
    ablation: Sequence[Table]
    robustness: Sequence[Table]
    figures: Sequence[FigureEntry]
    sheet: str
    """The contact sheet, base64; empty if there is none."""


def write_report(
    job: ReportJob,
    results: Path,
    *,
    tables: Path,
    claims: Path,
    cost: Path,
    figures: Sequence[Path],
    sheets: Sequence[Path],
    choices: Path | None,
    output: Path,
) -> None:
    """Write the page.

    Args:
        job: Which runs the study has, and which rules make it.
        results: `results/<study>`.
        tables: Folder of `sfsc tables`.
        claims: JSON file of `sfsc claims`.
        cost: CSV file of `sfsc cost`.
        figures: SVG files of `sfsc figure`, in the order to be shown.
        sheets: Contact sheets, `<data set>/contact_sheet.png`.
        choices: JSON file of `sfsc choices`, None if there is none.
        output: The HTML file.

    Raises:
        ResultError: If an input is missing or damaged or the inputs do not fit each other.
    """
    groups = [of.group(run) for of in load_results(job, results) for run in job.runs()]
    compared = [group for group in groups if group.method in job.compare]
    frames = {n: read_frame(tables / f"{n}.csv") for n in ("main", "ablation", "robustness")}
    _check_rows(tables / "main.csv", frames["main"], compared)
    entries = [_read_figure(path, output, number) for number, path in enumerate(figures, start=1)]
    judged = load_claims(claims)
    costs = read_cost(cost)
    _check_costs(cost, costs, job.datasets)
    chosen = load_choices(choices) if choices else None
    reranking = describe_reranking(compared[0].runs[0])
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["code"] = _code
    page = environment.get_template(TEMPLATE).render(
        study=job.study,
        n_runs=sum(len(group.runs) for group in groups),
        n_methods=len(job.compare),
        n_conditions=len(job.runs()) - len(job.compare),
        notes={
            "main": main_note(compared, chosen),
            "claims": reranking,
            **variation_notes(reranking),
            "choices": CHOICES_NOTE,
            "cost": cost_note(costs),
        },
        tables=_relative(tables, output),
        claims=_relative(claims.with_suffix(""), output),
        sections=[
            _section(
                dataset,
                {name: frame[frame["dataset"] == dataset] for name, frame in frames.items()},
                [entry for entry in judged if entry["dataset"] == dataset],
                [entry for entry in entries if entry.dataset == dataset],
                _sheet_of(dataset, sheets),
            )
            for dataset in job.datasets
        ],
        choices=choice_tables(chosen or []),
        cost=_relative(cost.with_suffix(""), output),
        costs=cost_tables(costs),
        rules=job.rules,
        graph=_draw_rules(job.rules),
        provenance=_provenance(groups),
        runs=[_describe_run(group, index) for group in groups for index in range(len(group.runs))],
    )
    with replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _section(
    dataset: str,
    frames: Mapping[str, pd.DataFrame],
    claims: Sequence[Mapping[str, Any]],
    figures: Sequence[FigureEntry],
    sheet: str,
) -> Section:
    if not claims:
        raise ResultError(
            f"The claims must be judged on each data set. Found none on `{dataset}`. Write them "
            "again."
        )
    return Section(
        dataset=dataset,
        bars=[_bar(row) for _, row in frames["main"].iterrows()],
        main=tables_of("main", frames["main"])[0],
        verdicts=verdict_tables(claims)[0],
        claims=[_claim_entry(claim) for claim in claims],
        ablation=tables_of("ablation", frames["ablation"]),
        robustness=tables_of("robustness", frames["robustness"]),
        figures=figures,
        sheet=sheet,
    )


def _bar(row: "pd.Series[Any]") -> Bar:
    method, mean = str(row["method"]), float(row["average_map_mean"])
    text = mean_text(mean, float(row["average_map_std"]))
    return Bar(method_name(method), method_colour(method), mean, text)


def _claim_entry(claim: Mapping[str, Any]) -> ClaimEntry:
    parts = [part_sentence(part) for part in claim["parts"]]
    return ClaimEntry(claim["id"], claim["verdict"], claim["explanation"], parts)


def _sheet_of(dataset: str, sheets: Sequence[Path]) -> str:
    return next((_encode(path) for path in sheets if path.parent.name == dataset), "")


def _draw_rules(rules: Mapping[str, Rule]) -> Picture:
    """Return the graph of rules, with the number of jobs of each node."""
    names = node_names(rules)
    jobs = Counter[str]()
    for name, rule in rules.items():
        jobs[names[name]] += rule.jobs
    graph = fold(names, ((need, name) for name, rule in rules.items() for need in rule.needs))
    return draw_graph(graph, {name: f"{n} job{'s' * (n > 1)}" for name, n in jobs.items()})


def _provenance(groups: Sequence[Group]) -> list[tuple[str, str]]:
    """Return what all trainings share, or every value that occurs."""
    records = [run.record for group in groups for run in group.runs]

    def values(key: str) -> str:
        return ", ".join(dict.fromkeys(str(record[key]) for record in records))

    machines = dict.fromkeys(
        ", ".join(f"{name} {value}" for name, value in record["environment"].items())
        for record in records
    )
    minutes = sum(float(record["wall_seconds"]) for record in records) / 60
    is_clean = all(record["git_clean"] for record in records)
    return [
        ("Git revision", values("git_revision")),
        ("Sources as in that revision", "yes" if is_clean else "no: changed when trained"),
        ("Data digests", values("data_digest")),
        ("Environment", "; ".join(machines)),
        ("Training time, all runs", f"{minutes:.1f} minutes"),
    ]


def _describe_run(group: Group, index: int) -> dict[str, object]:
    run = group.runs[index]
    keys = ("dataset", "seed", "config_digest", "data_digest", "git_revision", "git_clean")
    return {
        **{key: run.record[key] for key in keys},
        "name": method_name(run.method),
        "average_map": f"{group.map_percent[index].mean():.1f}",
        "minutes": f"{run.record['wall_seconds'] / 60:.1f}",
    }


def _check_rows(path: Path, frame: pd.DataFrame, compared: Sequence[Group]) -> None:
    """Page and table must agree."""
    found = list(zip(frame["dataset"], frame["method"], strict=True))
    if found != [(group.dataset, group.method) for group in compared]:
        raise ResultError(
            f"{path} must have a row for each compared method of the study, in their order. Found "
            f"{', '.join(f'{dataset}/{method}' for dataset, method in found)}. Write it again."
        )


def _check_costs(path: Path, costs: pd.DataFrame, datasets: Sequence[str]) -> None:
    """Page and table must agree."""
    found = list(dict.fromkeys(costs["dataset"]))
    if found != list(datasets):
        raise ResultError(
            f"{path} must have rows of each data set of the study, in their order. Found "
            f"{', '.join(found)}. Write it again."
        )


def _read_figure(path: Path, output: Path, number: int) -> FigureEntry:
    words = path.with_suffix(".json")
    try:
        content = json.loads(words.read_text(encoding="utf-8"))
        texts = {key: content[key] for key in ("dataset", "title", "caption", "alternative")}
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(
            f"{words} must hold the words of a figure. Found: {error}. Draw the figure again."
        ) from error
    svg, png = (_relative(path.with_suffix(suffix), output) for suffix in (".svg", ".png"))
    return FigureEntry(number=number, **texts, svg=svg, png=png)


def _code(text: str) -> Markup:
    """Return a text with what is in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


def _relative(path: Path, output: Path) -> str:
    return Path(os.path.relpath(path, output.parent)).as_posix()


def _encode(path: Path) -> str:
    try:
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise ResultError(
            f"{path} must be a contact sheet. Found: {error}. Prepare the data set again."
        ) from error
