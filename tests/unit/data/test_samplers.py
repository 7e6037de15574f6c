"""P x K batches hold P identities with K images each."""

import pytest
import torch

from sfsc.data.samplers import epoch_length, pk_batches
from sfsc.errors import DataError

LABELS = torch.arange(60) // 6


def batches(labels: torch.Tensor = LABELS, *, p: int = 4, k: int = 3, seed: int = 0):
    """Return the batches of one epoch."""
    generator = torch.Generator().manual_seed(seed)
    return list(pk_batches(labels, identities=p, images=k, generator=generator))


def test_each_batch_is_exactly_p_by_k():
    """P different identities, K different images of each, side by side."""
    for batch in batches():
        identities = LABELS[batch].reshape(4, 3)
        assert (identities == identities[:, :1]).all()
        assert len(set(identities[:, 0].tolist())) == 4
        assert len(set(batch.tolist())) == 12


def test_an_epoch_is_as_long_as_the_images_allow():
    """`n // (P * K)` batches, at least one."""
    assert len(batches()) == 60 // 12 == epoch_length(60, identities=4, images=3)
    assert epoch_length(3, identities=4, images=3) == 1


def test_every_identity_comes_before_any_comes_again():
    """Within a round of the identities none repeats."""
    seen = torch.cat([LABELS[b].reshape(4, 3)[:, 0] for b in batches()[:2]]).tolist()
    assert len(set(seen)) == 8


def test_few_images_are_drawn_with_replacement():
    """An identity with fewer than K images still fills its place."""
    labels = torch.tensor([0, 1, 1, 1, 2, 2, 2])
    for batch in batches(labels, p=3, k=3):
        assert torch.bincount(labels[batch]).tolist() == [3, 3, 3]


def test_the_generator_decides():
    """The same seed gives the same batches, another seed others."""
    same = zip(batches(seed=1), batches(seed=1), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    assert not torch.equal(torch.cat(batches(seed=1)), torch.cat(batches(seed=2)))


def test_more_images_of_an_identity_than_the_set_has_are_refused():
    """A typing mistake of some zeros would fill the memory."""
    with pytest.raises(DataError) as error:
        batches(k=100_000_000_000)
    assert str(error.value) == (
        "`train.images_per_identity` must not exceed the number of training images. "
        "Found `images_per_identity = 100000000000` and 60 images; lower it."
    )


def test_too_few_identities_are_refused():
    """The sentence names the key, both numbers and the mend."""
    with pytest.raises(DataError) as error:
        batches(p=11)
    assert str(error.value) == (
        "`train.identities_per_batch` must not exceed the number of training identities. "
        "Found `identities_per_batch = 11` and 10 identities; lower it."
    )


def test_one_identity_is_refused_with_a_way_to_mend_it():
    """P cannot be lowered below two: the set needs more identities."""
    with pytest.raises(DataError) as caught:
        batches(torch.zeros(6, dtype=torch.int64), p=2)
    assert str(caught.value) == (
        "A training needs images of two identities at least. Found 1; add identities to the split "
        "`train`."
    )
