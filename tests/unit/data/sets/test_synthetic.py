import hashlib
from pathlib import Path

import numpy as np
import pytest

from sfsc.data.integrity import check_counts
from sfsc.data.sets.synthetic import Settings as Synthetic
from sfsc.data.sets.synthetic import build, choose_cameras, expected_counts, render_identity

NO_RAW = Path()


def _digest(images: np.ndarray) -> str:
    return hashlib.sha256(images.tobytes()).hexdigest()


def test_the_set_is_the_same_on_every_machine(settings: Synthetic):
    """The pixels have had this digest since the generator was frozen; all arithmetic is integer."""
    assert _digest(build(settings, NO_RAW, validation_fraction=0.2).images) == (
        "e27b7b76648836e3d6295b492f5033066d7ece6c24857c831caf22e25b6f418d"
    )


def test_two_processes_render_the_same_set_as_one(settings: Synthetic):
    """The number of processes changes nothing, bit for bit."""
    one = build(settings, NO_RAW, validation_fraction=0.2, threads=1)
    two = build(settings, NO_RAW, validation_fraction=0.2, threads=2)
    assert (one.images == two.images).all()
    assert (one.manifest.path == two.manifest.path).all()


def test_every_check_passes_and_the_counts_are_the_published_ones(settings: Synthetic):
    """The set keeps the contracts that every set keeps."""
    prepared = build(settings, NO_RAW, validation_fraction=0.2)
    prepared.check()
    check_counts(prepared.manifest, expected_counts(settings, validation_fraction=0.2))


def test_another_seed_gives_other_pictures(settings: Synthetic):
    """The seed reaches vehicles, cameras and pictures."""
    other = settings.model_copy(update={"seed": 4})
    assert (render_identity(settings, 0) != render_identity(other, 0)).any(axis=(1, 2, 3)).all()


def test_an_identity_does_not_depend_on_the_size_of_the_set(settings: Synthetic):
    """More identities leave the others as they are."""
    larger = settings.model_copy(update={"train_identities": 50})
    assert (render_identity(settings, 5) == render_identity(larger, 5)).all()


def test_no_two_pictures_are_alike(settings: Synthetic):
    """Each picture has its own viewpoint, framing and noise."""
    images = build(settings, NO_RAW, validation_fraction=0.2).images
    assert len({image.tobytes() for image in images}) == len(images) == 72


def test_each_test_identity_has_one_query_in_each_of_its_cameras(settings: Synthetic):
    """The first picture of a test identity in a camera is a query, the others are gallery."""
    manifest = build(settings, NO_RAW, validation_fraction=0.2).manifest
    rows = manifest.rows("query")
    for identity in manifest.identities("query").tolist():
        cameras = manifest.camera[rows[manifest.identity[rows] == identity]]
        assert cameras.tolist() == choose_cameras(settings, identity)


@pytest.mark.parametrize("cameras_per_identity", [2, 6])
def test_an_identity_is_seen_by_distinct_cameras(settings: Synthetic, cameras_per_identity: int):
    """As many cameras as the settings say see an identity."""
    changed = settings.model_copy(update={"cameras_per_identity": cameras_per_identity})
    for identity in range(20):
        cameras = choose_cameras(changed, identity)
        assert len(set(cameras)) == cameras_per_identity
        assert set(cameras) <= set(range(6))
