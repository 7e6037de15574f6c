"""Claims for people."""

from pathlib import Path

import numpy as np
import pytest

from sfsc.reporting.claims.comparisons import Comparison, Question, Scale
from sfsc.reporting.claims.entries import entry, load_claims
from sfsc.reporting.claims.prose import verdict_tables
from sfsc.reporting.claims.verdicts import judge
from sfsc.statistics.paired import paired_effect

POINTS = Scale()


def comparison(*seeds: float, scale: Scale = POINTS, **fields: object) -> Comparison:
    """Return the comparison that seeds with these differences make."""
    effect = paired_effect(np.array(seeds)[:, None], bound=scale.bound)
    return Comparison("A minus B", effect, scale, **fields)  # type: ignore[arg-type]


def explain(*parts: Comparison, n_claims: int = 1, **fields: object) -> str:
    """Return the explanation of a claim, judged with as many of the same."""
    question = Question("C9", "synthetic", "It works.", parts, **fields)  # type: ignore[arg-type]
    return str(entry(judge([question] * n_claims)[0])["explanation"])


def test_people_read_rules_tables_and_reasons(reports: Path):
    """The same verdicts as in the JSON file."""
    text = (reports / "claims.md").read_text()
    assert text.startswith("# What the paper claims, and what was found\n")
    assert "one-sided t-test over seeds" in text
    for item in load_claims(reports / "claims.json"):
        assert f"### {item['id']}: {item['verdict']}" in text
        assert f"{item['statement']} {item['explanation']}" in text
        assert all(f"* {part['name']}: " in text for part in item["parts"])
    assert "\n## synthetic\n\n|  | claim | verdict |" in text


def test_verdict_tables_show_what_decides(reports: Path):
    """One row per claim."""
    (table,) = verdict_tables(load_claims(reports / "claims.json"))
    assert table.title == "synthetic"
    assert [row[0].text for row in table.rows] == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    assert table.rows[1][3].text == "SFSC minus BCT"
    assert table.rows[1][4].text.endswith("] points of mAP")


def test_a_claim_that_holds_says_by_what():
    """Small numbers have more digits; a bound and other queries are named."""
    part = comparison(
        0.21, 0.23, 0.22, scale=Scale("log2", margin=0.1, bound=0.1), other_queries=(0.18, 0.26)
    )
    assert explain(part, remark="Well.") == (
        "It holds. What decides: A minus B: +0.22 [+0.20, +0.24] log2 (bound 0.1), p = 0.001, "
        "3 seeds; on other queries [+0.18, +0.26]: reproduced. Well."
    )


def test_an_undecided_claim_says_why_and_what_a_decision_costs():
    """The bound in the interval, or a test that the correction takes."""
    sentence = (
        "3 seeds find an effect of {effect} points of mAP with 80 % power. A decision about "
        "1 point of mAP needs about {seeds} more seeds, {minutes} core-minutes; a larger "
        "effect needs fewer."
    )
    wide = explain(comparison(2.0, 3.5, -0.5, core_seconds=(("d/sfsc", 60.0),)))
    assert wide == (
        "Undecided. What decides: A minus B: +1.7 [−3.4, +6.7] points of mAP, p = 0.145, 3 seeds: "  # noqa: RUF001
        "undecided. The interval contains the bound and reaches further from it than what matters. "
        + sentence.format(effect="6.6", seeds=42, minutes=42)
    )
    above = explain(comparison(2.0, 2.9, 1.3, core_seconds=(("d/sfsc", 60.0),)), n_claims=3)
    assert above.endswith(
        "The interval is above the bound, but p, corrected for all claims, is not below 0.05. "
        + sentence.format(effect="3.2", seeds=6, minutes=6)
    )
    below = explain(comparison(-2.0, -2.9, -1.3, core_seconds=(("d/sfsc", 60.0),)), n_claims=3)
    assert (
        "The interval is below the bound, but the opposite p is at least 0.05 when corrected for "
        "all comparisons and claims. 3 seeds find" in below
    )


@pytest.mark.parametrize(
    ("seeds", "opening"),
    [
        ((2.0, 2.1, 1.9), "It holds. What decides: A minus B: +2.0 ["),
        ((-2.0, -2.1, -1.9), "It does not hold here. What decides: A minus B: −2.0 ["),  # noqa: RUF001
        ((0.3, 0.1, -0.2), "There is no difference that matters. What decides: A minus B: +0.07 ["),
    ],
)
def test_a_decided_claim_opens_with_its_verdict(seeds: tuple[float, ...], opening: str):
    """Then comes what decides, and no price."""
    text = explain(comparison(*seeds))
    assert text.startswith(opening)
    assert "core-minutes" not in text


def test_one_seed_says_what_it_lacks():
    """It has no interval, no test and no price."""
    assert explain(comparison(2.0)) == (
        "Undecided. What decides: A minus B: +2.0 points of mAP, no test, 1 seed: undecided. "
        "One seed has no spread to test: at least two are needed."
    )
    assert explain(comparison(2.0), comparison(2.0, 3.5, -0.5)) == explain(comparison(2.0))


def test_what_the_study_lacks_is_named():
    """Also where nothing was compared."""
    assert explain(missing=("`bct`", "`sfsc`")) == "Not tested. The study lacks `bct`, `sfsc`."
