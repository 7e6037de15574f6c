"""What every figure is made of: the picture and the words that go with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from sfsc.reporting.runs import Group, describe_reranking
from sfsc.reporting.style import MUTED, PAGE


@dataclass(frozen=True)
class Drawing:
    """A finished figure."""

    figure: Figure
    title: str
    """A few words, for a heading."""
    caption: str
    """What is shown, of which data, seeds and protocol."""
    alternative: str
    """What a person who cannot see the picture needs to know."""


def draw_nothing(title: str, text: str, groups: Sequence[Group]) -> Drawing:
    """Draw a sentence where a study has nothing to show."""
    figure = Figure(figsize=(PAGE, 0.6))
    figure.text(0.5, 0.5, text, ha="center", va="center", color=MUTED)
    return Drawing(figure, title, f"{text} {describe_data(groups)}", text)


def describe_data(groups: Sequence[Group]) -> str:
    """Return the sentence on data and seeds that ends a caption."""
    first = groups[0].runs[0]
    counts = {len(group.runs) for group in groups}
    least, most = min(counts), max(counts)
    number = f"{least}" if least == most else f"{least} to {most}"
    return f"Data: {first.dataset}; {number} seed{'s' if most > 1 else ''} per method."


def describe_protocol(groups: Sequence[Group]) -> str:
    """Return the sentences on protocol, data and seeds that end a caption about accuracy."""
    test = groups[0].runs[0].test
    skipped = test["n_skipped_queries"]
    protocol = (
        f"mAP: {test['average_precision']} average precision, {test['n_query']:,} queries in a "
        f"gallery of {test['n_gallery']:,}, test identities unseen in training, same identity and "
        f"camera removed, {skipped:,} queries without a positive left out."
    )
    reranking = describe_reranking(groups[0].runs[0])
    return " ".join(filter(None, (protocol, reranking, describe_data(groups))))


def percent(values: Sequence[float], digits: int = 1) -> str:
    """Return "mean ± standard deviation" of values in percent, the mean alone of one value.

    >>> percent([50.0, 52.0]), percent([50.0])
    ('51.0 ± 1.4', '50.0')
    """
    n = len(values)
    mean = sum(values) / n
    if n == 1:
        return f"{mean:.{digits}f}"
    deviation = (sum((value - mean) ** 2 for value in values) / (n - 1)) ** 0.5
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"
