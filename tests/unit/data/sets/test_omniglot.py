import os
from pathlib import Path

import numpy as np
import pytest
from prepared_sets import draw_alphabet, draw_png, write_archive

from sfsc.data.prepare import prepare
from sfsc.data.prepared import PreparedSet, file_digest
from sfsc.data.sets import omniglot
from sfsc.data.sets.omniglot import ARCHIVES, build, expected_counts, fetch
from sfsc.data.sets.omniglot import Settings as Omniglot
from sfsc.errors import DataError
from sfsc.settings.jobs import PrepareJob

SETTINGS = Omniglot(image_size=32, query_drawers=3)


def _build(raw_dir: Path) -> PreparedSet:
    return build(SETTINGS, raw_dir / "omniglot", validation_fraction=0.2)


def _spoil(raw_dir: Path, members: dict[str, bytes]) -> Path:
    """Replace archive `two`, its published digest included."""
    path = write_archive(raw_dir / "omniglot" / "two.zip", members)
    omniglot.ARCHIVES["two"] = file_digest(path)
    return path


def _refusal(raw_dir: Path) -> str:
    with pytest.raises(DataError) as raised:
        _build(raw_dir)
    return str(raised.value)


def test_characters_are_identities_and_drawers_cameras(raw_dir: Path):
    """Training alphabets come first, shared drawings once, drawers count from 0."""
    manifest = _build(raw_dir).manifest
    assert manifest.path[[0, 4, 12, 20]].tolist() == [
        "Greek/character01/01",
        "Greek/character02/01",
        "Latin/character01/01",
        "Korean/character01/01",
    ]
    assert manifest.identity.tolist() == np.repeat(np.arange(8), 4).tolist()
    assert manifest.camera.tolist() == [0, 1, 2, 3] * 8


def test_the_split_is_by_alphabet_and_drawer(raw_dir: Path):
    """Test characters are of other alphabets; their first drawers are the queries."""
    manifest = _build(raw_dir).manifest
    assert {path.split("/")[0] for path in manifest.path[manifest.rows("query")]} == {"Korean"}
    assert manifest.camera[manifest.rows("query")].tolist() == [0, 1, 2] * 3
    assert manifest.camera[manifest.rows("gallery")].tolist() == [3] * 3
    assert len(manifest.identities("validation")) == 1
    assert len(manifest.identities("train")) == 4


def test_strokes_are_bright_and_pixels_the_mean_of_their_area():
    """Black ink becomes 255; shrinking keeps the mean brightness."""
    drawing = omniglot.Drawing("Greek", "character01", 0)
    image = omniglot._decode(drawing, draw_png(0), 21)
    full = omniglot._decode(drawing, draw_png(0), 105)
    means = full.reshape(21, 5, 21, 5).mean(axis=(1, 3))
    assert set(np.unique(full)) == {0, 255}
    assert np.abs(image[:, :, 0] - means).max() <= 1


def test_an_unreadable_image_is_refused(raw_dir: Path):
    """A damaged PNG file is named by alphabet, character and drawer."""
    _spoil(raw_dir, {"two/Latin/character01/0001_01.png": b"no picture"})
    assert _refusal(raw_dir).startswith(
        "Image `Latin/character01/01` must be a readable PNG file. Found: cannot identify image"
    )
    assert _refusal(raw_dir).endswith(". Fetch the archives again.")


def test_a_truncated_image_is_refused(raw_dir: Path):
    """A PNG file that ends early is refused, not filled up."""
    _spoil(raw_dir, {"two/Latin/character01/0001_01.png": draw_png(0)[:200]})
    assert _refusal(raw_dir).startswith(
        "Image `Latin/character01/01` must be a readable PNG file. Found: "
    )


def test_an_image_of_another_size_is_refused(raw_dir: Path):
    """All drawings are 105 x 105."""
    _spoil(raw_dir, {"two/Latin/character01/0001_01.png": draw_png(0, side=100)})
    assert _refusal(raw_dir) == (
        "Image `Latin/character01/01` must have 105 x 105 pixels. Found 100 x 100."
    )


@pytest.mark.parametrize(
    "name", ["two/Klingon/character01/0001_01.png", "two/Latin/character01/notes.txt"]
)
def test_a_file_that_is_no_drawing_of_the_split_is_refused(raw_dir: Path, name: str):
    """An alphabet that no split has is a mistake, not something to skip."""
    path = _spoil(raw_dir, {name: draw_png(0)})
    assert _refusal(raw_dir) == (
        f"{path} must hold drawings of Greek, Japanese_(katakana), Latin, Sanskrit, Balinese, "
        f"Early_Aramaic, Korean, Tagalog only. Found `{name}`."
    )


def test_a_drawing_that_differs_between_archives_is_refused(raw_dir: Path):
    """The alphabets that both archives hold are the same in both."""
    path = _spoil(raw_dir, {"two/Greek/character01/0001_01.png": draw_png(0)})
    assert _refusal(raw_dir) == (
        f"Drawing `Greek/character01/01` must be the same in all archives. Found another in {path}."
    )


def test_preparing_checks_the_published_counts_and_leaves_nothing(raw_dir: Path, tmp_path: Path):
    """A set with a drawing too few is refused and nothing is written."""
    latin = draw_alphabet("Latin", 2)
    del latin["Latin/character01/0001_04.png"]
    _spoil(raw_dir, {f"two/{path}": content for path, content in latin.items()})
    job = PrepareJob(validation_fraction=0.2, settings=SETTINGS)
    with pytest.raises(DataError) as raised:
        prepare(job, raw_dir, tmp_path / "prepared" / "omniglot")
    assert str(raised.value) == (
        "Split `train` must have 4 identities and 16 images. Found 4 and 15."
    )
    assert list((tmp_path / "prepared").iterdir()) == []


