"""The README's results, copied from the reports; no number in it is typed by hand.

    python -m sfsc.reporting.readme README.md

replaces the text between `<!-- results: <study> -->` and `<!-- end -->` by the results in
`reports/<study>/`: a sentence per data set, the deployment table, and a line per claim. Between
`<!-- averages: <studies> -->` and `<!-- end -->` it puts a table with a row per data set.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from sfsc.files import replacing
from sfsc.reporting.claims.entries import load_claims
from sfsc.reporting.claims.prose import interval_text
from sfsc.reporting.findings import lead_sentence
from sfsc.reporting.markup import Cell, Table, markdown_grid, mean_text, read_table, to_markdown
from sfsc.reporting.names import OURS, RIVAL, method_name, short_name
from sfsc.reporting.tables.deployment import deployment_tables
from sfsc.reporting.tables.write import read_runs_table

BLOCK = re.compile(
    r"<!-- (?P<kind>results|averages): (?P<studies>[\w ]+) -->\n.*?<!-- end -->", re.DOTALL
)
COMPARED = (RIVAL, OURS, "unified")


def render(readme: Path) -> str:
    """Return the README with its blocks of results renewed from the reports beside it.

    Args:
        readme: The README; its folder holds `reports/`.
    """
    reports = readme.parent / "reports"

    def block(match: re.Match[str]) -> str:
        studies = [reports / name for name in match["studies"].split()]
        content = _results(*studies) if match["kind"] == "results" else _averages(studies)
        return f"<!-- {match['kind']}: {match['studies']} -->\n{content}\n<!-- end -->"

    return BLOCK.sub(block, readme.read_text(encoding="utf-8"))


def _results(report: Path) -> str:
    """Return sentences, deployment tables and verdicts of a study."""
    frame = read_runs_table(report / "tables" / "main.csv")
    sentences = [
        lead_sentence(str(name), rows) for name, rows in frame.groupby("dataset", sort=False)
    ]
    deployment = read_table(report / "tables" / "deployment.csv", "method", stage="tables")
    tables = [_in_full_gallery(rows) for _, rows in deployment.groupby("dataset")]
    verdicts = "\n".join(_verdicts(load_claims(report / "claims.json")))
    return "\n\n".join([*sentences, to_markdown(tables, "").strip(), verdicts])


def _averages(reports: list[Path]) -> str:
    """Return a table of the average mAP, and of SFSC's difference to its main rival."""
    title = f"{short_name(OURS)} minus {short_name(RIVAL)}"
    rows = []
    for report in reports:
        frame = read_runs_table(report / "tables" / "main.csv").set_index(["dataset", "method"])
        claims = load_claims(report / "claims.json")
        parts = {c["dataset"]: p for c in claims for p in c["parts"] if p["name"] == title}
        for dataset in frame.index.unique("dataset"):
            texts = [f"[{dataset}](reports/{report.name}/index.html)"] + [
                mean_text(*frame.loc[(dataset, m), ["average_map_mean", "average_map_std"]])
                for m in COMPARED
            ]
            rows.append(tuple(map(Cell, (*texts, interval_text(parts[dataset])))))
    head = ("data", *map(method_name, COMPARED), title)
    return markdown_grid(Table("", head, frozenset({"data"}), tuple(rows)))


def _in_full_gallery(rows: pd.DataFrame) -> Table:
    """Return the first deployment table of a data set, of BCT-S and SFSC alone."""
    table, _ = deployment_tables(rows[rows["method"].isin((RIVAL, OURS))])
    return replace(table, title=str(rows["dataset"].iloc[0]))


def _verdicts(claims: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line per claim: verdict, price of a decision, statement, what decides."""
    datasets = dict.fromkeys(claim["dataset"] for claim in claims)
    for claim in claims:
        where = f" on `{claim['dataset']}`" if len(datasets) > 1 else ""
        effect = f" {claim['comparison']}: {interval_text(claim)} {claim['unit']}."
        decides = effect if claim["comparison"] else ""
        verdict = f"**{claim['verdict']}**{_price(claim)}"
        yield f"* {claim['id']}{where}, {verdict}: {claim['statement']}{decides}"


def _price(claim: dict[str, Any]) -> str:
    """Return what an undecided claim still needs, empty if it is decided or nobody knows."""
    if claim["more_seeds"] is None:
        return ""
    return f" ({claim['more_seeds']} more seeds: {claim['more_core_minutes']:.0f} core-minutes)"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    rendered = render(path)
    with replacing(path) as temporary:
        temporary.write_text(rendered, encoding="utf-8")
