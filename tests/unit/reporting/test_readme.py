"""The README says what the generated tables say."""

from pathlib import Path

import pytest

from sfsc.reporting.readme import BLOCK, render

README = Path(__file__).parents[3] / "README.md"
TABLE = """\
dataset,method,n_seeds,average_map_mean,average_map_std,worst_map_mean,worst_map_std
omniglot,unified,3,50.25,1.0,50.25,1.0
omniglot,bct_s,3,58.5,0.25,44.0,1.0
omniglot,sfsc,3,57.75,0.5,46.0,2.0
"""


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    """A README with one block and the tables beside it."""
    tables = tmp_path / "reports" / "small" / "tables"
    tables.mkdir(parents=True)
    (tables / "main.csv").write_text(TABLE)
    (tables / "main.md").write_text("| a |\n")
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- results: small -->\nold\n<!-- end -->\nafter\n")
    return path


def test_a_block_is_the_sentence_and_the_table(readme: Path):
    """What stood in the block gives way; what stands around it stays."""
    assert render(readme) == (
        "before\n<!-- results: small -->\n"
        "On `omniglot`, over 3 seeds, `sfsc` reaches an average mAP of 57.8 ± 0.5 %: "
        "7.5 points above `unified` (50.2 ± 1.0) and 0.8 points below `bct_s` (58.5 ± 0.2). "
        "Its worst pair of sub-models reaches 46.0 ± 2.0 %, 4.2 points below `unified`.\n\n"
        "| a |\n<!-- end -->\nafter\n"
    )


def test_the_readme_is_fresh():
    """The results in the README are those of the tracked reports; `make readme` renews them."""
    assert [match["study"] for match in BLOCK.finditer(README.read_text())] == [
        "default",
        "omniglot",
    ]
    assert render(README) == README.read_text()
