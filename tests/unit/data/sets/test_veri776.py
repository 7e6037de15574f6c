from pathlib import Path

import pytest
from miniatures import truncate, write_veri776

from sfsc.data.integrity import SplitCount
from sfsc.data.prepared import PreparedSet
from sfsc.data.sets.veri776 import Settings, build, expected_counts
from sfsc.errors import DataError
from sfsc.retrieval.relevance import Labels, find_relevant

SETTINGS = Settings(image_height=16, image_width=16, counts="any", official_junk=True)


@pytest.fixture
def raw_dir(tmp_path: Path) -> Path:
    """Return the raw folder of a miniature."""
    return write_veri776(tmp_path / "veri776")


def _build(raw_dir: Path, **changes: object) -> PreparedSet:
    settings = SETTINGS.model_copy(update=changes)
    return build(settings, raw_dir, validation_fraction=0.2, packed=raw_dir.parent / "images.npy")


def _refusal(raw_dir: Path, **changes: object) -> str:
    with pytest.raises(DataError) as raised:
        _build(raw_dir, **changes)
    return str(raised.value)


def test_the_names_say_identity_and_camera(raw_dir: Path):
    """Numbers are the official ones; the queries' copies in the gallery are no leak."""
    prepared = _build(raw_dir)
    manifest = prepared.manifest
    train = [*manifest.identities("train"), *manifest.identities("validation")]
    assert sorted(train) == [1, 3, 4, 6]
    assert manifest.identities("query").tolist() == [2, 5]
    assert manifest.camera[manifest.rows("gallery")].tolist() == [2, 2, 18, 18] * 2
    assert set(manifest.digest[manifest.rows("query")]) < set(
        manifest.digest[manifest.rows("gallery")]
    )
    prepared.check()


def test_the_official_junk_is_what_the_protocol_removes(raw_dir: Path):
    """The lists that the reader accepts are those of the evaluation, counted from 1."""
    manifest = _build(raw_dir).manifest
    rows = {split: manifest.rows(split) for split in ("query", "gallery")}
    labels = {split: Labels(manifest.identity[r], manifest.camera[r]) for split, r in rows.items()}
    relevance = find_relevant(labels["query"], labels["gallery"])
    for name, ours in (("jk_index", relevance.removed), ("gt_index", relevance.positives)):
        lines = (raw_dir / f"{name}.txt").read_text().splitlines()
        official = [[int(number) - 1 for number in line.split()] for line in lines]
        assert [ours[query].tolist() for query in range(2)] == official


@pytest.mark.parametrize("name", ["jk_index.txt", "gt_index.txt"])
def test_other_official_junk_is_refused(raw_dir: Path, name: str):
    """The first query that differs is named; without the option the lists are not looked at."""
    (raw_dir / name).write_text("1 \n5 6 \n" if name[0] == "j" else "3 \n7 8 \n")
    assert _refusal(raw_dir) == (
        f"{raw_dir / name} must list the gallery images of the query's identity: those of its own "
        "camera in jk_index.txt, the others in gt_index.txt. Found 1 for query "
        "`image_query/0002_c002_00030600_0.jpg`, which has 2. Get the lists again or "
        "set `official_junk: false`."
    )
    _build(raw_dir, official_junk=False)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("1 2 \n", "1 lines"),
        ("1\n9\n", "2 lines and the number `9`"),
        ("1\n0_1\n", "2 lines and the number `0_1`"),
    ],
)
def test_lists_of_another_test_set_are_refused(raw_dir: Path, content: str, found: str):
    """A line per query, numbers of gallery images."""
    (raw_dir / "jk_index.txt").write_text(content)
    assert _refusal(raw_dir) == (
        f"{raw_dir}/jk_index.txt must have a line for each of 2 queries, of numbers from 1 to 8. "
        f"Found {found}."
    )


def test_missing_lists_say_where_they_are_had(raw_dir: Path):
    """Only where the settings ask for them."""
    (raw_dir / "gt_index.txt").unlink()
    assert _refusal(raw_dir) == (
        f"{raw_dir} must hold image_train, image_query, image_test, gt_index.txt and jk_index.txt "
        "of VeRi-776. Found no gt_index.txt. Get the set from its authors by e-mail "
        "(https://vehiclereid.github.io/VeRi), and copy or link the content of its folder there."
    )
    _build(raw_dir, official_junk=False)


def test_the_published_counts_are_checked(raw_dir: Path):
    """576 vehicles to train on, 200 to test on."""
    assert _refusal(raw_dir, counts="published") == (
        "image_train of VeRi-776 must have 576 identities and 37,778 images. Found 4 and 16. "
        "Likely cause: a mirror with missing images or a copy that was interrupted. Get the whole "
        "set from its authors by e-mail (https://vehiclereid.github.io/VeRi)."
    )
    whole = SETTINGS.model_copy(update={"counts": "published"})
    assert expected_counts(whole, validation_fraction=0.2) == {
        "query": SplitCount(200, 1678), "gallery": SplitCount(200, 11_579)
    }  # fmt: skip


def test_a_camera_that_the_set_does_not_have_is_refused(raw_dir: Path):
    """There are twenty."""
    path = raw_dir / "image_query" / "0002_c002_00030600_0.jpg"
    path.rename(path.with_name("0002_c021_00030600_0.jpg"))
    assert _refusal(raw_dir) == (
        f"Images of {raw_dir}/image_query must be named like `0001_c001_00016450_0.jpg`. Found "
        "`0002_c021_00030600_0.jpg`. Move files of other sets away."
    )


def test_a_truncated_image_is_named(raw_dir: Path):
    """By its path below the raw folder."""
    truncate(raw_dir / "image_test" / "0005_c018_00030600_1.jpg")
    assert "`image_test/0005_c018_00030600_1.jpg` (Premature end of JPEG file" in _refusal(raw_dir)
