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
CLAIM = {
    "id": "C1", "dataset": "omniglot", "statement": "It wins.", "comparison": "A minus B",
    "effect": 1.25, "ci_low": 0.5, "ci_high": 2.0, "unit": "points of mAP", "bound": 0.0,
    "p_value": 0.04, "n_seeds": 3, "test": "t-test", "verdict": "reproduced", "explanation": "",
    "parts": [],
}  # fmt: skip


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    """A README with one block and the reports beside it."""
    tables = tmp_path / "reports" / "small" / "tables"
    tables.mkdir(parents=True)
    (tables / "main.csv").write_text(TABLE)
    (tables / "main.md").write_text("| a |\n\nThe caption.\n")
    (tables.parent / "claims.json").write_text(json.dumps([CLAIM]))
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- results: small -->\nold\n<!-- end -->\nafter\n")
    return path


def test_a_block_is_the_sentence_the_verdicts_and_the_table(readme: Path):
    """The old content and the table's caption are gone; the text around the block stays."""
    assert render(readme) == (
        "before\n<!-- results: small -->\n"
        "On `omniglot`, over 3 seeds, `sfsc` reaches an average mAP of 57.8 ± 0.5 %: "
        "7.5 points above `unified` (50.2 ± 1.0) and 0.8 points below `bct_s`, the best other "
        "(58.5 ± 0.2). "
        "Its worst pair of sub-models reaches 46.0 ± 2.0 %, 4.2 points below `unified`.\n\n"
        "**omniglot**\n\n"
        "|  | claim | verdict | by | effect [95 % interval] | p | seeds |\n"
        "| --- | --- | --- | --- | ---: | ---: | ---: |\n"
        "| C1 | It wins. | **reproduced** | A minus B | +1.2 [+0.5, +2.0] points of mAP | 0.040 "
        "| 3 |\n\n"
        "| a |\n<!-- end -->\nafter\n"
    )


def test_the_readme_is_fresh():
    """The results of each tracked report are in it, as they are; `make readme` renews them."""
    reports = README.parent / "reports"
    studies = [
        name for name in ("default", "omniglot") if (reports / name / "claims.json").exists()
    ]
    assert [match["study"] for match in BLOCK.finditer(README.read_text())] == studies
    assert render(README) == README.read_text()
