"""The table of the sub-models' costs, in its three forms and read back."""

import json
from pathlib import Path

import pandas as pd
import pytest
from result_files import MACS, WIDTHS, write_measured

from sfsc.cli import main
from sfsc.errors import ResultError
from sfsc.reporting.tables.cost import cost_note, cost_tables, read_cost


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CSV file of two data sets, as the command writes it."""
    folder = tmp_path_factory.mktemp("cost")
    measured = [
        write_measured(folder / name / "cost.json", dataset=name, method="bct_s")
        for name in ("synthetic", "omniglot")
    ]
    output = folder / "reports" / "cost.csv"
    assert main(["cost", "--measured", *map(str, measured), "--output", str(output)]) == 0
    return output


def test_there_is_a_row_for_each_data_set_and_submodel(written: Path):
    """Data sets in their order, widths ascending, counts exact."""
    frame = pd.read_csv(written)
    assert list(frame["dataset"]) == ["synthetic"] * 4 + ["omniglot"] * 4
    assert tuple(frame["width"]) == WIDTHS * 2
    assert tuple(frame["macs"]) == MACS * 2
    assert frame["latency_ms_median"][3] == pytest.approx(0.517)


def test_a_reader_sees_counts_and_medians_with_their_spread(written: Path):
    """The last row of the first table is the full width."""
    lines = written.with_suffix(".md").read_text().splitlines()
    assert lines[0] == "**synthetic**"
    assert lines[7] == (
        "| 1 | 468,000 | 11,700,000 | 1,950,000 | 512 | 0.517 [0.507, 0.537] | 427 [342, 513] |"
    )


def test_all_forms_say_how_it_was_measured(written: Path):
    """Network, images, rounds, machine and threads; once where data sets share them."""
    note = cost_note(read_cost(written))
    for words in (
        "the network of BCT-S, the first switchable row",
        "height x width 24 x 16 on synthetic, 24 x 16 on omniglot.",
        "128 numbers of 4 bytes", "batches of 64.", "over 200 and 31 rounds",
        "Measured on A processor, torch 2.13.0, threads: 1.",
    ):  # fmt: skip
        assert words in note
    assert note in written.with_suffix(".md").read_text()
    assert note.replace("`", "") in written.with_suffix(".tex").read_text()


def test_the_table_reads_back_as_it_was_written(written: Path):
    """The page shows what the files show."""
    markdown = written.with_suffix(".md").read_text()
    for table in cost_tables(read_cost(written)):
        for row in table.rows:
            assert f"| {' | '.join(cell.text for cell in row)} |" in markdown


def test_a_damaged_measurement_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A key that is missing is named, and how to mend it."""
    path = write_measured(tmp_path / "cost.json")
    content = json.loads(path.read_text())
    del content["submodels"][0]["macs"]
    path.write_text(json.dumps(content))
    assert main(["cost", "--measured", str(path), "--output", str(tmp_path / "cost.csv")]) == 1
    assert capsys.readouterr().err == (
        f"ResultError: {path} must be written by `sfsc measure`. Found: KeyError('macs'). Measure "
        "again.\n"
    )
    assert not (tmp_path / "cost.csv").exists()


def test_a_missing_table_is_one_sentence(tmp_path: Path):
    """It tells how to mend it."""
    with pytest.raises(ResultError, match=r"cost\.csv must be a table written by `sfsc cost`"):
        read_cost(tmp_path / "cost.csv")
