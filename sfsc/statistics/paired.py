"""The paired effect of two methods: its size, its interval and its test."""

from dataclasses import dataclass

from scipy import stats

from sfsc.statistics.bootstrap import Float64s, bootstrap_means, interval


@dataclass(frozen=True)
class Effect:
    """A mean difference, paired by seed and query."""

    effect: float
    """Mean over seeds and queries."""
    ci_low: float
    """Lower end of the 95 % interval of the hierarchical bootstrap."""
    ci_high: float
    """Its upper end."""
    p_value: float | None
    """Two-sided paired t-test over seeds; None with one seed."""
    n_seeds: int


def paired_effect(differences: Float64s, *, bound: float = 0.0) -> Effect:
    """Return the effect that paired differences show.

    Args:
        differences: One per seed and query, (S, Q); Q = 1 where there are no queries.
        bound: The effect under the null hypothesis of the test.
    """
    low, high = interval(bootstrap_means(differences))
    return Effect(
        effect=float(differences.mean()),
        ci_low=low,
        ci_high=high,
        p_value=t_test(differences.mean(axis=1), bound=bound),
        n_seeds=len(differences),
    )


def t_test(values: Float64s, *, bound: float = 0.0) -> float | None:
    """Return the two-sided p-value of Student's t-test, S - 1 degrees of freedom.

    For paired differences, one per seed, this is the paired t-test.

    Args:
        values: Shape (S,).
        bound: The mean under the null hypothesis.

    Returns:
        The p-value, None for a single value, which has no spread.

    >>> from numpy import array
    >>> round(t_test(array([1.0, 2.0, 3.0])), 4)
    0.0742
    """
    if len(values) < 2:
        return None
    excess, error = values.mean() - bound, values.std(ddof=1) / len(values) ** 0.5
    if error == 0:
        return float(excess == 0)
    return float(2 * stats.t.sf(abs(excess / error), df=len(values) - 1))
