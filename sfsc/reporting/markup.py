"""A table for readers, and its Markdown and LaTeX."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sfsc.errors import ResultError
from sfsc.files import write_texts
from sfsc.reporting.names import in_words

NONE = "\N{EN DASH}"
"""Shown in a cell without a value."""
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """One cell."""

    text: str
    is_best: bool = False
    """Whether it is bold."""
    colour: str = ""
    """Colour of the dot that the HTML report puts before the text; empty for none."""


@dataclass(frozen=True)
class Table:
    """One table."""

    title: str
    head: tuple[str, ...]
    words: frozenset[str]
    """Heads of the columns that hold words, not numbers."""
    rows: tuple[tuple[Cell, ...], ...]
    n_apart: int = 0
    """Number of last rows that are set apart: for reference, not compared."""

    @property
    def parts(self) -> tuple[tuple[tuple[Cell, ...], ...], ...]:
        """The rows, and those that are set apart if there are any."""
        split = len(self.rows) - self.n_apart
        return (self.rows[:split], self.rows[split:]) if self.n_apart else (self.rows,)


def tables_by(
    keys: Sequence[str],
    frame: pd.DataFrame,
    head: tuple[str, ...],
    words: Collection[str],
    cells: Callable[[Mapping[Any, Any]], tuple[Cell, ...]],
) -> list[Table]:
    """Return one table for each combination of the keys' values, in order of appearance.

    Args:
        keys: Columns whose values make the title; the first is the data set.
        frame: The rows of all tables.
        head: Heads of the columns.
        words: Heads of the columns that hold words.
        cells: Returns the cells of a row.
    """
    return [
        Table(
            ": ".join([str(dataset), *map(in_words, map(str, names))]),
            head,
            frozenset(words),
            tuple(map(cells, rows.to_dict("records"))),
        )
        for (dataset, *names), rows in frame.groupby(list(keys), sort=False)
    ]


def write_table(
    csv: Path,
    frame: pd.DataFrame,
    tables: Sequence[Table],
    note: str,
    *,
    float_format: str = "%.4f",
) -> None:
    """Write a table as CSV, and what readers see of it as Markdown and LaTeX beside it.

    Args:
        csv: The CSV file.
        frame: The numbers, not rounded.
        tables: The cells of the same numbers.
        note: The sentences below the tables.
        float_format: How the CSV writes numbers that are not whole.
    """
    texts = {
        ".csv": frame.to_csv(index=False, float_format=float_format, lineterminator="\n"),
        ".md": to_markdown(tables, note),
        ".tex": to_latex(tables, note),
    }
    write_texts({csv.with_suffix(suffix): text for suffix, text in texts.items()})


def read_table(csv: Path, *texts: str, stage: str) -> pd.DataFrame:
    """Read the CSV of a table back.

    Args:
        csv: A file of `write_table`.
        texts: Columns of words, beside `dataset`; pandas takes an empty one for numbers.
        stage: The stage that writes it, for the message.

    Raises:
        ResultError: If it is missing or damaged.
    """
    try:
        return pd.read_csv(csv, dtype=dict.fromkeys(texts, str)).astype({"dataset": str})
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(
            f"{csv} must be a table written by `sfsc {stage}`. Found: {error}. Write it again."
        ) from error


def mean_text(mean: float, deviation: float, *, digits: int = 1) -> str:
    """Return "mean ± standard deviation", without a deviation that is NaN, a dash for a NaN mean.

    >>> mean_text(51.04, 1.4), mean_text(51.0, float("nan")), mean_text(-0.001, 0.1, digits=2)
    ('51.0 ± 1.4', '51.0', '0.00 ± 0.10')
    """
    if pd.isna(mean):
        return NONE
    text = f"{mean:z.{digits}f}".replace("-", MINUS)
    return text if pd.isna(deviation) else f"{text} ± {deviation:.{digits}f}"


def effect_text(effect: float, low: float, high: float, digits: int = 1) -> str:
    """Return a signed effect with its interval, without one that is NaN, a dash for a NaN effect.

    >>> effect_text(2.0, 0.5, 3.5), effect_text(2.0, float("nan"), float("nan"))
    ('+2.0 [+0.5, +3.5]', '+2.0')
    """
    if pd.isna(effect):
        return NONE
    interval = "" if pd.isna(low) else f" [{signed(low, digits)}, {signed(high, digits)}]"
    return f"{signed(effect, digits)}{interval}"


def signed(value: float, digits: int = 1) -> str:
    """Return a number with a typographic sign; zero has none.

    >>> signed(0.54), signed(-0.04)
    ('+0.5', '0.0')
    """
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def to_markdown(tables: Sequence[Table], note: str) -> str:
    """Return the tables with their titles, and the note below them, as Markdown."""
    parts = [f"**{table.title}**\n\n{markdown_grid(table)}\n" for table in tables]
    return "\n".join([*parts, f"{note}\n"])


def markdown_grid(table: Table) -> str:
    """Return a table without its title as Markdown."""
    rule = ["---" if text in table.words else "---:" for text in table.head]
    cells = [[f"**{c.text}**" if c.is_best else c.text for c in row] for row in table.rows]
    for row in cells[len(cells) - table.n_apart :]:
        row[0] = f"*{row[0]}*"
    return "\n".join(f"| {' | '.join(line)} |" for line in (table.head, rule, *cells))


def to_latex(tables: Sequence[Table], note: str) -> str:
    """Return tables with the same columns as one LaTeX table; it needs the package booktabs."""
    if not tables:
        return f"% {note}\n"
    head, words = tables[0].head, tables[0].words
    lines = [
        r"% \usepackage{booktabs}", r"\begin{table*}", r"  \centering",
        rf"  \caption{{{_escape(note)}}}",
        rf"  \begin{{tabular}}{{{''.join('l' if text in words else 'r' for text in head)}}}",
        r"    \toprule",
        _latex_line([_escape(t[:1].upper() + t[1:] if t.islower() else t) for t in head]),
    ]  # fmt: skip
    for table in tables:
        title = rf"\multicolumn{{{len(head)}}}{{l}}{{\emph{{{_escape(table.title)}}}}}"
        lines += [r"    \midrule", _latex_line([title])]
        for index, part in enumerate(table.parts):
            lines += [r"    \addlinespace"] * bool(index)
            lines += [_latex_line(list(map(_latex_cell, row))) for row in part]
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


def _latex_line(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _latex_cell(cell: Cell) -> str:
    text = _escape(cell.text)
    return rf"\textbf{{{text}}}" if cell.is_best else text


def _escape(text: str) -> str:
    replacements: dict[str, str | int | None] = {
        "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "±": r"$\pm$", "→": r"$\to$",
        NONE: "--", MINUS: "$-$", "`": None,
    }  # fmt: skip
    return text.translate(str.maketrans(replacements))
