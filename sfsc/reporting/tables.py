"""The stage `sfsc tables`: one frame, written as CSV, Markdown, LaTeX and metrics."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sfsc.files import replacing
from sfsc.reporting.names import method_name
from sfsc.reporting.runs import Group, Run, load_groups

MEASURES: dict[str, tuple[str, Callable[[Run], float | None]]] = {
    "average_map": ("mAP", lambda run: run.test["summary"]["average_map"]),
    "diagonal_map": ("self-tests", lambda run: run.test["summary"]["diagonal_map"]),
    "off_diagonal_map": ("cross-tests", lambda run: run.test["summary"]["off_diagonal_map"]),
    "worst_map": ("worst pair", lambda run: run.test["summary"]["worst_map"]),
    "cmc_1": ("rank-1", lambda run: float(run.matrix("cmc_1").mean())),
    "minp": ("mINP", lambda run: float(run.matrix("minp").mean())),
}
"""Column of the tables: heading, and a run's value as a fraction (None: it has no such pair)."""

REFERENCE = "full_alone"
"""Too large for the small platforms: a bound, never the best of the comparison."""


@dataclass(frozen=True)
class Cell:
    """Mean and standard deviation over seeds, as a reader sees them."""

    text: str
    is_best: bool


def write_tables(runs: Sequence[Path], output: Path, metrics: Path) -> None:
    """Write the main table of a study.

    Args:
        runs: Folders of all its runs.
        output: The CSV file; a Markdown and a LaTeX file are written beside it.
        metrics: JSON file of the same numbers, nested by data set and run.

    Raises:
        ResultError: If a result file is missing or damaged or the runs do not fit each other.
    """
    groups = load_groups(runs)
    frame = main_frame(groups)
    texts = {
        output: frame.to_csv(index=False, float_format="%.4f", lineterminator="\n"),
        output.with_suffix(".md"): to_markdown(frame, protocol(groups)),
        output.with_suffix(".tex"): to_latex(frame, protocol(groups)),
        metrics: json.dumps(_nested(frame), indent=1) + "\n",
    }
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def main_frame(groups: Sequence[Group]) -> pd.DataFrame:
    """Return one row per data set and method.

    Columns `<measure>_mean` and `<measure>_std` are percent; the standard deviation is that of a
    sample of seeds (n - 1), missing for one seed; a measure that a method does not have is missing.
    """
    return pd.DataFrame([_row(group) for group in groups])


def _row(group: Group) -> dict[str, object]:
    row: dict[str, object] = {
        "dataset": group.dataset, "method": group.method, "n_seeds": len(group.runs)
    }  # fmt: skip
    for name, (_, measure) in MEASURES.items():
        values = pd.Series([measure(run) for run in group.runs], dtype=float) * 100
        row[f"{name}_mean"], row[f"{name}_std"] = values.mean(), values.std(ddof=1)
    first = group.runs[0]
    row["average_precision"] = first.test["average_precision"]
    row["classifier_gradient"] = first.record["settings"]["loss"]["classifier_gradient"]
    row["seeds"] = " ".join(map(str, group.seeds))
    return row


def protocol(groups: Sequence[Group]) -> str:
    """Return the sentence that a reader needs under a table of these runs."""
    first = groups[0].runs[0].test
    skipped = {g.runs[0].dataset: g.runs[0].test["n_skipped_queries"] for g in groups}
    skips = ", ".join(f"{count} on {dataset}" for dataset, count in skipped.items())
    return (
        "Percent, mean ± standard deviation over seeds. mAP: mean over all pairs of a query and a "
        "gallery sub-model (for one network: its self-test); self-tests: both the same; "
        "cross-tests: different ones; rank-1 and mINP: means over all pairs. "
        f"Average precision: {first['average_precision']} definition. Same identity and camera "
        f"removed, junk removed, distractors kept; queries without a positive: {skips}."
    )


def table_cells(frame: pd.DataFrame) -> list[dict[str, Cell]]:
    """Return the cells of each row; the best mean of a column is marked per data set.

    The full network alone is a bound and does not compete.
    """
    competitors = frame[frame["method"] != REFERENCE]
    best = competitors.groupby("dataset")[[f"{name}_mean" for name in MEASURES]].max()
    return [
        {name: _cell(row, name, best.at[row["dataset"], f"{name}_mean"]) for name in MEASURES}
        if row["dataset"] in best.index
        else {name: _cell(row, name, None) for name in MEASURES}
        for row in frame.to_dict("records")
    ]


def _cell(row: dict[str, object], name: str, best: object) -> Cell:
    mean, std = row[f"{name}_mean"], row[f"{name}_std"]
    if pd.isna(mean):
        return Cell("–", is_best=False)
    text = f"{mean:.1f}" if pd.isna(std) else f"{mean:.1f} ± {std:.1f}"
    return Cell(text, is_best=row["method"] != REFERENCE and mean == best)


def to_markdown(frame: pd.DataFrame, note: str) -> str:
    """Return a table per data set for a README; the best of each column is bold."""
    head = [
        "method",
        "classifier moved by",
        "seeds",
        *(heading for heading, _ in MEASURES.values()),
    ]
    rule = ["---", "---", *["---:"] * (len(head) - 2)]
    parts = []
    cells = table_cells(frame)
    for dataset, rows in frame.groupby("dataset", sort=False):
        lines = [head, rule]
        for index, row in rows.iterrows():
            marked = [f"**{c.text}**" if c.is_best else c.text for c in cells[index].values()]
            lines.append(
                [
                    method_name(row["method"]),
                    row["classifier_gradient"],
                    str(row["n_seeds"]),
                    *marked,
                ]
            )
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"**{dataset}**\n\n{table}\n")
    return "\n".join([*parts, f"{note}\n"])


def to_latex(frame: pd.DataFrame, note: str) -> str:
    """Return the same as a LaTeX table for booktabs; the best of each column is bold."""
    head = ["Method", "Classifier", "Seeds", *(heading for heading, _ in MEASURES.values())]
    lines = [
        r"% \usepackage{booktabs}", r"\begin{table*}", r"  \centering",
        rf"  \caption{{{_latex(note)}}}",
        rf"  \begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}", r"    \toprule",
        f"    {' & '.join(head)} \\\\",
    ]  # fmt: skip
    cells = table_cells(frame)
    for dataset, rows in frame.groupby("dataset", sort=False):
        lines += [
            r"    \midrule",
            rf"    \multicolumn{{{len(head)}}}{{l}}{{\emph{{{_latex(str(dataset))}}}}} \\",
        ]
        for index, row in rows.iterrows():
            marked = [
                rf"$\mathbf{{{_math(c.text)}}}$" if c.is_best else f"${_math(c.text)}$"
                for c in cells[index].values()
            ]
            names = [
                _latex(method_name(row["method"])),
                row["classifier_gradient"],
                str(row["n_seeds"]),
            ]
            lines.append(f"    {' & '.join([*names, *marked])} \\\\")
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


def _latex(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%").replace("±", r"$\pm$")


def _math(text: str) -> str:
    return text.replace("±", r"\pm").replace("–", r"\text{--}")


def _nested(frame: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    numbers = [column for column in frame if str(column).endswith(("_mean", "_std"))]
    return {
        str(dataset): {
            row["method"]: {key: round(row[key], 4) for key in numbers if pd.notna(row[key])}
            for _, row in rows.iterrows()
        }
        for dataset, rows in frame.groupby("dataset", sort=False)
    }
