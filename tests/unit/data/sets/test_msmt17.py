import logging
import shutil
from pathlib import Path

import pytest
from miniatures import truncate, write_msmt17

from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import Manifest
from sfsc.data.sets.msmt17 import Settings, build, expected_counts
from sfsc.errors import DataError

SETTINGS = Settings(
    image_height=32, image_width=16, counts="any", version="V2", merge_validation=False
)


@pytest.fixture
def raw_dir(tmp_path: Path) -> Path:
    """Return the raw folder of a miniature of V2."""
    return write_msmt17(tmp_path / "msmt17", "V2")


def _build(raw_dir: Path, **changes: object) -> Manifest:
    settings = SETTINGS.model_copy(update=changes)
    packed = raw_dir.parent / "images.npy"
    prepared = build(settings, raw_dir, validation_fraction=0.2, packed=packed)
    prepared.check()
    return prepared.manifest


def _refusal(raw_dir: Path, **changes: object) -> str:
    with pytest.raises(DataError) as raised:
        _build(raw_dir, **changes)
    return str(raised.value)


def test_identities_of_the_test_follow_those_of_training(raw_dir: Path):
    """Both lists count from 0; the camera is the third field of the name."""
    manifest = _build(raw_dir)
    train = [*manifest.identities("train"), *manifest.identities("validation")]
    assert sorted(train) == [0, 1, 2, 3]
    assert manifest.identities("query").tolist() == [1041, 1042]
    assert manifest.identities("gallery").tolist() == [1041, 1042]
    assert manifest.camera[manifest.rows("gallery")].tolist() == [3, 14, 3, 14]
    row = manifest.path.tolist().index("mask_train_v2/0002/0002_015_15_0303morning_0015_0.jpg")
    assert (manifest.identity[row], manifest.camera[row]) == (2, 15)


@pytest.mark.parametrize(
    ("merged", "images", "words"),
    [(True, 12, "MERGED: the 4 images of list_val.txt are trained on"),
     (False, 8, "NOT MERGED: the 4 images of list_val.txt are left out")],
)  # fmt: skip
def test_validation_is_merged_or_not_and_the_log_says_so(
    merged: bool, images: int, words: str, raw_dir: Path, caplog: pytest.LogCaptureFixture
):
    """Its images are of training identities: trained on or left out, never a split."""
    manifest = _build(raw_dir, merge_validation=merged)
    assert len(manifest.rows("train")) + len(manifest.rows("validation")) == images
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings[0] == (
        f"MSMT17 V2, validation {words}. Compare only with results of the same choice"
    )


def test_version_1_has_other_folders(tmp_path: Path):
    """Its miniature is read as such."""
    manifest = _build(write_msmt17(tmp_path / "msmt17", "V1"), version="V1")
    assert {path.split("/")[0] for path in manifest.path} == {"train", "test"}


def test_folders_of_the_other_version_are_recognised(raw_dir: Path):
    """The sentence says which version is there."""
    assert _refusal(raw_dir, version="V1") == (
        f"{raw_dir} must hold train, test, list_train.txt, list_val.txt, list_query.txt and "
        "list_gallery.txt of MSMT17. Found no train and test. Found `mask_train_v2`: this is V2, "
        "set `version: V2`. Get the set from its authors on request "
        "(http://www.pkuvmc.com/dataset.html), and copy or link the content of its folder there."
    )


def test_lists_of_v1_on_folders_of_v2_are_refused(raw_dir: Path, tmp_path: Path):
    """The files have other names."""
    for path in write_msmt17(tmp_path / "other", "V1").glob("list_*.txt"):
        shutil.copy(path, raw_dir)
    assert _refusal(raw_dir) == (
        f"{raw_dir}/mask_train_v2 must hold every image of list_train.txt. Found 8 of 8 missing, "
        "such as `mask_train_v2/0000/0000_001_01_0303morning_0008_0.jpg`. Likely cause: "
        "lists of the other version (V1 lists on V2 folders) or a mirror with missing images. Get "
        "folders and lists of one version from its authors on request "
        "(http://www.pkuvmc.com/dataset.html)."
    )


def test_a_missing_image_is_named(raw_dir: Path):
    """A mirror that lacks one of the gallery's images."""
    (raw_dir / "mask_test_v2/0001/0001_014_14_0303morning_0015_2_ex.jpg").unlink()
    assert "Found 1 of 4 missing, such as `mask_test_v2/0001/0001_014_14_" in _refusal(raw_dir)


@pytest.mark.parametrize(
    "line",
    [
        "0000/0000_001_16_0303morning_0015_0.jpg 0",  # no such camera
        "0000/0000_001_01_0303morning_0015_0.jpg 1",  # another identity
        "0000/0000_001_01_0303morning_0015_0.jpg",
        "../0000_001_01_0303morning_0015_0.jpg 0",
        "0000/0000_001_01_0303morning_0015_0.jpg \u0660",
        "0000/0000_001_01_0303morning_0015_0.jpg 0_0",
        "0000/0000_001_01_0303morning_0015_0.jpg " + 5000 * "0",
    ],
)
def test_a_line_that_is_no_path_and_identity_is_refused(raw_dir: Path, line: str):
    """List and line are named."""
    with (raw_dir / "list_query.txt").open("a") as file:
        file.write(f"{line}\n")
    assert _refusal(raw_dir) == (
        f"{raw_dir}/list_query.txt, line 3, must be a path and its identity, such as "
        f"`0000/0000_000_01_0303morning_0008_0.jpg 0`. Found `{line}`."
    )


@pytest.mark.parametrize(
    ("merged", "expected"),
    [
        (True, "Training with validation of MSMT17 must have 1,041 identities and 32,621 images. "),
        (False, "Training of MSMT17 must have 1,041 identities and 30,248 images. "),
    ],
)
def test_the_published_counts_are_checked(raw_dir: Path, merged: bool, expected: str):
    """The training images of the published tables depend on the choice."""
    sentence = _refusal(raw_dir, counts="published", merge_validation=merged)
    assert sentence.startswith(expected)
    whole = SETTINGS.model_copy(update={"counts": "published"})
    assert expected_counts(whole, validation_fraction=0.2) == {
        "query": SplitCount(3060, 11_659), "gallery": SplitCount(3060, 82_161)
    }  # fmt: skip


def test_a_truncated_image_is_named(raw_dir: Path):
    """By its path below the raw folder."""
    name = "mask_test_v2/0001/0001_003_03_0303morning_0015_1.jpg"
    truncate(raw_dir / name)
    assert f"Found 1 of 14 in {raw_dir} that are not: `{name}` (Premature" in _refusal(raw_dir)
