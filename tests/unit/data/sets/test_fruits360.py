import os
from collections import Counter
from pathlib import Path

import pytest

from sfsc.data.archive import read_archive
from sfsc.data.prepare import prepare
from sfsc.data.prepared import PreparedSet
from sfsc.data.sets import fruits360
from sfsc.data.sets.fruits360 import SNAPSHOT, Settings, label
from sfsc.settings.jobs import PrepareJob

FRUITS = {
    "Training/Apple/Apple 1": ("", "r_"),
    "Test/Apple/Apple 2": ("r0_", "r1_", "r2_"),
    "Training/Apple/Apple 3": ("r0_", "r1_"),
    "Training/Cherry/Cherry Wax 2": ("r0_",),
    "Test/Cherry/Cherry 4": ("", "r_", "r2_"),
    "Training/Cherry/Cherry Wax 5": ("r0_", "r1_"),
}
"""The axes of each folder, by the prefix of its files."""
PATHS = [
    f"{folder}/{axis}{frame}_100.jpg"
    for folder, axes in FRUITS.items()
    for axis in axes
    for frame in (0, 10)
]


def test_every_second_fruit_of_a_kind_is_tested():
    """Kinds are split alike, whatever the published split says."""
    splits = {row.path.split("/")[2]: row.split for row in label(PATHS)}
    assert splits == {
        "Apple 1": "train",
        "Apple 2": "gallery",
        "Apple 3": "train",
        "Cherry 4": "train",
        "Cherry Wax 2": "train",
        "Cherry Wax 5": "gallery",
    }


def test_a_fruit_with_one_axis_is_for_training_only():
    """It could not be found from another axis, and does not shift the split of the others."""
    alone = [row for row in label(PATHS) if "Cherry Wax 2/" in row.path]
    assert {row.split for row in alone} == {"train"}
    without = label([path for path in PATHS if "Cherry Wax 2/" not in path])
    others = {row.path: row.split for row in label(PATHS) if row not in alone}
    assert {row.path: row.split for row in without} == others


def test_the_axis_stands_for_the_camera():
    """Old and new prefixes mean the same axes; the first axis of a test fruit has the queries."""
    cameras = {row.path: row.camera for row in label(PATHS)}
    assert cameras["Test/Cherry/Cherry 4/0_100.jpg"] == 0
    assert cameras["Test/Cherry/Cherry 4/r_0_100.jpg"] == 1
    assert cameras["Test/Cherry/Cherry 4/r2_0_100.jpg"] == 2
    assert cameras["Test/Apple/Apple 2/r1_10_100.jpg"] == 1
    tested = [row for row in label(PATHS) if row.split in ("query", "gallery")]
    assert all((row.camera == 0) == (row.split == "query") for row in tested)


@pytest.mark.parametrize(
    ("path", "is_used"),
    [
        ("LICENSE", True),
        ("Training/Apple/Apple worm 1/r0_10_100.jpg", True),
        ("Test/Apple/Apple 2/0_100.jpg", True),
        ("Test/Apple/Apple 2/11_100.jpg", False),
        ("Test/Apple/Apple 21/r0_10_100.jpg", False),
        ("Test/Apple/Apple 22/r0_10_100.jpg", False),
        ("README.md", False),
    ],
)
def test_every_tenth_frame_is_used_and_no_copy(path: str, is_used: bool):
    """`Apple 21` and `Apple 22` of the published test are copies of training folders."""
    assert SNAPSHOT._is_used(f"{SNAPSHOT._root}{path}") == is_used


@pytest.mark.mirror
@pytest.mark.skipif("SFSC_MIRROR" not in os.environ, reason="SFSC_MIRROR is not set")
def test_the_published_split_leaks():
    """What is left out is, byte for byte, in two folders that are kept."""
    files = read_archive(SNAPSHOT._find_in(Path(os.environ["SFSC_MIRROR"])))
    copies = {"Test/Apple/Apple 21": "Apple Rotten 1", "Test/Apple/Apple 22": "Apple worm 1"}
    for folder, kept in copies.items():
        found = Counter(content for path, content in files.items() if f"{folder}/" in path)
        assert found == Counter(c for p, c in files.items() if f"Training/Apple/{kept}/" in p)


@pytest.mark.mirror
@pytest.mark.skipif("SFSC_MIRROR" not in os.environ, reason="SFSC_MIRROR is not set")
def test_the_real_frames_pass_every_check(tmp_path: Path):
    """65 fruits, the one with a single axis among them, and no image in two splits."""
    mirror = Path(os.environ["SFSC_MIRROR"])
    fruits360.fetch(SNAPSHOT.archive, tmp_path / "fruits360" / SNAPSHOT.archive, mirror)
    job = PrepareJob(validation_fraction=0.3, settings=Settings(image_size=16))
    prepare(job, tmp_path, tmp_path / "prepared", threads=2)
    manifest = PreparedSet.open(tmp_path / "prepared").manifest
    assert (len(manifest), len(set(manifest.identity.tolist()))) == (4_824, 65)
    assert len(set(manifest.digest.tolist())) == len(manifest)
