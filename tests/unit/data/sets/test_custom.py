"""The user's own set: a table that may hold anything, and images that may be anything."""

import os
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from miniatures import CUSTOM, truncate, write_custom

from sfsc.data import image_files
from sfsc.data.manifest import SPLITS, Manifest
from sfsc.data.prepared import PreparedSet
from sfsc.data.sets.custom import Settings, build, expected_counts
from sfsc.errors import DataError
from sfsc.retrieval.matrix import evaluate_matrix
from sfsc.retrieval.relevance import Labels

SETTINGS = Settings(image_height=16, image_width=24)
NUMBER = "must be an integer from {} to 2^63 - 1, in the digits 0 to 9. Found `{}`."


@pytest.fixture
def raw_dir(tmp_path: Path) -> Path:
    """Return the raw folder of a small set."""
    return write_custom(tmp_path / "custom")


def _build(raw_dir: Path, camera: Literal["column", "none"] = "column") -> PreparedSet:
    settings = SETTINGS.model_copy(update={"camera": camera})
    return build(settings, raw_dir, validation_fraction=0.2, packed=raw_dir / "images.npy")


def _refusal(raw_dir: Path, camera: Literal["column", "none"] = "column") -> str:
    with pytest.raises(DataError) as raised:
        _build(raw_dir, camera)
    return str(raised.value)


def _write(raw_dir: Path, table: str) -> None:
    (raw_dir / "images.csv").write_text(table, encoding="utf-8")


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test fail that decodes an image."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(image_files, "decode_image", fail)


def test_the_table_says_what_an_image_shows(raw_dir: Path):
    """Columns in any order and others among them; PNG as well as JPEG; -1 is junk."""
    prepared = _build(raw_dir)
    manifest = prepared.manifest
    assert manifest.path[[1, 6]].tolist() == ["photos/a1.png", "photos/junk.jpg"]
    assert manifest.identity.tolist() == [0, 0, 1, 1, 7, 7, -1, 2, 2]
    assert manifest.camera.tolist() == [0, 1, 0, 1, 0, 1, 1, 0, 1]
    counts = [len(manifest.rows(split)) for split in SPLITS]
    assert counts == [4, 2, 1, 2]
    assert prepared.images.shape == (9, 16, 24, 3)
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
    assert manifest.identities("train").tolist() == [0, 2]


@pytest.mark.usefixtures("no_decoding")
@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            ",identity,",
            ",id,",
            (
                " must have the columns path, identity, camera, split in its first line, "
                "each once. Found note, split, camera, id, path."
            ),
        ),
        (
            "note,",
            "camera,",
            (
                " must have the columns path, identity, camera, split in its first line, "
                "each once. Found camera, split, camera, identity, path."
            ),
        ),
        (
            "photos/b0.jpg",
            "photos/b,0.jpg",
            ", line 4 must have 5 fields. Found 6; put a path with a comma in quotes.",
        ),
        (
            ",train,1,0,",
            ",test,1,0,",
            ", line 3: `split` must be one of train, validation, query, gallery. Found `test`.",
        ),
        ("photos/b0.jpg", "", ", line 4: `path` must name an image file. Found nothing."),
        (
            "photos/b0.jpg",
            "photos/b\0.jpg",
            ", line 4: `path` must name an image file. Found a NUL character.",
        ),
        (
            ",train,1,2,",
            ",train,1,02,",
            ", line 10: `identity` must spell a number in one way. Found `02` after `2`.",
        ),
    ],
)
def test_a_mistake_in_the_table_is_named(raw_dir: Path, old: str, new: str, sentence: str):
    """By line and column, before an image is decoded."""
    _write(raw_dir, CUSTOM.replace(old, new, 1))
    assert _refusal(raw_dir) == f"{raw_dir}/images.csv{sentence}"


