"""Many mistakes of a data set in one error."""

from collections.abc import Sequence

from sfsc.errors import DataError

NAMED = 5
"""Number of examples in a sentence."""
LISTED = 20
"""Number of sentences in an error."""


def raise_mistakes(source: str, mistakes: Sequence[str]) -> None:
    """Raise one error about all mistakes; do nothing if there are none.

    Args:
        source: Where the mistakes are, such as the path of a table.
        mistakes: A sentence about each. If it begins with the source, a list leaves that out.

    Raises:
        DataError: If there are any.
    """
    if len(mistakes) == 1:
        raise DataError(mistakes[0])
    if mistakes:
        lines = [f"  - {mistake.removeprefix(f'{source}, ')}" for mistake in mistakes[:LISTED]]
        more = [f"  and {len(mistakes) - LISTED} more"] * (len(mistakes) > LISTED)
        raise DataError("\n".join([f"{source} has {len(mistakes)} mistakes:", *lines, *more]))


def name_some(examples: Sequence[str]) -> str:
    """Return the first examples and the number of the others.

    >>> name_some(["a", "b", "c"]), name_some(list("abcdefg"))
    ('a, b, c', 'a, b, c, d, e and 2 more')
    """
    more = f" and {len(examples) - NAMED} more" if len(examples) > NAMED else ""
    return ", ".join(examples[:NAMED]) + more
