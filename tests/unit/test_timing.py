"""A stage's log tells how long its actual work took."""

import logging
from pathlib import Path

import pytest

from sfsc.timing import read_useful_seconds, useful


def test_what_is_logged_is_read_back(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Each block counts; other lines do not."""
    with caplog.at_level(logging.INFO), useful():
        pass
    (line,) = caplog.messages
    log = tmp_path / "embed.log"
    log.write_text(f"{line}\nuseful seconds: 1.500\nnot useful seconds: 9.000\n")
    assert read_useful_seconds(log) == pytest.approx(1.5, abs=0.1)


def test_a_stage_without_work_has_none(tmp_path: Path):
    """A log that reports no seconds is no mistake."""
    (tmp_path / "prepare.log").write_text("")
    assert read_useful_seconds(tmp_path / "prepare.log") == 0