@pytest.mark.parametrize("spoilt", ["missing", "truncated", "altered", "escaping"])
def test_preparing_from_a_spoilt_archive_leaves_nothing(raw_dir: Path, tmp_path: Path, spoilt: str):
    """Whatever is wrong with an archive, it is named and no file is left behind."""
    path = raw_dir / "omniglot" / "two.zip"
    content = path.read_bytes()
    if spoilt == "missing":
        path.unlink()
    elif spoilt == "truncated":
        path.write_bytes(content[:-30])
    elif spoilt == "altered":
        path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    else:
        write_archive(path, {"../two/Latin/character01/0001_01.png": draw_png(0)})
    words = {
        "missing": "Found no such file",
        "truncated": "Found a truncated file",
        "altered": "it was altered",
        "escaping": "must hold paths within its own folder only",
    }
    job = PrepareJob(validation_fraction=0.2, settings=SETTINGS)
    with pytest.raises(DataError, match=words[spoilt]) as raised:
        prepare(job, raw_dir, tmp_path / "prepared" / "omniglot")
    assert str(raised.value).startswith(str(path))
    assert list((tmp_path / "prepared").iterdir()) == []


def test_fetching_copies_from_the_mirror(raw_dir: Path, tmp_path: Path):
    """A mirror holds `omniglot/<archive>.zip`."""
    fetch("one.zip", tmp_path / "new" / "one.zip", raw_dir)
    assert file_digest(tmp_path / "new" / "one.zip") == omniglot.ARCHIVES["one"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["one.zip"]


def test_fetching_downloads_without_a_mirror(
    raw_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The address is that of the official repository followed by the archive's name."""
    monkeypatch.setattr(omniglot, "REPOSITORY", (raw_dir / "omniglot").as_uri())
    fetch("one.zip", tmp_path / "one.zip", None)
    assert file_digest(tmp_path / "one.zip") == omniglot.ARCHIVES["one"]


def test_fetching_an_altered_archive_writes_nothing(raw_dir: Path, tmp_path: Path):
    """What does not have the published digest never arrives."""
    source = raw_dir / "omniglot" / "one.zip"
    source.write_bytes(source.read_bytes() + b"!")
    with pytest.raises(DataError) as raised:
        fetch("one.zip", tmp_path / "new" / "one.zip", raw_dir)
    assert str(raised.value) == (
        f"{source} must be the published archive (SHA-256 {omniglot.ARCHIVES['one']}). "
        f"Found SHA-256 {file_digest(source)}: it was altered. Delete it and fetch it again."
    )
    assert list((tmp_path / "new").iterdir()) == []


def test_fetching_from_a_mirror_without_the_archive_is_refused(raw_dir: Path, tmp_path: Path):
    """The missing file of the mirror is named."""
    source = raw_dir / "omniglot" / "one.zip"
    source.unlink()
    with pytest.raises(DataError) as raised:
        fetch("one.zip", tmp_path / "one.zip", raw_dir)
    assert str(raised.value) == (
        f"{source} must be a readable file of the mirror. Found: No such file or directory."
    )


def test_an_unreachable_server_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without network the mend is named."""
    address = (tmp_path / "nowhere").as_uri()
    monkeypatch.setattr(omniglot, "REPOSITORY", address)
    with pytest.raises(DataError) as raised:
        fetch("images_background_small1.zip", tmp_path / "new" / "one.zip", None)
    assert str(raised.value).startswith(
        f"{address}/images_background_small1.zip must be reachable to fetch Omniglot. Found: "
    )
    assert str(raised.value).endswith("Try again, or set SFSC_MIRROR to a folder that holds it.")
    assert list((tmp_path / "new").iterdir()) == []


def test_an_unknown_archive_is_refused(tmp_path: Path):
    """Only the archives with a known digest can be fetched."""
    with pytest.raises(DataError) as raised:
        fetch("images_evaluation.zip", tmp_path / "a.zip", None)
    assert str(raised.value) == (
        "An archive of Omniglot must be one of images_background_small1.zip, "
        "images_background_small2.zip. Found `images_evaluation.zip`."
    )


@pytest.mark.mirror
@pytest.mark.skipif("SFSC_MIRROR" not in os.environ, reason="SFSC_MIRROR is not set")
def test_the_real_archives_give_the_published_set(tmp_path: Path):
    """139 characters to train on, 103 to test on, 20 drawers each, and every check passes."""
    for name in ARCHIVES:
        fetch(f"{name}.zip", tmp_path / "omniglot" / f"{name}.zip", Path(os.environ["SFSC_MIRROR"]))
    settings = Omniglot(image_size=32, query_drawers=10)
    job = PrepareJob(validation_fraction=0.15, settings=settings)
    prepare(job, tmp_path, tmp_path / "prepared")
    prepared = PreparedSet.open(tmp_path / "prepared")
    counts = expected_counts(settings, validation_fraction=0.15)
    assert counts["train"].identities + counts["validation"].identities == 139
    assert counts["query"].identities == 103
    assert prepared.images.shape == (242 * 20, 32, 32, 1)
