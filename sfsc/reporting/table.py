"""A table as a reader sees it, and its Markdown and LaTeX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sfsc.files import replacing

NONE = "\N{EN DASH}"
"""In a cell without a value."""
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """One cell."""

    text: str
    is_best: bool = False
    """Whether it is bold."""
    colour: str = ""
    """Of a dot before the text, where there can be one: a method's."""


@dataclass(frozen=True)
class Table:
    """One table."""

    title: str
    head: tuple[str, ...]
    n_text: int
    """Leading columns that hold words, not numbers."""
    rows: tuple[tuple[Cell, ...], ...]


def mean_text(mean: float, deviation: float) -> str:
    """Return "mean ± standard deviation"; a missing one (not a number) is left out.

    >>> mean_text(51.04, 1.4), mean_text(51.0, float("nan"))
    ('51.0 ± 1.4', '51.0')
    """
    if mean != mean:  # noqa: PLR0124 - not a number
        return NONE
    return f"{mean:.1f} ± {deviation:.1f}" if deviation == deviation else f"{mean:.1f}"  # noqa: PLR0124


def effect_text(effect: float, low: float, high: float, digits: int = 1) -> str:
    """Return a signed effect with its interval; what is not a number is left out.

    >>> effect_text(2.0, 0.5, 3.5), effect_text(2.0, float("nan"), float("nan"))
    ('+2.0 [+0.5, +3.5]', '+2.0')
    """
    if effect != effect:  # noqa: PLR0124 - not a number
        return NONE
    texts = [signed(value, digits) for value in (effect, low, high)]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]" if low == low else texts[0]  # noqa: PLR0124


def signed(value: float, digits: int = 1) -> str:
    """Return a number with its sign, typeset; zero has none.

    >>> signed(0.54), signed(-0.04)
    ('+0.5', '0.0')
    """
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def to_markdown(tables: Sequence[Table], note: str) -> str:
    """Return the tables under their titles for a README, the note below them."""
    parts = [f"**{table.title}**\n\n{markdown_grid(table)}\n" for table in tables]
    return "\n".join([*parts, f"{note}\n"])


def markdown_grid(table: Table) -> str:
    """Return a table without its title as Markdown."""
    rule = ["---"] * table.n_text + ["---:"] * (len(table.head) - table.n_text)
    cells = [[f"**{c.text}**" if c.is_best else c.text for c in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in (table.head, rule, *cells))


def to_latex(tables: Sequence[Table], note: str) -> str:
    """Return tables with the same columns as one LaTeX table for booktabs."""
    if not tables:
        return f"% {note}\n"
    head, n_text = tables[0].head, tables[0].n_text
    lines = [
        r"% \usepackage{booktabs}", r"\begin{table*}", r"  \centering",
        rf"  \caption{{{_escape(note)}}}",
        rf"  \begin{{tabular}}{{{'l' * n_text}{'r' * (len(head) - n_text)}}}", r"    \toprule",
        _latex_line([_escape(t[:1].upper() + t[1:] if t.islower() else t) for t in head]),
    ]  # fmt: skip
    for table in tables:
        title = rf"\multicolumn{{{len(head)}}}{{l}}{{\emph{{{_escape(table.title)}}}}}"
        lines += [r"    \midrule", _latex_line([title])]
        for row in table.rows:
            cells = [(_escape(cell.text), cell.is_best) for cell in row]
            lines.append(_latex_line([rf"\textbf{{{t}}}" if best else t for t, best in cells]))
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


def _latex_line(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _escape(text: str) -> str:
    replacements: dict[str, str | int | None] = {
        "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "±": r"$\pm$", NONE: "--", MINUS: "$-$",
        "`": None,
    }  # fmt: skip
    return text.translate(str.maketrans(replacements))


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write each file whole or not at all."""
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
