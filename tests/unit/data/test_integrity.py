from dataclasses import replace

import numpy as np
import pytest
from prepared_sets import LABELS, Label, make_set

from sfsc.data.integrity import SplitCount, check_counts, check_packing, count_splits
from sfsc.data.manifest import pixel_digest
from sfsc.data.prepared import PreparedSet
from sfsc.errors import DataError


def _refusal(prepared: PreparedSet) -> str:
    with pytest.raises(DataError) as raised:
        prepared.check()
    return str(raised.value)


def test_a_whole_set_passes():
    """Junk in the gallery and identities shared by query and gallery are no mistakes."""
    make_set().check()


@pytest.mark.parametrize(
    ("extra", "parts"),
    [
        ((0, 2, "validation"), "identity 0 in train and validation"),
        ((0, 2, "gallery"), "identity 0 in train and test"),
        ((1, 2, "query"), "identity 1 in validation and test"),
    ],
)
def test_overlapping_identities_are_refused(extra: Label, parts: str):
    """An identity is in one of train, validation and test only."""
    rule = "Train, validation and test identities must be disjoint."
    assert f"{rule} Found {parts}." in _refusal(make_set([*LABELS, extra]))


@pytest.mark.parametrize("split", ["validation", "query", "gallery"])
def test_an_empty_split_is_refused(split: str):
    """Each split has images."""
    labels = [label for label in LABELS if label[2] != split]
    assert f"Split `{split}` must have images. Found none." in _refusal(make_set(labels))


def test_junk_outside_the_gallery_is_refused():
    """Junk is something only a gallery can have."""
    assert _refusal(make_set([*LABELS, (-1, 0, "train")])) == (
        "Only the gallery may have junk (identity -1). Found some in split `train`."
    )


@pytest.mark.parametrize("extra", [[(3, 0, "query")], [(3, 0, "query"), (3, 0, "gallery")]])
def test_a_query_without_a_positive_is_refused(extra: list[Label]):
    """A query needs an image of its identity from another camera."""
    assert _refusal(make_set([*LABELS, *extra])) == (
        "Each query must have a gallery image of its identity from another camera. "
        "Found none for query `9.png`."
    )


def test_a_validation_identity_with_one_camera_is_refused():
    """Validation needs a positive from another camera, as the test does."""
    labels: list[Label] = [*LABELS, (3, 2, "validation"), (3, 2, "validation")]
    assert _refusal(make_set(labels)) == (
        "Each validation identity must have images of at least two cameras. "
        "Found identity 3 with camera 2 alone."
    )


def test_an_altered_image_is_refused():
    """Pixels that do not have the manifest's digest are found."""
    prepared = make_set()
    images = prepared.images.copy()
    images[3, 0, 0, 0] ^= 1
    assert _refusal(replace(prepared, images=images)) == (
        f"Image `3.png` must have the digest that the manifest states "
        f"({prepared.manifest.digest[3]}). Found another: it was altered. "
        "Prepare the data set again."
    )


def test_a_duplicate_image_across_splits_is_refused():
    """The same pixels in two splits leak, whatever their labels."""
    prepared = make_set()
    images, digests = prepared.images.copy(), prepared.manifest.digest.copy()
    images[4], digests[4] = images[1], pixel_digest(images[1])
    spoilt = PreparedSet(replace(prepared.manifest, digest=digests), images)
    assert _refusal(spoilt) == (
        "No image may be in two splits. Found the same image as `1.png` in train and `4.png` in "
        "query."
    )


def _copied(labels: list[Label]) -> PreparedSet:
    """Return a set whose last image is a copy of its first query."""
    prepared = make_set(labels)
    images, digests = prepared.images.copy(), prepared.manifest.digest.copy()
    first = int(prepared.manifest.rows("query")[0])
    images[-1], digests[-1] = images[first], digests[first]
    return PreparedSet(replace(prepared.manifest, digest=digests), images)


@pytest.mark.parametrize("label", [(2, 0, "gallery"), (-1, 3, "gallery")])
def test_a_copy_of_a_query_that_the_protocol_removes_is_no_leak(label: Label):
    """With the same identity and camera, or as junk, it is in no ranking of that query."""
    _copied([*LABELS, label]).check()


@pytest.mark.parametrize(
    ("label", "split"),
    [((2, 1, "gallery"), "gallery"), ((3, 0, "gallery"), "gallery"), ((0, 0, "train"), "train")],
)
def test_other_copies_of_a_query_are_refused(label: Label, split: str):
    """A copy from another camera would be a hit, one of another identity a miss, by no merit."""
    assert _refusal(_copied([*LABELS, label])) == (
        "No image may be in two splits. Found the same image as `4.png` in query and `9.png` in "
        f"{split}."
    )


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (
            np.zeros((9, 4, 4, 2), dtype=np.uint8),
            (
                "Packed images must be uint8 of shape (N, H, W, 1 or 3). "
                "Found uint8 of shape (9, 4, 4, 2). Prepare the data set again."
            ),
        ),
        (
            np.zeros((9, 4, 4, 3), dtype=np.float32),
            (
                "Packed images must be uint8 of shape (N, H, W, 1 or 3). "
                "Found float32 of shape (9, 4, 4, 3). Prepare the data set again."
            ),
        ),
        (
            np.zeros((6, 4, 4, 3), dtype=np.uint8),
            (
                "A prepared set must hold one image per row of its manifest. "
                "Found 6 images, 9 rows. Prepare the data set again."
            ),
        ),
    ],
)
def test_wrong_packing_is_refused(images: np.ndarray, sentence: str):
    """Images are uint8, one per row."""
    with pytest.raises(DataError) as raised:
        check_packing(make_set().manifest, images)
    assert str(raised.value) == sentence


def test_counts_leave_junk_out_of_the_identities():
    """The gallery's junk counts as an image, not as an identity."""
    assert count_splits(make_set().manifest)["gallery"] == SplitCount(identities=1, images=2)


def test_wrong_counts_are_refused():
    """Each split has the published size."""
    manifest = make_set().manifest
    expected = count_splits(manifest) | {"train": SplitCount(139, 2780)}
    with pytest.raises(DataError) as raised:
        check_counts(manifest, expected)
    assert str(raised.value) == (
        "Split `train` must have 139 identities and 2780 images. Found 2 and 4."
    )
