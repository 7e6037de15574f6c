"""Power, the smallest detectable effect, and the seeds of a decision."""

import numpy as np
import pytest

from sfsc.statistics.paired import effects_of_seeds
from sfsc.statistics.power import (
    seeds_for_width,
    seeds_to_decide,
    smallest_detectable_effect,
    t_test_power,
)

STUDIES = 10_000


def simulate(effect: float, deviation: float, n_seeds: int) -> np.ndarray:
    """Return interval ends and p-value of many studies, (studies, 3)."""
    values = np.random.default_rng(0).normal(effect, deviation, (STUDIES, n_seeds))
    return np.array([(e.ci_low, e.ci_high, e.p_value) for e in effects_of_seeds(values)])


@pytest.mark.parametrize("level", [0.025, 0.05 / 7])
@pytest.mark.parametrize(("effect", "n_seeds"), [(2.0, 20), (2.0, 10), (3.0, 3)])
def test_the_power_is_what_simulated_studies_have(effect: float, n_seeds: int, level: float):
    """Within three standard errors of 10,000 studies with a spread of 2 points."""
    expected = t_test_power(effect, 2.0, n_seeds, level=level)
    assert (simulate(effect, 2.0, n_seeds)[:, 2] < level).mean() == pytest.approx(
        expected, abs=0.015
    )


@pytest.mark.parametrize(("n_seeds", "level"), [(3, 0.025), (5, 0.05 / 7), (20, 0.025)])
def test_the_smallest_detectable_effect_is_found_four_times_in_five(n_seeds: int, level: float):
    """Simulated."""
    effect = smallest_detectable_effect(2.0, n_seeds, level=level)
    found = simulate(effect, 2.0, n_seeds)[:, 2] < level
    assert found.mean() == pytest.approx(0.8, abs=0.015)


@pytest.mark.parametrize("level", [0.025, 0.05 / 7])
def test_enough_seeds_decide_about_a_point_four_times_in_five(level: float):
    """Simulated: an effect of 1 point is found, none is told from 1 point; fewer are too few."""
    n_seeds = seeds_to_decide(1.0, 2.0, level=level)
    found = (simulate(1.0, 2.0, n_seeds)[:, 2] < level).mean()
    none = simulate(0.0, 2.0, n_seeds)
    excluded = ((none[:, 0] >= -1) & (none[:, 1] <= 1)).mean()
    assert min(found, excluded) == pytest.approx(0.8, abs=0.02)
    assert max(found, excluded) >= 0.8


def test_seeds_for_a_width_are_the_first_that_are_enough():
    """The interval of the sample's spread is then just no wider."""
    for n_seeds, is_enough in ((64, True), (63, False)):
        values = np.resize([1.0, -1.0], n_seeds)
        (effect,) = effects_of_seeds(2 / values.std(ddof=1) * values[None])
        assert (effect.ci_high - effect.ci_low <= 1) == is_enough
    assert seeds_for_width(1.0, 2.0) == 64


def test_without_spread_two_seeds_are_enough():
    """The least that a test can have."""
    assert seeds_to_decide(1.0, 0.0, level=0.025) == 2
    assert smallest_detectable_effect(0.0, 2, level=0.025) == 0
