import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from prepared_sets import write_archive

from sfsc.data.integrity import SplitCount
from sfsc.data.prepare import prepare
from sfsc.data.prepared import PreparedSet
from sfsc.data.sets import grocery
from sfsc.data.sets.grocery import Settings, build
from sfsc.data.snapshot import digest_of_files
from sfsc.errors import DataError
from sfsc.settings.jobs import PrepareJob


def draw_jpeg(number: int) -> bytes:
    """Return a JPEG file of its own."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 50), (number, 255 - number, 90)).save(buffer, format="JPEG")
    return buffer.getvalue()


@pytest.fixture
def raw_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the raw folder of a shop with seven products, three photographs in each fold."""
    files: dict[str, bytes] = {}
    for fold in ("train", "val", "test"):
        paths = [f"{fold}/Fruit/P{product}/{n}.jpg" for product in range(7) for n in range(3)]
        lines = [f"{path}, {index // 3}, 0\n" for index, path in enumerate(paths)]
        files[f"dataset/{fold}.txt"] = "".join(lines).encode()
        files |= {f"dataset/{path}": draw_jpeg(3 * len(files) + 1) for path in paths}
    snapshot = replace(grocery.SNAPSHOT, digest=digest_of_files(files))
    monkeypatch.setattr(grocery, "SNAPSHOT", snapshot)
    members = {f"{snapshot._root}{path}": content for path, content in files.items()}
    write_archive(tmp_path / "raw" / "grocery" / snapshot.archive, members)
    return tmp_path / "raw"


def _build(raw_dir: Path) -> PreparedSet:
    packed = raw_dir / "images.npy"
    return build(
        Settings(image_size=32), raw_dir / "grocery", validation_fraction=0.2, packed=packed
    )


def test_products_are_split_by_number_and_never_shared(raw_dir: Path):
    """Even products train or validate; odd ones are tested. The published folds share them all."""
    manifest = _build(raw_dir).manifest
    trained = {*manifest.identities("train").tolist(), *manifest.identities("validation").tolist()}
    assert trained == {0, 2, 4, 6}
    assert len(manifest.identities("validation")) == 1
    for split in ("query", "gallery"):
        assert set(manifest.identities(split).tolist()) == {1, 3, 5}


def test_the_fold_stands_for_the_camera(raw_dir: Path):
    """Queries are of the test fold, camera 1; the gallery is of the others, camera 0."""
    manifest = _build(raw_dir).manifest
    for split, camera, folds in (("query", 1, {"test"}), ("gallery", 0, {"train", "val"})):
        rows = manifest.rows(split)
        assert set(manifest.camera[rows].tolist()) == {camera}
        assert {path.split("/")[1] for path in manifest.path[rows]} == folds
    assert set(manifest.camera[manifest.rows("train")].tolist()) == {0, 1}


def test_an_archive_of_other_files_is_refused(raw_dir: Path):
    """The digest is checked before an image is decoded."""
    path = raw_dir / "grocery" / grocery.SNAPSHOT.archive
    write_archive(path, {f"{grocery.SNAPSHOT._root}dataset/test.txt": b""})
    with pytest.raises(DataError, match=r"must hold the published files of grocery"):
        _build(raw_dir)


@pytest.mark.mirror
@pytest.mark.skipif("SFSC_MIRROR" not in os.environ, reason="SFSC_MIRROR is not set")
def test_the_real_photographs_pass_every_check(tmp_path: Path):
    """5,421 photographs of 81 products; the summary has the credit."""
    archive = grocery.SNAPSHOT.archive
    grocery.fetch(archive, tmp_path / "grocery" / archive, Path(os.environ["SFSC_MIRROR"]))
    job = PrepareJob(validation_fraction=0.3, settings=Settings(image_size=32))
    prepare(job, tmp_path, tmp_path / "prepared", threads=2)
    prepared = PreparedSet.open(tmp_path / "prepared")
    assert prepared.images.shape == (5_421, 32, 32, 3)
    assert len(set(prepared.manifest.identity.tolist())) == 81
    assert SplitCount(40, 1_197) == grocery.QUERY
    assert "Marcus Klasson, MIT licence" in (tmp_path / "prepared" / "summary.json").read_text()
