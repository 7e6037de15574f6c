"""The stage `sfsc tables`: one frame, written as CSV, Markdown, LaTeX and metrics."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from sfsc.files import replacing
from sfsc.reporting.main_table import MEASURES, NONE, Row, main_frame, protocol, table_rows
from sfsc.reporting.runs import load_groups

HEADINGS = [heading for heading, _ in MEASURES.values()]


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
    frame, note = main_frame(groups), protocol(groups)
    rows = table_rows(frame)
    texts = {
        output: frame.to_csv(index=False, float_format="%.4f", lineterminator="\n"),
        output.with_suffix(".md"): to_markdown(rows, note),
        output.with_suffix(".tex"): to_latex(rows, note),
        metrics: json.dumps(_nested(frame), indent=1) + "\n",
    }
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def to_markdown(tables: Mapping[str, Sequence[Row]], note: str) -> str:
    """Return a table per data set for a README; the best of each column is bold."""
    head = ["method", "classifier moved by", "seeds", *HEADINGS]
    rule = ["---", "---", *["---:"] * (len(head) - 2)]
    parts = []
    for dataset, rows in tables.items():
        lines = [head, rule]
        for row in rows:
            cells = [f"**{c.text}**" if c.is_best else c.text for c in row.cells.values()]
            lines.append([row.name, row.classifier, str(row.n_seeds), *cells])
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"**{dataset}**\n\n{table}\n")
    return "\n".join([*parts, f"{note}\n"])


def to_latex(tables: Mapping[str, Sequence[Row]], note: str) -> str:
    """Return the same as a LaTeX table for booktabs; the best of each column is bold."""
    head = ["Method", "Classifier", "Seeds", *HEADINGS]
    lines = [
        r"% \usepackage{booktabs}", r"\begin{table*}", r"  \centering",
        rf"  \caption{{{_latex(note)}}}",
        rf"  \begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}", r"    \toprule",
        _latex_line(head),
    ]  # fmt: skip
    for dataset, rows in tables.items():
        title = rf"\multicolumn{{{len(head)}}}{{l}}{{\emph{{{_latex(dataset)}}}}}"
        lines += [r"    \midrule", _latex_line([title])]
        for row in rows:
            cells = [rf"\textbf{{{c.text}}}" if c.is_best else c.text for c in row.cells.values()]
            first = [row.name, row.classifier, str(row.n_seeds)]
            lines.append(_latex_line([_latex(text) for text in [*first, *cells]]))
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


def _latex_line(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _latex(text: str) -> str:
    replacements: dict[str, str | int | None] = {"_": r"\_", "%": r"\%", "±": r"$\pm$", NONE: "--"}
    return text.translate(str.maketrans(replacements))


def _nested(frame: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    numbers = [name for name in map(str, frame.columns) if name.endswith(("_mean", "_std"))]
    return {
        str(dataset): {
            str(row["method"]): {
                name: round(row[name], 4) for name in numbers if pd.notna(row[name])
            }
            for _, row in rows.iterrows()
        }
        for dataset, rows in frame.groupby("dataset", sort=False)
    }
