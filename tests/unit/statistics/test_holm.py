"""Holm's correction."""

import numpy as np
import pytest

from sfsc.statistics.holm import holm


def test_a_worked_example():
    """By hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, then 0.04, which the one before it lifts to 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_corrected_values_keep_their_order_and_stay_probabilities():
    """Between the value itself and Bonferroni's."""
    p_values = np.random.default_rng(0).random(20)
    adjusted = np.array(holm(p_values.tolist()))
    assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()
    assert (adjusted >= p_values).all()
    assert (adjusted <= np.minimum(20 * p_values, 1)).all()


def test_one_value_and_none():
    """There is nothing to correct, and what was not tested does not count."""
    assert holm([0.04]) == [0.04]
    assert holm([None, 0.04]) == [None, 0.04]
    assert holm([]) == []
