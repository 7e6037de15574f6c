"""The choice of the training identities that are held out for validation."""

import hashlib
import math
from collections.abc import Iterable


def hold_out(identities: Iterable[int], *, fraction: float, seed: int) -> frozenset[int]:
    """Choose the identities held out for validation.

    Those with the smallest SHA-256 of "seed/identity" are chosen: the same ones on every machine
    and with every version of a random number generator.

    Args:
        identities: The distinct training identities.
        fraction: Share held out, in (0, 0.5); rounded up, so that at least one is.
        seed: Seed of the choice.

    Returns:
        The identities held out.

    >>> sorted(hold_out(range(10), fraction=0.2, seed=0))
    [0, 4]
    """
    ranked = sorted(identities, key=lambda identity: _rank(seed, identity))
    return frozenset(ranked[: math.ceil(fraction * len(ranked))])


def _rank(seed: int, identity: int) -> str:
    return hashlib.sha256(f"{seed}/{identity}".encode()).hexdigest()
