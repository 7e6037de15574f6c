from pathlib import Path

import pytest
from miniatures import CUSTOM, truncate, write_custom

from sfsc.data.prepared import PreparedSet
from sfsc.data.sets.custom import Settings, build, expected_counts
from sfsc.errors import DataError

SETTINGS = Settings(image_height=16, image_width=24)


@pytest.fixture
def raw_dir(tmp_path: Path) -> Path:
    """Return the raw folder of a small set."""
    return write_custom(tmp_path / "custom")


def _build(raw_dir: Path) -> PreparedSet:
    return build(SETTINGS, raw_dir, validation_fraction=0.2, packed=raw_dir / "images.npy")


def _refusal(raw_dir: Path) -> str:
    with pytest.raises(DataError) as raised:
        _build(raw_dir)
    return str(raised.value)


def test_the_table_says_what_an_image_shows(raw_dir: Path):
    """Columns in any order and others among them; PNG as well as JPEG; -1 is junk."""
    prepared = _build(raw_dir)
    manifest = prepared.manifest
    assert manifest.path[[1, 6]].tolist() == ["photos/a1.png", "photos/junk.jpg"]
    assert manifest.identity.tolist() == [0, 0, 1, 1, 7, 7, -1]
    assert manifest.camera.tolist() == [0, 1, 0, 1, 0, 1, 1]
    assert sorted(manifest.split) == (
        ["gallery", "gallery", "query", "train", "train", "validation", "validation"]
    )
    assert prepared.images.shape == (7, 16, 24, 3)
    prepared.check()
    assert expected_counts(SETTINGS, validation_fraction=0.2) == {}


def test_a_validation_split_of_the_table_is_kept(raw_dir: Path):
    """Nothing else is held out then; Excel's byte order mark is no part of the header."""
    text = CUSTOM.replace(",train,0,1,", ",validation,0,1,").replace(
        ",train,1,1,", ",validation,1,1,"
    )
    (raw_dir / "images.csv").write_text(text, encoding="utf-8-sig")
    manifest = _build(raw_dir).manifest
    assert manifest.identities("validation").tolist() == [1]
    assert manifest.identities("train").tolist() == [0]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (",identity,", ",id,", " must have the columns path, identity, camera, split in its first "
         "line. Found note, split, camera, id, path."),
        (",train,0,0,", ",train,0,bob,", ", line 2: `identity` must be an integer >= -1. Found "
         "`bob`."),
        (",train,0,0,", ",train,-1,0,", ", line 2: `camera` must be an integer >= 0. Found `-1`."),
        (",train,1,0,", ",test,1,0,", ", line 3: `split` must be one of train, validation, query, "
         "gallery. Found `test`."),
        ("photos/b0.jpg", "", ", line 4: `path` must name an image file. Found nothing."),
    ],
)  # fmt: skip
def test_a_mistake_in_the_table_is_named(raw_dir: Path, old: str, new: str, sentence: str):
    """By line and column."""
    (raw_dir / "images.csv").write_text(CUSTOM.replace(old, new, 1))
    assert _refusal(raw_dir) == f"{raw_dir}/images.csv{sentence}"


def test_a_missing_table_is_a_sentence(tmp_path: Path):
    """It names the file."""
    assert _refusal(tmp_path) == (
        f"{tmp_path}/images.csv must be a readable CSV file in UTF-8. Found: [Errno 2] No such "
        f"file or directory: '{tmp_path}/images.csv'."
    )


def test_an_image_that_is_listed_twice_is_refused(raw_dir: Path):
    """It would count twice."""
    (raw_dir / "images.csv").write_text(CUSTOM.replace("b1.jpg", "b0.jpg"))
    assert _refusal(raw_dir) == ("Each image must be listed once. Found `photos/b0.jpg` twice.")


def test_damaged_images_are_named_together(raw_dir: Path):
    """A missing one and a truncated one."""
    (raw_dir / "photos/a0.jpg").unlink()
    truncate(raw_dir / "photos/c1.jpg")
    sentence = _refusal(raw_dir)
    assert sentence.startswith(
        "All images must be readable JPEG or PNG or WEBP or BMP files. Found 2 of 7 in "
        f"{raw_dir} that are not: `photos/a0.jpg` (no such file), `photos/c1.jpg` (image file is "
    )
    assert sentence.endswith(". Copy them again.")
