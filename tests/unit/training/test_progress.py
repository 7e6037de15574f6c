"""Progress reads well in a terminal and in a log file."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from sfsc.training.progress import ProgressReport


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


@contextmanager
def terminal() -> Iterator[Terminal]:
    """Put a terminal in place of standard error, with the program's log on it."""
    screen, root = Terminal(), logging.getLogger()
    before = root.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", screen)
        patch.setattr(root, "handlers", [logging.StreamHandler(screen)])
        root.setLevel(logging.INFO)  # unlike an assignment, it drops what loggers remember
        yield screen
        root.setLevel(before)


def lines_of(screen: str) -> list[str]:
    """Return what a terminal shows at the end of each line: a return overwrites the line."""
    lines = []
    for line in screen.split("\n"):
        cells: list[str] = []
        for text in line.split("\r"):
            cells[: len(text)] = text
        lines.append("".join(cells).rstrip())
    return lines


def test_a_log_line_and_the_bar_do_not_overwrite_each_other():
    """A line that is logged while the bar is shown stands alone, above the bar."""
    with terminal() as screen, closing(ProgressReport(total=4, done=0)) as report:
        report.step(1, [0.5, 0.25])
        report.validated(1, 0.431)
        report.step(2, [0.4, 0.2])
    assert "0/4" in screen.getvalue()
    assert lines_of(screen.getvalue())[0] == "epoch 1  validation mAP 43.1 %"


def test_the_bar_shows_losses_and_validation():
    """The last losses of the sub-models and the last validation are in the bar."""
    with terminal() as screen, closing(ProgressReport(total=4, done=0)) as report:
        report.validated(1, 0.431)
        report.step(2, [0.4, 0.2])
        report._bar.refresh()
        shown = screen.getvalue()
    assert "1/4" in shown
    assert "epoch 2  loss 0.400 0.200  mAP 43.1 %" in shown


def test_a_log_file_gets_lines_and_no_bar(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    """The last step is always reported."""
    caplog.set_level(logging.INFO)
    with closing(ProgressReport(total=2, done=1)) as report:
        report.step(3, [0.5])
        report.validated(3, 0.5)
    assert caplog.messages == [
        "epoch 3  step 2/2  loss 0.500  0:00:00 left",
        "epoch 3  validation mAP 50.0 %",
    ]
    assert capsys.readouterr().err == ""
