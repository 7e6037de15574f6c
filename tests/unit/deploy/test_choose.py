"""The choice keeps to what was asked."""

from pathlib import Path

import pytest

from sfsc.cli import main
from sfsc.deploy.choose import Candidate, Wishes, choose, parse_wishes
from sfsc.errors import ConfigError, ResultError

CANDIDATES = [
    Candidate(0.25, 0.1, 30_000, 40.0), Candidate(0.5, 0.2, 100_000, 55.0),
    Candidate(1.0, 0.5, 900_000, 60.0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wishes", "width"),
    [
        (("1ms", None, None), 1.0),
        (("200us", None, None), 0.5),
        ((None, "100kB", None), 0.5),
        ((None, "99kB", None), 0.25),
        ((None, None, 50.0), 0.5),
        (("0.3ms", "1MB", 30.0), 0.25),
    ],
)
def test_the_best_that_fits_is_chosen(
    wishes: tuple[str | None, str | None, float | None], width: float
):
    """The most accurate within a limit; the fastest that is accurate enough."""
    assert choose(CANDIDATES, parse_wishes(*wishes)).width == width


def test_nothing_fits_is_one_sentence():
    """It says what could be had."""
    with pytest.raises(ResultError) as error:
        choose(CANDIDATES, Wishes(map=70.0))
    assert str(error.value) == (
        "A sub-model must keep to what is asked. Found none: the fastest takes 0.1 ms, the "
        "smallest has 30,000 bytes, the best reaches 60.0 %. Ask for less, or train other widths."
    )


@pytest.mark.parametrize("text", ["1", "ms", "1 parsec", "-1ms", "1e3ms", "nan ms"])
def test_a_quantity_has_a_unit(text: str):
    """A bare number could be anything."""
    with pytest.raises(ConfigError, match="A quantity must be a number and one of us, ms, s"):
        parse_wishes(text, None, None)


def test_no_wish_is_one_sentence():
    """There is nothing to choose by."""
    with pytest.raises(ConfigError, match="--latency, --size or --map"):
        parse_wishes(None, None, None)


def test_the_command_measures_here(training: Path, capsys: pytest.CaptureFixture[str]):
    """A row per sub-model, and the chosen one."""
    assert main(["choose", str(training), "--latency", "1s"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (chosen,) = (line.split()[1] for line in lines if line.startswith("*"))
    assert len(lines) == 4
    assert lines[-1] == f"Take width {chosen}."
