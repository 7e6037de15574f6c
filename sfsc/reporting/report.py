"""The stage `sfsc report`: one page that shows a study's tables, figures and where they come from.

The page makes no request to any host: it refers to the tables and figures beside it by relative
paths and holds everything else itself, so its folder can be moved or sent as a whole.
"""

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.reporting.drawing import percent
from sfsc.reporting.main_table import MEASURES, Row, protocol, table_rows
from sfsc.reporting.names import method_colour, method_name
from sfsc.reporting.runs import Group, load_groups

TEMPLATE = "report.html.j2"
OURS = "sfsc"


@dataclass(frozen=True)
class Difference:
    """How SFSC compares with another method, paired by seed."""

    name: str
    colour: str
    text: str
    ahead: int
    """Seeds in which SFSC has the higher mAP."""
    seeds: int


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
    rows: Sequence[Row]
    differences: Sequence[Difference]
    figures: Sequence[FigureEntry]
    sheet: str
    """The contact sheet, base64; empty if there is none."""


def write_report(
    study: str,
    runs: Sequence[Path],
    *,
    table: Path,
    figures: Sequence[Path],
    sheets: Sequence[Path],
    output: Path,
) -> None:
    """Write the page.

    Args:
        study: Its name.
        runs: Folders of all runs.
        table: The CSV file of `sfsc tables`.
        figures: SVG files of `sfsc figure`, in the order to be shown.
        sheets: Contact sheets, `<data set>/contact_sheet.png`.
        output: The HTML file.

    Raises:
        ResultError: If an input is missing or damaged or the inputs do not fit each other.
    """
    groups = load_groups(runs)
    frame = _read_table(table, groups)
    entries = [_read_figure(path, output, number) for number, path in enumerate(figures, start=1)]
    encoded = {path.parent.name: _encode(path) for path in sheets}
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    page = environment.get_template(TEMPLATE).render(
        study=study,
        colour_of=method_colour,
        n_runs=sum(len(group.runs) for group in groups),
        n_methods=len({group.method for group in groups}),
        headings=[heading for heading, _ in MEASURES.values()],
        note=protocol(groups),
        table=_relative(table.with_suffix(""), output),
        sections=[
            _section(dataset, groups, rows, entries, encoded.get(dataset, ""))
            for dataset, rows in table_rows(frame).items()
        ],
        provenance=_provenance(groups),
        runs=[_describe_run(group, index) for group in groups for index in range(len(group.runs))],
    )
    with replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _section(
    dataset: str,
    groups: Sequence[Group],
    rows: Sequence[Row],
    entries: Sequence[FigureEntry],
    sheet: str,
) -> Section:
    own = [group for group in groups if group.dataset == dataset]
    return Section(
        dataset=dataset,
        rows=rows,
        differences=paired_differences(own),
        figures=[entry for entry in entries if entry.dataset == dataset],
        sheet=sheet,
    )


def paired_differences(groups: Sequence[Group]) -> list[Difference]:
    """Return how SFSC's average mAP differs from each other method's, seed by seed.

    Args:
        groups: Of one data set.

    Returns:
        One entry for each method that shares a seed with SFSC; none if SFSC is not there.
    """
    values = {
        group.method: dict(
            zip(group.seeds, group.map_percent.mean(axis=(1, 2)).tolist(), strict=True)
        )
        for group in groups
    }
    ours = values.pop(OURS, {})
    differences = []
    for method, theirs in values.items():
        paired = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
        if paired:
            sign = "+" if sum(paired) > 0 else ""
            differences.append(
                Difference(
                    name=method_name(method),
                    colour=method_colour(method),
                    text=(sign + percent(paired)).replace("-", "\N{MINUS SIGN}"),
                    ahead=sum(value > 0 for value in paired),
                    seeds=len(paired),
                )
            )
    return differences


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


def _read_table(path: Path, groups: Sequence[Group]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype={"seeds": str})
        found = list(zip(frame["dataset"], frame["method"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(
            f"{path} must be a table written by `sfsc tables`. Found: {error}. Write it again."
        ) from error
    if found != [(group.dataset, group.method) for group in groups]:
        raise ResultError(
            f"{path} must have a row for each method of the given runs, in their order. Found "
            f"{', '.join(f'{dataset}/{method}' for dataset, method in found)}. Write it again."
        )
    return frame


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


def _relative(path: Path, output: Path) -> str:
    return Path(os.path.relpath(path, output.parent)).as_posix()


def _encode(path: Path) -> str:
    try:
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise ResultError(
            f"{path} must be a contact sheet. Found: {error}. Prepare the data set again."
        ) from error
