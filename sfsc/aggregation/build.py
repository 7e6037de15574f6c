"""From the `aggregation` section to an aggregator."""

from collections.abc import Callable

from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.mean import Mean
from sfsc.aggregation.projection import Projection
from sfsc.aggregation.sum import Sum
from sfsc.config import Aggregation

AGGREGATORS: dict[str, Callable[[Aggregation], Aggregator]] = {
    "sum": lambda _: Sum(),
    "mean": lambda _: Mean(),
    "projection": lambda section: Projection(section.granularity, section.reduction),
}


def build_aggregator(section: Aggregation) -> Aggregator:
    """Return the aggregator that the section names."""
    return AGGREGATORS[section.aggregator](section)