@pytest.mark.usefixtures("no_decoding")
@pytest.mark.parametrize(
    "text",
    [
        "1_2", "+1", " 1", "1 ", "\t1", "1.0", "1e3", "0x1", "-0", "-2", "--1", "", "nan", "bob",
        "\u0661", "\uff11", "\u00b2", "\u2460", "1\u00a0", "\u22121", "9223372036854775808",
        "1" + "0" * 40, "9" * 5000, '"1\n"',
    ],
)  # fmt: skip
@pytest.mark.parametrize(("column", "least"), [("identity", -1), ("camera", 0)])
def test_a_number_is_ascii_digits_alone(raw_dir: Path, column: str, least: int, text: str):
    """No underscore, sign, space or digit of another script, as `int` accepts; none too large."""
    fields = ",train,0,{},photos/a0.jpg" if column == "identity" else ",train,{},0,photos/a0.jpg"
    _write(raw_dir, CUSTOM.replace(",train,0,0,photos/a0.jpg", fields.format(text)))
    line = 3 if "\n" in text else 2
    found = text.strip('"')[:80]
    assert _refusal(raw_dir) == (
        f"{raw_dir}/images.csv, line {line}: `{column}` {NUMBER.format(least, found)}"
    )


def test_two_identities_are_never_merged(raw_dir: Path):
    """`1_2` and `12` were one identity when `int` read them."""
    table = CUSTOM.replace(",train,0,0,", ",train,0,1_2,").replace(",train,1,0,", ",train,1,12,")
    _write(raw_dir, table)
    assert _refusal(raw_dir).endswith(f", line 2: `identity` {NUMBER.format(-1, '1_2')}")


def test_identities_and_cameras_may_be_hashes_of_63_bits(raw_dir: Path):
    """They are kept through the packing, the checks and the manifest on the disk."""
    largest = 2**63 - 1
    table = CUSTOM.replace(",7,photos", f",{largest},photos")
    table = table.replace("gallery,1,", f"gallery,{largest},")
    _write(raw_dir, table)
    prepared = _build(raw_dir)
    prepared.check()
    prepared.manifest.save(raw_dir / "manifest.csv")
    manifest = Manifest.load(raw_dir / "manifest.csv")
    assert manifest.identity[[4, 5]].tolist() == [largest, largest]
    assert manifest.camera[[4, 5]].tolist() == [0, largest]


@pytest.mark.usefixtures("no_decoding")
def test_all_mistakes_are_told_at_once_and_before_an_image_is_decoded(raw_dir: Path):
    """Mistakes in rows, in labels and missing files come in one list."""
    (raw_dir / "photos/d1.jpg").unlink()
    table = CUSTOM.replace(",train,0,0,", ",train,x,1_0,").replace(",train,1,1,", ",train,1,7,")
    _write(raw_dir, table.replace(",gallery,1,-1", ",train,1,-1"))
    path, disjoint = (
        raw_dir / "images.csv",
        "Train, validation and test identities must be disjoint.",
    )
    assert _refusal(raw_dir).splitlines() == [
        f"{path} has 5 mistakes:",
        f"  - {disjoint} Found identity 7 in train and test.",
        "  - Only the gallery may have junk (identity -1). Found some in split `train`.",
        f"  - Every image must be a file in {raw_dir}. Found 1 of 8 missing: `photos/d1.jpg`.",
        f"  - line 2: `identity` {NUMBER.format(-1, '1_0')}",
        f"  - line 2: `camera` {NUMBER.format(0, 'x')}",
    ]


@pytest.mark.usefixtures("no_decoding")
def test_many_mistakes_are_counted(raw_dir: Path):
    """Twenty are listed."""
    _write(raw_dir, CUSTOM + "".join(f",train,?,{n},photos/n{n}.jpg\n" for n in range(50)))
    lines = _refusal(raw_dir).splitlines()
    assert lines[0] == f"{raw_dir}/images.csv has 50 mistakes:"
    assert len(lines) == 22
    assert lines[-1] == "  and 30 more"


