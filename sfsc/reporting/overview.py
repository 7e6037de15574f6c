"""The page over all studies: what each found, and the claims side by side.

    python -m sfsc.reporting.overview reports

writes `reports/index.html` from the claims and main tables of the reports in that folder.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sfsc.files import write_texts
from sfsc.reporting.claims.entries import load_claims
from sfsc.reporting.claims.prose import interval_text
from sfsc.reporting.findings import count_verdicts, lead_sentence, unjudged_summary
from sfsc.reporting.report import page_template
from sfsc.reporting.tables.write import read_runs_table


def render(reports: Path, studies: list[str]) -> str:
    """Return the page.

    Args:
        reports: The folder of the reports.
        studies: Names of its folders to show, in this order.

    Raises:
        ResultError: If a file of a report is missing or damaged.
    """
    columns = [column for study in studies for column in _columns(reports / study)]
    ids = dict.fromkeys(name for column in columns for name in column["claims"])
    searches = sorted(path.parent.name for path in reports.glob("*/choices.json"))
    page = page_template("overview.html.j2")
    return str(page.render(columns=columns, ids=list(ids), searches=searches))


def judged_studies(reports: Path) -> list[str]:
    """Return the names of the reports that judge claims: the default study first."""
    names = sorted(path.parent.name for path in reports.glob("*/claims.json"))
    return sorted(names, key=lambda name: name != "default")


def _columns(report: Path) -> Iterator[dict[str, Any]]:
    """Yield what the page shows of each data set of a study."""
    claims = load_claims(report / "claims.json")
    main, conflicts = (
        read_runs_table(report / "tables" / f"{name}.csv") for name in ("main", "conflicts")
    )
    for dataset in dict.fromkeys(claim["dataset"] for claim in claims):
        own = [claim for claim in claims if claim["dataset"] == dataset]
        tested = [claim for claim in own if claim["verdict"] != "not tested"]
        summary = lead_sentence(dataset, main[main["dataset"] == dataset])
        if not tested:
            about = unjudged_summary(conflicts[conflicts["dataset"] == dataset])
            summary = f"{summary} {about}".lstrip()
        yield {
            "study": report.name,
            "dataset": dataset,
            "summary": summary,
            "tiles": {verdict: len(n) for verdict, n in count_verdicts(own).items() if tested},
            "claims": {claim["id"]: _cell(claim) for claim in tested},
        }


def _cell(claim: Mapping[str, Any]) -> dict[str, str]:
    return {
        "statement": claim["statement"],
        "verdict": claim["verdict"],
        "decides": f"{claim['comparison']}: {interval_text(claim)} {claim['unit']}",
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_texts({folder / "index.html": render(folder, judged_studies(folder))})
