"""P x K batches: P identities with K images each (Hermans et al., arXiv 1703.07737)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sfsc.errors import DataError


def pk_batches(
    labels: Tensor, *, identities: int, images: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield the batches of one epoch.

    In each round the identities are shuffled and cut into groups of P; those left over wait for the
    next round. K images of each identity of a group are drawn without replacement, or with
    replacement if it has fewer than K. An epoch has `epoch_length` batches.

    Args:
        labels: Identity of each training image, int64 in [0, C), shape (N,).
        identities: P.
        images: K.
        generator: Generator of the order.

    Yields:
        Positions in `labels`, int64, shape (P * K,); the images of an identity are adjacent.

    Raises:
        DataError: If there are fewer than P identities, than two identities, or than K images.
    """
    members = [torch.nonzero(labels == label).squeeze(1) for label in torch.unique(labels)]
    if len(members) < 2:
        raise DataError(
            f"A training needs images of two identities at least. Found {len(members)}; add "
            "identities to the split `train`."
        )
    if len(members) < identities:
        raise DataError(
            "`train.identities_per_batch` must not exceed the number of training identities. "
            f"Found `identities_per_batch = {identities}` and {len(members)} identities; lower it."
        )
    if images > len(labels):
        raise DataError(
            "`train.images_per_identity` must not exceed the number of training images. "
            f"Found `images_per_identity = {images}` and {len(labels)} images; lower it."
        )
    remaining = epoch_length(len(labels), identities=identities, images=images)
    while remaining > 0:
        order = torch.randperm(len(members), generator=generator).tolist()
        for start in range(0, len(order) - identities + 1, identities):
            if remaining == 0:
                return
            group = order[start : start + identities]
            yield torch.cat([_draw(members[i], images, generator) for i in group])
            remaining -= 1


def epoch_length(n: int, *, identities: int, images: int) -> int:
    """Return the number of batches of an epoch over `n` images: `n // (P * K)`, at least 1."""
    return max(1, n // (identities * images))


def _draw(members: Tensor, count: int, generator: torch.Generator) -> Tensor:
    if len(members) < count:
        return members[torch.randint(len(members), (count,), generator=generator)]
    return members[torch.randperm(len(members), generator=generator)[:count]]
