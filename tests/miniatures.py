"""The published sets in miniature: the exact layout and naming, a few small coloured JPEGs.

With what the real ones have to trip over: junk, distractors, `Thumbs.db`, a text file, a Mac's
resource fork, a training identity that one camera sees. Their settings say `counts: any`, as they
are no whole sets. `truncate` cuts an image, as an interrupted copy does.

    python tests/miniatures.py data/raw     # for studies/paper-miniature.yaml
"""

import io
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 12, 20


def draw_jpeg(seed: str, kind: str = "JPEG") -> bytes:
    """Return the file of a smooth coloured image that depends on the seed alone."""
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    corners = Image.fromarray(rng.integers(0, 256, (3, 2, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    corners.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(buffer, format=kind)
    return buffer.getvalue()


def truncate(path: Path) -> None:
    """Cut the end of a file off."""
    path.write_bytes(path.read_bytes()[:-40])


def write_images(folder: Path, names: Iterable[str]) -> None:
    """Write an image for each name, and what else such folders hold."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(draw_jpeg(f"{folder.name}/{name}"))
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / "readme.txt").write_text("Not an image.\n")
    (folder / "._0001_c1s1_000001_00.jpg").write_bytes(b"\x00\x05\x16\x07")


def write_market1501(folder: Path) -> Path:
    """Write 5 training identities, one of them of one camera, and 3 test identities.

    The gallery has two images of each test identity in cameras 1 and 4, three distractors and two
    junk images.
    """
    train = [
        f"{identity:04d}_c{camera}s1_{frame:06d}_01.jpg"
        for identity, cameras in ((2, (1, 2)), (7, (1, 3)), (10, (2, 6)), (11, (3, 5)), (12, (1,)))
        for camera in cameras
        for frame in (451, 901)
    ]
    test = [
        f"{identity:04d}_c{camera}s2_{frame:06d}_03.jpg"
        for identity in (1, 3, 1501)
        for camera in (1, 4)
        for frame in (1051, 2051)
    ]
    distractors = [f"0000_c{camera}s1_000151_01.jpg" for camera in (1, 2, 3)]
    junk = [f"-1_c{camera}s1_000401_03.jpg" for camera in (1, 4)]
    query = [f"{identity:04d}_c1s1_001051_00.jpg" for identity in (1, 3, 1501)]
    write_images(folder / "bounding_box_train", train)
    write_images(folder / "bounding_box_test", [*test, *distractors, *junk])
    write_images(folder / "query", query)
    return folder


def write_msmt17(folder: Path, version: str) -> Path:
    """Write 4 training identities, of whom `list_val.txt` has an image each, and 2 test identities.

    Both count from 0; the files of V1 and V2 have other names.
    """
    time = {"V1": "0303morning_0008", "V2": "0303morning_0015"}[version]
    train_folder, test_folder = {
        "V1": ("train", "test"),
        "V2": ("mask_train_v2", "mask_test_v2"),
    }[version]

    def names(identities: range, cameras: tuple[int, ...], suffix: str) -> list[str]:
        return [
            f"{identity:04d}/{identity:04d}_{camera:03d}_{camera:02d}_{time}_{suffix}.jpg"
            for identity in identities
            for camera in cameras
        ]

    lists = {
        "train": names(range(4), (1, 15), "0"),
        "val": names(range(4), (1,), "0_ex"),
        "query": names(range(2), (3,), "1"),
        "gallery": names(range(2), (3, 14), "2_ex"),
    }
    write_images(folder / train_folder, [*lists["train"], *lists["val"]])
    write_images(folder / test_folder, [*lists["query"], *lists["gallery"]])
    for part, paths in lists.items():
        lines = [f"{path} {int(path[:4])}\n" for path in paths]
        (folder / f"list_{part}.txt").write_text("".join(lines))
    return folder


def write_veri776(folder: Path) -> Path:
    """Write 4 training and 2 test identities; the queries are copies of gallery images."""
    train = [
        f"{identity:04d}_c{camera:03d}_00016450_{index}.jpg"
        for identity in (1, 3, 4, 6)
        for camera in (1, 20)
        for index in (0, 1)
    ]
    test = [
        f"{identity:04d}_c{camera:03d}_00030600_{index}.jpg"
        for identity in (2, 5)
        for camera in (2, 18)
        for index in (0, 1)
    ]
    query = [name for name in test if "c002" in name and name.endswith("_0.jpg")]
    write_images(folder / "image_train", train)
    write_images(folder / "image_test", test)
    write_images(folder / "image_query", [])
    for name in query:
        (folder / "image_query" / name).write_bytes((folder / "image_test" / name).read_bytes())
    (folder / "gt_index.txt").write_text("3 4 \n7 8 \n")
    (folder / "jk_index.txt").write_text("1 2 \n5 6 \n")
    return folder


CUSTOM = """\
note,split,camera,identity,path
,train,0,0,photos/a0.jpg
,train,1,0,photos/a1.png
,train,0,1,photos/b0.jpg
,train,1,1,photos/b1.jpg
first,query,0,7,photos/c0.jpg
,gallery,1,7,photos/c1.jpg
blurred,gallery,1,-1,photos/junk.jpg
,train,0,2,photos/d0.jpg
,train,1,2,photos/d1.jpg
"""


def write_custom(folder: Path) -> Path:
    """Write a table of 9 images: three identities to train on, one query, one junk image."""
    (folder / "photos").mkdir(parents=True)
    for line in CUSTOM.splitlines()[1:]:
        name = line.rpartition(",")[2]
        content = draw_jpeg(name, "PNG" if name.endswith("png") else "JPEG")
        (folder / name).write_bytes(content)
    (folder / "images.csv").write_text(CUSTOM)
    return folder


def write_paper_sets(raw_dir: Path) -> None:
    """Write the three sets of the paper.

    Args:
        raw_dir: `data/raw` of the project.

    Raises:
        SystemExit: If one is there: a real set is not overwritten.
    """
    for name in ("market1501", "msmt17", "veri776"):
        if (raw_dir / name).exists():
            sys.exit(f"{raw_dir / name} must not exist. Found it; move it away first.")
    write_market1501(raw_dir / "market1501")
    write_msmt17(raw_dir / "msmt17", "V1")
    write_veri776(raw_dir / "veri776")


if __name__ == "__main__":
    write_paper_sets(Path(sys.argv[1]))
