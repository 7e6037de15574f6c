"""A gallery is whole or refused, and a change of it is made or not."""

import json
from pathlib import Path

import numpy as np
import pytest

from sfsc.deploy import gallery as module
from sfsc.deploy.gallery import Gallery, Photograph
from sfsc.deploy.model import OnnxEmbedder
from sfsc.errors import ResultError


def vectors(n: int, seed: int = 0) -> np.ndarray:
    """Return random unit vectors."""
    array = np.random.default_rng(seed).standard_normal((n, 8)).astype(np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def photographs(names: str) -> list[Photograph]:
    """Return a photograph for each letter."""
    return [Photograph(f"/photos/{name}.jpg", "1 2") for name in names]


@pytest.fixture
def gallery(small: OnnxEmbedder, tmp_path: Path) -> Gallery:
    """Five images in two shards."""
    empty = Gallery.create(tmp_path / "gallery", small.description, "float16")
    return empty.add(photographs("abc"), vectors(3)).add(photographs("de"), vectors(2, seed=1))


@pytest.mark.parametrize(("precision", "error"), [("float16", 5e-4), ("int8", 8e-3)])
def test_what_was_added_is_read_back(
    precision: str, error: float, small: OnnxEmbedder, tmp_path: Path
):
    """Names in order, vectors within the precision's rounding, of length 1."""
    Gallery.create(tmp_path, small.description, precision).add(photographs("abc"), vectors(3))
    found = Gallery.open(tmp_path)
    assert found.photographs == photographs("abc")
    np.testing.assert_allclose(found.vectors, vectors(3), atol=error)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-3)
    assert found.model == small.description


def test_all_files_can_be_read_by_the_same_people(gallery: Gallery):
    """Another user, such as the server's, searches in what this one has indexed."""
    modes = {path.suffix: path.stat().st_mode for path in gallery.folder.iterdir()}
    assert modes[".safetensors"] == modes[".json"]


def test_removing_keeps_the_others(gallery: Gallery):
    """A shard without images left is deleted, an untouched one is not written again."""
    untouched = (gallery.folder / "shard-000001.safetensors").stat().st_mtime_ns
    gallery.remove(["/photos/d.jpg", "/photos/e.jpg", "/photos/none.jpg"])
    found = Gallery.open(gallery.folder)
    assert found.photographs == photographs("abc")
    names = [path.name for path in gallery.folder.glob("shard-*")]
    assert names == ["shard-000001.safetensors"]
    assert (gallery.folder / names[0]).stat().st_mtime_ns == untouched
    found.remove(["/photos/b.jpg"])
    rest = Gallery.open(gallery.folder)
    assert rest.photographs == photographs("ac")
    np.testing.assert_allclose(rest.vectors, vectors(3)[[0, 2]], atol=5e-4)


def test_an_interrupted_change_leaves_the_old_gallery(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
):
    """A shard that `gallery.json` does not list does not exist, and is overwritten or deleted."""

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_texts", fail)
    with pytest.raises(KeyboardInterrupt):
        gallery.add(photographs("f"), vectors(1))
    with pytest.raises(KeyboardInterrupt):
        gallery.remove(["/photos/a.jpg"])
    monkeypatch.undo()
    found = Gallery.open(gallery.folder)
    assert found.photographs == photographs("abcde")
    found.add(photographs("f"), vectors(1))
    assert Gallery.open(gallery.folder).photographs == photographs("abcdef")
    assert len([*gallery.folder.glob("shard-*")]) == 3


@pytest.mark.parametrize("name", ["gallery.json", "shard-000002.safetensors"])
def test_half_a_gallery_is_one_sentence(gallery: Gallery, name: str):
    """A file cut in half, or missing, is named; the other files stay."""
    path, others = gallery.folder / name, len([*gallery.folder.iterdir()])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    for _ in range(2):
        with pytest.raises(ResultError) as error:
            _ = Gallery.open(gallery.folder).vectors
        assert str(error.value).startswith(
            f"{gallery.folder} must be a gallery that `sfsc index` wrote. Found {name} unreadable: "
        )
        assert str(error.value).endswith("Restore the file, or index into a new folder.")
        path.unlink(missing_ok=True)
    assert len([*gallery.folder.iterdir()]) == others - 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "shard-1.safetensors/../x"])
def test_a_gallery_names_no_file_outside_its_folder(gallery: Gallery, name: str):
    """A shard is a file of the folder, by its pattern."""
    head = json.loads((gallery.folder / "gallery.json").read_text())
    head["shards"][0]["name"] = name
    (gallery.folder / "gallery.json").write_text(json.dumps(head))
    with pytest.raises(ResultError, match="must be a gallery that `sfsc index` wrote"):
        Gallery.open(gallery.folder)


def test_a_shard_of_another_size_is_refused(gallery: Gallery):
    """`gallery.json` says how many images each holds."""
    path = gallery.folder / "shard-000001.safetensors"
    path.write_bytes((gallery.folder / "shard-000002.safetensors").read_bytes())
    with pytest.raises(ResultError, match=r"vectors of shape \(2, 8\) for 2 images, not \(3, 8\)"):
        _ = Gallery.open(gallery.folder).photographs


def test_one_process_changes_a_gallery(gallery: Gallery):
    """A second one is told."""
    with (
        gallery.locked(),
        pytest.raises(ResultError, match="One process at a time may change"),
        gallery.locked(),
    ):
        pass
