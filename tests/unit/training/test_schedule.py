"""The learning rate of each step."""

import pytest

from sfsc.training.schedule import learning_rate


def test_warm_up_is_linear_up_to_the_peak():
    """The last warm-up step has the peak rate."""
    rates = [learning_rate(step, 100, peak=1.0, warmup=0.1) for step in range(10)]
    assert rates == pytest.approx([0.1 * (step + 1) for step in range(10)])


def test_cosine_falls_from_the_peak_to_zero():
    """Half way down it is half the peak, at the end nearly 0, and it never rises."""
    rates = [learning_rate(step, 110, peak=1.0, warmup=10 / 110) for step in range(10, 110)]
    assert rates[0] == 1.0
    assert rates[50] == pytest.approx(0.5)
    assert 0.0 < rates[-1] < 1e-3
    assert rates == sorted(rates, reverse=True)


def test_steps_divide_by_ten_at_the_milestones():
    """The rate drops where the milestones say."""
    at = (0, 49, 50, 74, 75, 99)
    rates = [learning_rate(step, 100, peak=1.0, warmup=0.0, milestones=(0.5, 0.75)) for step in at]
    assert rates == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01, 0.01])
