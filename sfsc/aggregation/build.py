"""From the `aggregation` section to an aggregator."""

from sfsc import parts
from sfsc.aggregation.base import Aggregator
from sfsc.config import Aggregation


def build_aggregator(section: Aggregation) -> Aggregator:
    """Return the aggregator that the section names."""
    part = parts.load("aggregation.aggregators", section.aggregator)
    aggregator: Aggregator = part.build(section)
    return aggregator
