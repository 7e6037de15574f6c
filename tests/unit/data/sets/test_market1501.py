import logging
from pathlib import Path

import pytest
from miniatures import draw_jpeg, truncate, write_market1501

from sfsc.data.integrity import SplitCount
from sfsc.data.official import Official
from sfsc.data.prepare import prepare
from sfsc.data.prepared import FILES, PreparedSet
from sfsc.data.sets import market1501
from sfsc.data.sets.market1501 import Settings, build, expected_counts
from sfsc.errors import DataError
from sfsc.settings.jobs import PrepareJob

SETTINGS = Settings(image_height=32, image_width=16, counts="any")
WHOLE = SETTINGS.model_copy(update={"counts": "published"})
SOURCE = "https://zheng-lab-anu.github.io/Project/project_reid.html"


@pytest.fixture
def raw_dir(tmp_path: Path) -> Path:
    """Return the raw folder of a miniature."""
    return write_market1501(tmp_path / "raw" / "market1501")


def _build(raw_dir: Path, settings: Settings = SETTINGS) -> PreparedSet:
    return build(
        settings, raw_dir, validation_fraction=0.3, packed=raw_dir.parent / "images.npy", threads=2
    )


def _refusal(raw_dir: Path, settings: Settings = SETTINGS) -> str:
    with pytest.raises(DataError) as raised:
        _build(raw_dir, settings)
    return str(raised.value)


def test_the_names_say_identity_and_camera(raw_dir: Path):
    """Numbers are the official ones; junk is -1, distractors are identity 0, both in the gallery.

    What is no image is not in the set.
    """
    prepared = _build(raw_dir)
    manifest = prepared.manifest
    train = [*manifest.identities("train"), *manifest.identities("validation")]
    assert sorted(train) == [2, 7, 10, 11, 12]
    assert manifest.identities("query").tolist() == [1, 3, 1501]
    assert manifest.identities("gallery").tolist() == [0, 1, 3, 1501]
    gallery = manifest.identity[manifest.rows("gallery")].tolist()
    assert (gallery.count(-1), gallery.count(0), len(gallery)) == (2, 3, 17)
    row = manifest.path.tolist().index("bounding_box_test/-1_c4s1_000401_03.jpg")
    assert (manifest.camera[row], manifest.split[row]) == (4, "gallery")
    assert prepared.images.shape == (len(manifest), 32, 16, 3)
    prepared.check()


def test_an_identity_of_one_camera_is_not_held_out(raw_dir: Path):
    """It would have no positive in the validation; the others are candidates."""
    held_out = set()
    for fraction in (0.1, 0.3, 0.49):
        packed = raw_dir.parent / "images.npy"
        manifest = build(SETTINGS, raw_dir, validation_fraction=fraction, packed=packed).manifest
        held_out |= set(manifest.identities("validation").tolist())
    assert held_out
    assert 12 not in held_out


def test_the_miniature_is_prepared_like_a_set(raw_dir: Path, tmp_path: Path):
    """Through the stage: packed, checked, counted and published."""
    job = PrepareJob(validation_fraction=0.3, settings=SETTINGS)
    prepare(job, raw_dir.parent, tmp_path / "prepared", threads=2)
    assert {path.name for path in (tmp_path / "prepared").iterdir()} == set(FILES)
    PreparedSet.open(tmp_path / "prepared").check()
    assert '"counts": "any"' in (tmp_path / "prepared" / "summary.json").read_text()


def test_the_published_counts_are_checked_unless_the_settings_say_so(raw_dir: Path):
    """They are by default; the sentence names both sizes, the likely cause and the mend."""
    assert Settings(image_height=32, image_width=16) == WHOLE
    assert _refusal(raw_dir, WHOLE) == (
        "bounding_box_train of Market-1501 v15.09.15 must have 751 identities and 12,936 images. "
        "Found 5 and 18. Likely cause: a mirror with missing images or a copy that was "
        f"interrupted. Get the whole set from {SOURCE}."
    )


