"""Folders of photographs: what they say, and what is wrong with them."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from sfsc.data.folders import Photo, choose_image_size, list_photos, list_rows
from sfsc.data.integrity import find_gaps
from sfsc.data.manifest import Manifest
from sfsc.data.official import hold_out_validation
from sfsc.errors import DataError

EIGHT = [f"{identity}/{number}.jpg" for identity in "abcdefgh" for number in "12"]
SEEN = [f"{identity}/{camera}/1.jpg" for identity in "abcdefgh" for camera in ("phone", "studio")]


def write(folder: Path, names: Sequence[str]) -> Path:
    """Make empty files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("names", [EIGHT, SEEN])
def test_folders_are_identities_and_cameras(names: list[str], tmp_path: Path):
    """Files of other kinds and hidden ones are skipped; the order is that of the names."""
    others = ["a/Thumbs.db", "a/._1.jpg", ".git/x/1.jpg", "a/notes.txt"]
    photos, mistakes = list_photos(write(tmp_path, [*reversed(names), *others]))
    assert mistakes == []
    assert [str(photo.file) for photo in photos] == names
    assert {photo.identity for photo in photos} == set("abcdefgh")
    assert {photo.camera for photo in photos} == ({"phone", "studio"} if names == SEEN else {None})


def test_a_link_to_a_folder_is_followed(tmp_path: Path):
    """Once: a link to a folder above ends."""
    write(tmp_path / "elsewhere", ["1.jpg", "2.jpg"])
    write(tmp_path / "photos", EIGHT)
    (tmp_path / "photos/i").symlink_to(tmp_path / "elsewhere")
    photos, mistakes = list_photos(tmp_path / "photos")
    assert (len(photos), mistakes) == (18, [])
    (tmp_path / "photos/a/loop").symlink_to(tmp_path / "photos")
    _, mistakes = list_photos(tmp_path / "photos")
    assert mistakes[0].startswith("Every image must be in the folder of its identity")


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The sentence has the system's reason."""

    def fail(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(DataError, match=r"its folders must be readable\. Found: .*denied: '/"):
        list_photos(tmp_path)


@pytest.mark.parametrize(
    ("added", "removed", "sentence"),
    [
        (
            ["x.jpg", "a/b/c/1.jpg"],
            [],
            (
                "Every image must be in the folder of its identity, or of a camera in it. Found "
                "`a/b/c/1.jpg`, `x.jpg`."
            ),
        ),
        (
            [],
            ["g/", "h/"],
            "There must be at least 8 folders, one for each identity. Found 6.",
        ),
        (
            ["i/note.txt"],
            ["a/1"],
            "Every identity must have at least 2 images. Found 1 of `a`, 0 of `i`.",
        ),
        (
            ["a/phone/3.jpg"],
            [],
            (
                "Images must be in folders of cameras for every identity, or for none. Found "
                "`a/phone/3.jpg` and `a/1.jpg`."
            ),
        ),
        (
            ["a/\udcff.jpg"],
            [],
            r"Names of files must be UTF-8. Found 'a/\udcff.jpg'.",
        ),
    ],
)
def test_a_mistake_in_the_layout_is_a_sentence(
    added: list[str], removed: list[str], sentence: str, tmp_path: Path
):
    """It names the first examples."""
    kept = [name for name in EIGHT if not name.startswith(tuple(removed))]
    assert list_photos(write(tmp_path, [*kept, *added]))[1] == [sentence]


def test_an_identity_of_one_camera_is_a_mistake(tmp_path: Path):
    """Its images would have no answer from another camera."""
    kept = [name for name in SEEN if name != "b/phone/1.jpg"]
    (sentence,) = list_photos(write(tmp_path, kept))[1]
    assert sentence == (
        "Every identity must have images of at least 2 cameras. Found 1 of `b`. Without folders of "
        "cameras, 2 images are enough."
    )


@pytest.mark.parametrize("cameras", [None, ["phone", "studio"], ["a", "b", "c"]])
@pytest.mark.parametrize("identities", [8, 9, 30])
@pytest.mark.parametrize("images", [2, 3, 7])
def test_every_split_has_what_it_needs(cameras: list[str] | None, identities: int, images: int):
    """However few images there are, the set's own checks find no gap."""
    photos = [
        Photo(Path(f"{identity}/{camera}/{number}.jpg"), f"{identity:02d}", camera)
        for identity in range(identities)
        for camera in cameras or [None]
        for number in range(images)
    ]
    rows = list_rows(photos)
    assert [row.path for row in rows] == [str(photo.file) for photo in photos]
    assert find_gaps(Manifest.from_rows(hold_out_validation(rows, 0.3))) == []


def test_the_size_is_that_of_most_images(tmp_path: Path):
    """Turned by their tag, at most a given area, at most three times as long as wide."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(3):
        Image.new("RGB", (400, 200)).save(tmp_path / f"{number}.jpg", exif=exif)
    Image.new("RGB", (10, 10)).save(tmp_path / "3.jpg")
    (tmp_path / "4.jpg").write_text("no image")
    files = sorted(tmp_path.iterdir())
    assert choose_image_size(files, side=64) == (88, 48)
    assert choose_image_size(files[3:], side=64) == (16, 16)
    assert choose_image_size([], side=64) == (64, 64)
    Image.new("RGB", (900, 9)).save(tmp_path / "5.jpg")
    assert choose_image_size([tmp_path / "5.jpg"], side=64) == (40, 112)
