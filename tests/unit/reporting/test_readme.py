"""The README shows the results of the generated tables."""

import json
from pathlib import Path

import pytest

from sfsc.reporting.readme import BLOCK, render

README = Path(__file__).parents[3] / "README.md"
TABLE = """\
dataset,method,n_seeds,average_map_mean,average_map_std,worst_map_mean,worst_map_std,leads
omniglot,full_alone,3,80.25,1.0,80.25,1.0,
omniglot,unified,3,50.25,1.0,50.25,1.0,worst_map
omniglot,bct,3,55.0,1.0,50.25,1.0,
omniglot,bct_s,3,58.5,0.25,44.0,1.0,average_map
omniglot,sfsc,3,57.75,0.5,46.0,2.0,
"""
DEPLOYMENT = """\
dataset,method,query_width,full_gallery_map_mean,full_gallery_map_std,own_gallery_map_mean,own_gallery_map_std,unified_map_mean,unified_map_std
omniglot,bct,0.25,40.0,1.0,41.0,1.0,50.25,1.0
omniglot,bct_s,0.25,52.0,1.0,51.0,1.0,50.25,1.0
omniglot,bct_s,1.0,60.0,1.0,60.0,1.0,50.25,1.0
omniglot,sfsc,0.25,53.0,1.0,51.0,1.0,50.25,1.0
omniglot,sfsc,1.0,59.0,1.0,59.0,1.0,50.25,1.0
"""
CLAIM = {
    "id": "C1", "dataset": "omniglot", "statement": "It wins.", "comparison": "A minus B",
    "effect": 1.25, "ci_low": 0.5, "ci_high": 2.0, "unit": "points of mAP", "bound": 0.0,
    "p_value": 0.04, "n_seeds": 3, "test": "t-test", "verdict": "reproduced", "explanation": "",
    "more_seeds": None, "more_core_minutes": None, "parts": [],
}  # fmt: skip


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    """A README with one block and the reports beside it."""
    tables = tmp_path / "reports" / "small" / "tables"
    tables.mkdir(parents=True)
    (tables / "main.csv").write_text(TABLE)
    (tables / "deployment.csv").write_text(DEPLOYMENT)
    (tables.parent / "claims.json").write_text(json.dumps([CLAIM]))
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- results: small -->\nold\n<!-- end -->\nafter\n")
    return path


def test_a_block_is_the_sentence_the_table_and_a_line_per_claim(readme: Path):
    """The old content is gone; the text around the block stays."""
    assert render(readme) == (
        "before\n<!-- results: small -->\n"
        "On `omniglot`, over 3 seeds, SFSC reaches an average mAP of 57.8 ± 0.5 %: "
        "7.5 points above Unified (50.2 ± 1.0) and 0.8 points below BCT-S, the best other "
        "(58.5 ± 0.2). "
        "Its worst pair of sub-models reaches 46.0 ± 2.0 %, 4.2 points below Unified.\n\n"
        "**omniglot**\n\n"
        "| method | width 1/4 | 1 |\n"
        "| --- | ---: | ---: |\n"
        "| BCT-S | 52.0 ± 1.0 | 60.0 ± 1.0 |\n"
        "| SFSC (ours) | 53.0 ± 1.0 | 59.0 ± 1.0 |\n"
        "| *Unified* | 50.2 ± 1.0 | 50.2 ± 1.0 |\n\n"
        "* C1, **reproduced**: It wins. A minus B: +1.2 [+0.5, +2.0] points of mAP.\n"
        "<!-- end -->\nafter\n"
    )


def test_an_undecided_claim_has_its_price_beside_it(readme: Path):
    """What a decision needs; nothing where one seed leaves the spread unknown."""
    undecided = CLAIM | {"verdict": "undecided", "more_seeds": 29, "more_core_minutes": 179.37}
    unknown = CLAIM | {"id": "C2", "verdict": "undecided"}
    claims = readme.parent / "reports" / "small" / "claims.json"
    claims.write_text(json.dumps([undecided, unknown]))
    text = render(readme)
    assert "* C1, **undecided** (29 more seeds: 179 core-minutes): It wins. A minus" in text
    assert "* C2, **undecided**: It wins. A minus" in text


def test_a_table_of_averages_has_a_row_per_data_set(readme: Path):
    """With SFSC's difference to BCT-S, of the claim that has it."""
    report = readme.parent / "reports" / "small"
    part = {"name": "SFSC minus BCT-S", "effect": -0.75, "ci_low": -1.5, "ci_high": 0.0}
    claims = [CLAIM, CLAIM | {"id": "C3", "parts": [{"name": "other"}, part]}]
    (report / "claims.json").write_text(json.dumps(claims))
    readme.write_text("<!-- averages: small -->\n<!-- end -->\n")
    assert render(readme) == (
        "<!-- averages: small -->\n"
        "| data | BCT-S | SFSC (ours) | Unified | SFSC minus BCT-S |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| [omniglot](reports/small/index.html) | 58.5 ± 0.2 | 57.8 ± 0.5 | 50.2 ± 1.0 | "
        "−0.8 [−1.5, 0.0] |\n"  # noqa: RUF001
        "<!-- end -->\n"
    )


def test_the_readme_is_fresh():
    """The decisive study's results are in it as the report has them, and it is short."""
    text = README.read_text()
    blocks = [(match["kind"], match["studies"]) for match in BLOCK.finditer(text)]
    assert blocks == [("results", "claims"), ("averages", "fruits360 grocery")]
    assert render(README) == text
    assert len(text.split()) <= 1200