@pytest.mark.usefixtures("no_decoding")
@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "query,0,7",
            "query,1,7",
            ("Each query must have a gallery image of its identity from another camera. Found none "
            "for query `photos/c0.jpg`. If the set has no cameras, set "
            "`data.custom.camera: none`."),
        ),
        (",query,", ",gallery,", "Split `query` must have images. Found none."),
        ("query,0,7", "query,0,3", "Found none for query `photos/c0.jpg`."),
    ],
)  # fmt: skip
def test_a_mistake_in_the_labels_is_told_before_decoding(
    raw_dir: Path, old: str, new: str, sentence: str
):
    """A set of 100,000 images takes minutes to decode, and its table a second to check."""
    _write(raw_dir, CUSTOM.replace(old, new).replace("first,", ","))
    assert sentence in _refusal(raw_dir)


def test_a_table_without_rows_is_refused(raw_dir: Path):
    """Blank lines are no rows."""
    _write(raw_dir, CUSTOM.splitlines()[0] + "\n\n\n")
    assert _refusal(raw_dir) == f"{raw_dir}/images.csv must list images. Found none."


def test_a_missing_table_is_a_sentence(tmp_path: Path):
    """It names the file."""
    assert _refusal(tmp_path) == (
        f"{tmp_path}/images.csv must be a readable CSV file in UTF-8. Found: [Errno 2] No such "
        f"file or directory: '{tmp_path}/images.csv'."
    )


@pytest.mark.usefixtures("no_decoding")
@pytest.mark.parametrize(
    "name", ["photos/b0.jpg", "./photos/b0.jpg", "photos//b0.jpg", "photos/../photos/b0.jpg",
             "{}/photos/b0.jpg", "link.jpg", "other/b0.jpg"],
)  # fmt: skip
def test_an_image_that_is_listed_twice_is_refused(raw_dir: Path, name: str):
    """It would count twice, whatever it is called."""
    (raw_dir / "link.jpg").symlink_to("photos/b0.jpg")
    (raw_dir / "other").symlink_to("photos")
    name = name.format(raw_dir)
    _write(raw_dir, CUSTOM.replace("photos/b1.jpg", name))
    found = "`photos/b0.jpg` twice" if name == "photos/b0.jpg" else f"`photos/b0.jpg` and `{name}`"
    assert _refusal(raw_dir) == (
        f"Each image must be listed once in a split. Found {found} in train."
    )


@pytest.mark.usefixtures("no_decoding")
def test_an_image_of_two_splits_is_found_before_decoding(raw_dir: Path):
    """By its file; a copy under another name is found by its pixels."""
    _write(raw_dir, CUSTOM.replace("photos/c1.jpg", "./photos/a0.jpg"))
    assert (
        "No image may be in two splits. Found the same image as `photos/a0.jpg` in train and "
        "`./photos/a0.jpg` in gallery."
    ) in _refusal(raw_dir)


def test_damaged_images_are_named_together(raw_dir: Path):
    """Missing ones before all others are decoded."""
    truncate(raw_dir / "photos/c1.jpg")
    (raw_dir / "photos/a1.png").write_bytes(b"<html>403 forbidden</html>")
    assert _refusal(raw_dir) == (
        "All images must be readable JPEG or PNG or WEBP or BMP files. Found 2 of 9 in "
        f"{raw_dir} that are not: `photos/a1.png` (another format), `photos/c1.jpg` (Premature "
        "end of JPEG file). The log names all. Replace them and run again; the others stay packed."
    )