def test_unchecked_counts_are_logged(raw_dir: Path, caplog: pytest.LogCaptureFixture):
    """Each part whose size is not checked is a warning."""
    _build(raw_dir)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings[2] == (
        "NOT CHECKED against the published counts because of `counts: any`: bounding_box_test of "
        "Market-1501 v15.09.15 has 4 identities and 17 images"
    )
    assert len(warnings) == 3


def test_a_whole_set_passes_and_one_without_junk_is_recognised(
    raw_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    """With the miniature's own table: the set as it is, and then without its junk."""
    table = {
        "bounding_box_train": SplitCount(5, 18),
        "query": SplitCount(3, 3),
        "bounding_box_test": SplitCount(4, 17),
    }
    monkeypatch.setattr(market1501, "PUBLISHED", table)
    monkeypatch.setattr(market1501, "CAUSES", {15: market1501.CAUSES[15_913]})
    assert len(_build(raw_dir, WHOLE).manifest) == 38
    for path in (raw_dir / "bounding_box_test").glob("-1_*"):
        path.unlink()
    assert _refusal(raw_dir, WHOLE) == (
        "bounding_box_test of Market-1501 v15.09.15 must have 4 identities and 17 images. Found 4 "
        "and 15. Likely cause: a mirror without the junk images (identity -1). Get the whole set "
        f"from {SOURCE}."
    )


def test_the_published_splits_are_those_of_the_field():
    """Query and gallery, junk counted; nothing of a miniature."""
    counts = expected_counts(WHOLE, validation_fraction=0.3)
    assert counts == {"query": SplitCount(750, 3368), "gallery": SplitCount(751, 19_732)}
    assert expected_counts(SETTINGS, validation_fraction=0.3) == {}


def test_too_many_images_are_files_of_another_set():
    """The cause depends on the direction."""
    official = Official("Tiny", "its authors")
    with pytest.raises(DataError) as raised:
        official.check_counts("part", [], SplitCount(1, -1), counts="published")
    assert "Likely cause: files of another set or version in the same folder." in str(raised.value)


def test_a_missing_folder_says_where_the_set_is_had(tmp_path: Path):
    """And where it goes."""
    assert _refusal(tmp_path / "market1501") == (
        f"{tmp_path}/market1501 must hold bounding_box_train, query and bounding_box_test of "
        "Market-1501 v15.09.15. Found no bounding_box_train, query and bounding_box_test. Get the "
        f"set from {SOURCE}, and copy or link the content of its folder there."
    )


def test_a_truncated_image_is_named(raw_dir: Path):
    """So is a file that is no JPEG; both in one sentence, after all have been tried."""
    truncate(raw_dir / "query" / "0003_c1s1_001051_00.jpg")
    (raw_dir / "query" / "1501_c1s1_001051_00.jpg").write_bytes(draw_jpeg("a", "PNG"))
    assert _refusal(raw_dir) == (
        f"All images must be readable JPEG files. Found 2 of 38 in {raw_dir} that are not: "
        "`query/0003_c1s1_001051_00.jpg` (Premature end of JPEG file), "
        "`query/1501_c1s1_001051_00.jpg` (another format). The log names all. "
        "Replace them and run again; the others stay packed."
    )


@pytest.mark.parametrize(
    "name", ["0001_c7s1_001051_00.jpg", "\u0660\u0660\u0660\u0661_c1s1_001051_00.jpg"]
)
def test_an_image_with_another_name_is_refused(raw_dir: Path, name: str):
    """An image that says nothing of what it shows is not skipped; digits are those of ASCII."""
    (raw_dir / "query" / name).write_bytes(draw_jpeg("a"))
    assert _refusal(raw_dir) == (
        f"Images of {raw_dir}/query must be named like `0002_c1s1_000451_03.jpg`. Found "
        f"`{name}`. Move files of other sets away."
    )


def test_junk_among_training_images_is_refused(raw_dir: Path):
    """Only the gallery has junk and distractors."""
    (raw_dir / "bounding_box_train" / "0000_c1s1_000151_01.jpg").write_bytes(draw_jpeg("a"))
    assert _refusal(raw_dir) == (
        "Only the gallery may have junk (-1) and distractors (0000). Found "
        "`bounding_box_train/0000_c1s1_000151_01.jpg` in bounding_box_train. Likely cause: folders "
        "were mixed up."
    )
