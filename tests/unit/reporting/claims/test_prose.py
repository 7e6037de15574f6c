"""Claims for people."""

from pathlib import Path

from sfsc.reporting.claims.entries import load_claims
from sfsc.reporting.claims.prose import verdict_tables


def test_people_read_rules_tables_and_reasons(reports: Path):
    """The same verdicts as in the JSON file."""
    text = (reports / "claims.md").read_text()
    assert text.startswith("# What the paper claims, and what was found\n")
    assert "hierarchical bootstrap, 10,000 draws" in text
    for entry in load_claims(reports / "claims.json"):
        assert f"### {entry['id']}: {entry['verdict']}" in text
        assert f"{entry['statement']} {entry['explanation']}" in text
        assert all(f"* {part['name']}: " in text for part in entry["parts"])
    assert "\n## synthetic\n\n|  | claim | verdict |" in text


def test_verdict_tables_show_what_decides(reports: Path):
    """One row per claim."""
    (table,) = verdict_tables(load_claims(reports / "claims.json"))
    assert table.title == "synthetic"
    assert [row[0].text for row in table.rows] == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    assert table.rows[0][3].text == "SFSC minus Unified"
    assert table.rows[0][4].text.endswith("] points of mAP")
