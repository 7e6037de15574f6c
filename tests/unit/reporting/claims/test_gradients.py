"""C5 and C7."""

from typing import Any

import pytest

from sfsc.reporting.claims.gradients import gradient_questions
from sfsc.reporting.dynamics import conflict_share, norm_imbalance, priority_correlation
from sfsc.reporting.runs import Results


def test_conflicts_exist_in_bct_s_and_are_fewer_in_sfsc(results: Results):
    """C5: levels of BCT-S and what SFSC takes away from them, in direction and in magnitude."""
    parts = gradient_questions(results)[0].parts
    rival, ours = (results.group(name).runs for name in ("bct_s", "sfsc"))
    for index, value in enumerate((conflict_share, norm_imbalance)):
        theirs = sum(value(run)[0] for run in rival) / 2
        lower = theirs - sum(value(run)[0] for run in ours) / 2
        level, difference = parts[2 * index : 2 * index + 2]
        assert level.effect.effect == pytest.approx(theirs)
        assert difference.effect.effect == pytest.approx(lower)
        assert (level.is_paired, difference.is_paired) == (False, True)
        assert level.scale.bound > difference.scale.bound == 0
        assert level.other_queries is difference.other_queries is None


def test_priority_is_a_correlation_above_zero(results: Results):
    """C7: of SFSC's trainings alone."""
    part = gradient_questions(results)[1].parts[0]
    correlations = [priority_correlation(run)[0] for run in results.group("sfsc").runs]
    assert part.effect.effect == pytest.approx(sum(correlations) / 2)
    assert not part.is_paired


def test_no_sub_model_may_lose_more_than_a_point_to_its_twin(
    claims: dict[str, Any], results: Results
):
    """C7: self-test minus the independent network's of the same width, in points."""
    ours, twins = (results.group(name).map_percent for name in ("sfsc", "independent"))
    _, *parts = claims["C7"]["parts"]
    for switch, (width, part) in enumerate(zip(("1/8", "1/4", "1/2", "1"), parts, strict=True)):
        assert part["name"] == f"Self-test at width {width} minus its independent twin's"
        gap = (ours - twins)[:, switch, switch].mean()
        assert part["effect"] == pytest.approx(gap, abs=1e-3)
        assert part["bound"] == -1
