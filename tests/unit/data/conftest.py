"""A small synthetic set's settings and a raw folder like Omniglot's."""

from pathlib import Path

import pytest
from prepared_sets import draw_alphabet, write_archive

from sfsc.data.prepared import file_digest
from sfsc.data.sets import omniglot
from sfsc.data.sets.synthetic import Settings as Synthetic


@pytest.fixture
def settings() -> Synthetic:
    """Return the settings of a synthetic set of 72 images."""
    return Synthetic(
        seed=3,
        train_identities=8,
        test_identities=4,
        cameras=6,
        cameras_per_identity=3,
        images_per_camera=2,
        image_size=16,
    )


@pytest.fixture
def raw_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a raw folder: 5 characters to train on, 3 to test on, 4 drawers; Greek is shared."""
    greek = draw_alphabet("Greek", 3)
    archives = {
        "one": greek | draw_alphabet("Korean", 3),
        "two": greek | draw_alphabet("Latin", 2),
    }
    digests = {}
    for name, drawings in archives.items():
        members = {f"{name}/{path}": content for path, content in drawings.items()}
        path = write_archive(tmp_path / "raw" / "omniglot" / f"{name}.zip", members)
        digests[name] = file_digest(path)
    monkeypatch.setattr(omniglot, "ARCHIVES", digests)
    monkeypatch.setattr(omniglot, "TRAIN_CHARACTERS", 5)
    monkeypatch.setattr(omniglot, "TEST_CHARACTERS", 3)
    monkeypatch.setattr(omniglot, "DRAWERS", 4)
    return tmp_path / "raw"
