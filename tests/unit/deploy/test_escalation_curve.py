"""The curve of escalation begins and ends with the matrix of the test."""

import json
from pathlib import Path

import numpy as np
import pytest
from finished_trainings import write_training

from sfsc.cli import main
from sfsc.deploy.escalation_curve import SHARES, _without, escalate


def test_the_ends_are_cells_of_the_matrix(
    training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Nobody and everybody embedded again, at the cost of one and of both embeddings."""
    assert main(["escalation", str(training), "--output", str(tmp_path / "curve.svg")]) == 0
    (curve,) = json.loads((tmp_path / "curve.curves.json").read_text())["curves"]
    matrix = json.loads((training / "cross_test.json").read_text())["matrices"]["map_step"]
    np.testing.assert_allclose([curve["test"][0], curve["test"][-1]], [m[-1] for m in matrix])
    macs = json.loads((training / "run.json").read_text())["macs"]
    assert (curve["macs"][0], curve["macs"][-1]) == (macs[0], sum(macs))
    assert 0 <= curve["chosen"] <= 1
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "0.25"
    assert (tmp_path / "curve.png").stat().st_size > 1000
    assert "embedded again" in json.loads((tmp_path / "curve.json").read_text())["caption"]


def test_the_most_doubtful_are_embedded_again():
    """The gain of each query counts once its turn has come; ties in the order of the queries."""
    small, large = np.array([0.0, 0.5, 0.2, 0.4]), np.array([1.0, 0.5, 0.6, 0.0])
    levels = escalate(small, large, np.array([1.0, 3.0, 2.0, 1.0]))
    at = {share: levels[SHARES.searchsorted(share)] for share in (0.0, 0.25, 0.5, 0.75, 1.0)}
    expected = [1.1 / 4, 1.1 / 4, 1.5 / 4, 2.5 / 4, 2.1 / 4]
    np.testing.assert_allclose(list(at.values()), expected)


def test_a_query_does_not_tell_of_itself():
    """Its own image is dropped wherever it is, otherwise the last one."""
    scores = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4]], dtype=np.float32)
    own = np.array([[False, True, False], [False, False, False]])
    np.testing.assert_array_equal(
        _without(scores, own), np.array([[0.9, 0.7], [0.6, 0.5]], dtype=np.float32)
    )


def test_networks_trained_apart_have_no_curve(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """There is no larger model to escalate to."""
    folder = write_training(tmp_path, kind="each")
    capsys.readouterr()
    assert main(["escalation", str(folder), "--output", str(tmp_path / "curve.svg")]) == 1
    assert capsys.readouterr().err == (
        f"ResultError: {folder} must hold several sub-models of one space. Found 0.25, 1, trained "
        "apart. Name a training of `sfsc`.\n"
    )
