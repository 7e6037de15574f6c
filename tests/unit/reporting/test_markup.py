"""Tables as Markdown and LaTeX."""

from dataclasses import replace

import pandas as pd

from sfsc.reporting.markup import (
    NONE,
    Cell,
    Table,
    effect_text,
    mean_text,
    tables_by,
    to_latex,
    to_markdown,
)

TABLE = Table(
    "a_set",
    ("method", "mAP"),
    frozenset({"method"}),
    ((Cell("A & B"), Cell("1.0 ± 0.5", is_best=True)), (Cell("`c`"), Cell(NONE))),
)


def test_markdown_has_a_grid_under_a_title():
    """Words to the left, numbers to the right, the best bold."""
    assert to_markdown([TABLE], "A note.") == (
        "**a_set**\n\n"
        "| method | mAP |\n| --- | ---: |\n| A & B | **1.0 ± 0.5** |\n| `c` | – |\n\n"  # noqa: RUF001
        "A note.\n"
    )


def test_latex_is_escaped():
    """Names keep their case, what LaTeX reads as a command is escaped."""
    text = to_latex([TABLE], "5 % of `x_y`")
    assert r"\caption{5 \% of x\_y}" in text
    assert r"    Method & mAP \\" in text
    assert r"    A \& B & \textbf{1.0 $\pm$ 0.5} \\" in text
    assert r"    c & -- \\" in text
    assert r"\multicolumn{2}{l}{\emph{a\_set}}" in text


def test_rows_for_reference_are_set_apart():
    """By names in italics in Markdown, by a gap in LaTeX."""
    table = replace(TABLE, n_apart=1)
    assert [[row[0].text for row in part] for part in table.parts] == [["A & B"], ["`c`"]]
    assert "| A & B | **1.0 ± 0.5** |\n| *`c`* |" in to_markdown([table], "")
    assert "\\\\\n    \\addlinespace\n    c & --" in to_latex([table], "")


def test_no_tables_are_a_sentence():
    """A study without ablations has no ablation table."""
    assert to_markdown([], "Nothing.") == "Nothing.\n"
    assert to_latex([], "Nothing.") == "% Nothing.\n"


def test_rows_are_grouped_by_data_set_and_variation():
    """Tables are in the order of the frame; the name of the data set is not put in words."""
    frame = pd.DataFrame(
        {"dataset": ["my_set"] * 3, "variation": ["b_c", "a", "b_c"], "n": [1, 2, 3]}
    )
    tables = tables_by(
        ["dataset", "variation"], frame, ("n",), (), lambda row: (Cell(str(row["n"])),)
    )
    assert [(table.title, [row[0].text for row in table.rows]) for table in tables] == [
        ("my_set: b c", ["1", "3"]),
        ("my_set: a", ["2"]),
    ]


def test_a_missing_number_is_a_dash():
    """NaN is no number to show."""
    missing = float("nan")
    assert mean_text(missing, missing) == NONE
    assert effect_text(missing, missing, missing) == NONE
    assert effect_text(-1.26, -2, 0.04) == "−1.3 [−2.0, 0.0]"  # noqa: RUF001