@pytest.mark.usefixtures("no_decoding")
@pytest.mark.parametrize("name", ["none.jpg", "photos", "x" * 300, "loop.jpg", "pipe", "photos\\a"])
def test_a_path_that_is_no_file_is_named(raw_dir: Path, name: str):
    """Nor a folder, a pipe that would block or a name that no file can have."""
    (raw_dir / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(raw_dir / "pipe")
    _write(raw_dir, CUSTOM.replace("photos/a0.jpg", name))
    assert _refusal(raw_dir) == (
        f"Every image must be a file in {raw_dir}. Found 1 of 9 missing: `{name}`."
    )


def _without_cameras(table: str, camera: str = "0") -> str:
    lines = [line.split(",") for line in table.splitlines()]
    return "\n".join(",".join([*f[:2], camera, *f[3:]]) for f in [*lines[1:]]) + "\n"


@pytest.mark.usefixtures("no_decoding")
def test_a_set_of_one_camera_is_told_the_cause(raw_dir: Path):
    """Not that a split is empty."""
    _write(raw_dir, CUSTOM.splitlines()[0] + "\n" + _without_cameras(CUSTOM))
    assert _refusal(raw_dir) == (
        "The images must be from at least two cameras: a ranking leaves out the gallery images of "
        "the query's identity and camera. Found camera 0 alone. If the set has no cameras, "
        "set `data.custom.camera: none`."
    )


@pytest.mark.usefixtures("no_decoding")
def test_a_camera_for_each_split_is_told_the_cause(raw_dir: Path):
    """Query 0 and gallery 1 is what forums advise; the validation lacks cameras then."""
    rows = _without_cameras(CUSTOM).replace("gallery,0", "gallery,1")
    _write(raw_dir, CUSTOM.splitlines()[0] + "\n" + rows)
    assert _refusal(raw_dir) == (
        "Split `validation` must have images. Found none: no training identity has images of two "
        "cameras. If the set has no cameras, set `data.custom.camera: none`."
    )


NO_CAMERAS = """\
path,identity,split
photos/a0.jpg,0,train
photos/a1.png,0,train
photos/b0.jpg,1,train
photos/b1.jpg,1,train
photos/junk.jpg,3,train
photos/d0.jpg,2,query
photos/d0.jpg,2,gallery
photos/d1.jpg,2,query
photos/d1.jpg,2,gallery
photos/c0.jpg,7,query
photos/c1.jpg,7,gallery
"""


def test_without_cameras_each_image_has_its_own(raw_dir: Path):
    """The table needs no column; an image that is query and gallery is one image."""
    _write(raw_dir, NO_CAMERAS)
    prepared = _build(raw_dir, "none")
    prepared.check()
    assert prepared.manifest.camera.tolist() == [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 8]
    prepared.manifest.save(raw_dir / "manifest.csv")
    assert len(Manifest.load(raw_dir / "manifest.csv")) == 11


def test_without_cameras_a_query_never_meets_itself_and_meets_all_others(raw_dir: Path):
    """All other images of its identity are positives; its own file is not ranked."""
    _write(raw_dir, NO_CAMERAS)
    manifest = _build(raw_dir, "none").manifest
    labels = {}
    embeddings = {}
    # On a line: the query itself is nearest, then 7's image, then 2's other image.
    at = {"photos/d0.jpg": 0.0, "photos/d1.jpg": 0.3, "photos/c0.jpg": 0.5, "photos/c1.jpg": 0.1}
    for split in ("query", "gallery"):
        rows = manifest.rows(split)
        labels[split] = Labels(manifest.identity[rows], manifest.camera[rows])
        angles = np.array([at[path] for path in manifest.path[rows].tolist()])
        embeddings[split] = np.stack([np.cos(angles), np.sin(angles)], axis=1)[None].astype("f4")
    result = evaluate_matrix(
        embeddings["query"], embeddings["gallery"], labels["query"], labels["gallery"]
    )
    # d0 ranks c1, d1: AP 1/2. d1 ranks c1, d0: AP 1/2. c0 ranks d1, c1, d0: AP 1/2.
    assert result.map_step == pytest.approx(np.array([[0.5]]))
    assert result.n_skipped_queries == 0


@pytest.mark.usefixtures("no_decoding")
def test_without_cameras_an_image_is_listed_once_in_a_split(raw_dir: Path):
    """A gallery that holds the query's file under another identity is refused, too."""
    _write(raw_dir, NO_CAMERAS + "photos/c1.jpg,7,gallery\nphotos/c0.jpg,2,gallery\n")
    assert _refusal(raw_dir, "none").splitlines()[1:] == [
        "  - Each image must be listed once in a split. Found `photos/c1.jpg` twice in gallery.",
        (
            "  - No image may be in two splits. Found the same image as `photos/c0.jpg` in query "
            "and `photos/c0.jpg` in gallery."
        ),
    ]
