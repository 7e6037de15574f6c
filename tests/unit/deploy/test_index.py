"""Indexing goes on where it stopped, and names what it skips."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfsc.cli import main
from sfsc.deploy import index as module
from sfsc.deploy.gallery import Gallery
from sfsc.deploy.index import find_photographs, index
from sfsc.deploy.model import OnnxEmbedder
from sfsc.errors import DataError, ResultError


@pytest.fixture
def folder(photographs: list[Path], tmp_path: Path) -> Path:
    """A folder of photographs that a test may change."""
    for path in photographs[:10]:
        target = tmp_path / "photos" / path.stem[-1] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path / "photos"


def names(gallery: Path) -> list[str]:
    """Return the names of a gallery's images, sorted."""
    return sorted(Path(photo.path).name for photo in Gallery.open(gallery).photographs)


def test_vectors_are_the_models(folder: Path, full: OnnxEmbedder, tmp_path: Path):
    """Those of all images below the folder, under their absolute paths."""
    paths = find_photographs(str(folder), io.StringIO())
    index(full, paths, tmp_path / "gallery", threads=2)
    found = Gallery.open(tmp_path / "gallery")
    assert [photo.path for photo in found.photographs] == [str(path.absolute()) for path in paths]
    expected = full.embed([full.read(path) for path in paths])
    np.testing.assert_allclose(found.vectors, expected, atol=1e-3)


def test_a_stopped_index_goes_on(
    folder: Path, full: OnnxEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What was added stays; the next run embeds the rest."""
    monkeypatch.setattr(module, "SHARD_IMAGES", 4)
    paths, embed, calls = sorted(folder.rglob("*.png")), OnnxEmbedder.embed, []

    def embed_or_stop(self: OnnxEmbedder, images: list[np.ndarray]) -> np.ndarray:
        calls.append(len(images))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return embed(self, images)

    monkeypatch.setattr(OnnxEmbedder, "embed", embed_or_stop)
    with pytest.raises(KeyboardInterrupt):
        index(full, paths, tmp_path / "gallery")
    assert len(names(tmp_path / "gallery")) == 4
    index(full, paths, tmp_path / "gallery")
    assert names(tmp_path / "gallery") == sorted(path.name for path in paths)
    assert calls == [4, 4, 4, 2]


def test_a_changed_photograph_is_embedded_again(folder: Path, full: OnnxEmbedder, tmp_path: Path):
    """Others are not, and none is there twice."""
    paths = sorted(folder.rglob("*.png"))
    index(full, paths, tmp_path / "gallery")
    Image.new("RGB", (30, 20), "red").save(paths[3])
    os.utime(paths[3], (1, 1))
    index(full, paths, tmp_path / "gallery")
    found = Gallery.open(tmp_path / "gallery")
    assert found.photographs[-1].path == str(paths[3])
    assert len(found.photographs) == len(paths)
    expected = full.embed([full.read(paths[3])])
    np.testing.assert_allclose(found.vectors[-1:], expected, atol=1e-3)


def test_damaged_images_are_named_and_skipped(
    folder: Path, full: OnnxEmbedder, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """The others are indexed; a folder of damaged ones alone is a mistake."""
    (folder / "page.jpg").write_text("<html></html>")
    paths = find_photographs(str(folder), io.StringIO())
    with caplog.at_level("INFO"):
        index(full, paths, tmp_path / "gallery")
    assert len(names(tmp_path / "gallery")) == len(paths) - 1
    assert f"Skipped: {folder / 'page.jpg'} must be a whole JPEG" in caplog.text
    assert "10 images added, 1 damaged ones skipped." in caplog.text
    with pytest.raises(DataError, match=r"A gallery must have images\. Found none of 1 readable\."):
        index(full, [folder / "page.jpg"], tmp_path / "empty")


def test_a_gallery_is_made_by_one_model(
    folder: Path, full: OnnxEmbedder, small: OnnxEmbedder, tmp_path: Path
):
    """The sentence names both."""
    paths = sorted(folder.rglob("*.png"))
    index(full, paths[:2], tmp_path / "gallery")
    with pytest.raises(ResultError) as error:
        index(small, paths, tmp_path / "gallery")
    assert "width 1, float32 (space " in str(error.value)
    assert "width 0.25, float32 (space " in str(error.value)
    assert len(names(tmp_path / "gallery")) == 2


def test_a_folder_of_other_files_is_not_overwritten(folder: Path, full: OnnxEmbedder):
    """A gallery is a new folder."""
    with pytest.raises(ResultError, match="must be a new folder or one of `sfsc index`"):
        index(full, sorted(folder.rglob("*.png")), folder)


def test_photographs_come_from_a_folder_a_file_or_a_list(folder: Path, tmp_path: Path):
    """A list has one path per line; other files of a folder are passed over."""
    (folder / "notes.txt").write_text("")
    paths = sorted(folder.rglob("*.png"))
    assert find_photographs(str(folder), io.StringIO()) == paths
    assert find_photographs(str(paths[0]), io.StringIO()) == paths[:1]
    listed = io.StringIO("".join(f"{path}\n" for path in paths[:2]) + "\n")
    assert find_photographs("-", listed) == paths[:2]
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(DataError, match=f"There must be photographs in {source}"):
            find_photographs(str(source), io.StringIO())


def test_the_commands_add_and_remove(
    folder: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """By file and by folder; what is not in the gallery is told."""
    gallery, model = str(tmp_path / "gallery"), str(exported / "width-1.onnx")
    assert main(["index", "--model", model, str(folder), "-o", gallery]) == 0
    every = names(Path(gallery))
    first = min(folder.rglob("*.png"))
    assert main(["remove", gallery, str(first)]) == 0
    assert names(Path(gallery)) == sorted(set(every) - {first.name})
    assert main(["remove", gallery, str(first)]) == 1
    assert capsys.readouterr().err == (
        f"DataError: A photograph to remove must be in {gallery}. Found none at {first}.\n"
    )
    assert main(["remove", gallery, str(folder)]) == 0
    assert names(Path(gallery)) == []
