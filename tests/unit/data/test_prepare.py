import json
from pathlib import Path

import pytest
from PIL import Image

from sfsc.data import prepare as stage
from sfsc.data.prepare import prepare
from sfsc.data.prepared import FILES, PreparedSet, file_digest
from sfsc.data.sets.synthetic import Settings as Synthetic
from sfsc.errors import DataError
from sfsc.settings.jobs import PrepareJob


@pytest.fixture
def job(settings: Synthetic) -> PrepareJob:
    """Return the slice of a small synthetic set."""
    return PrepareJob(validation_fraction=0.2, settings=settings)


def test_a_prepared_set_is_whole_and_checked(job: PrepareJob, tmp_path: Path):
    """Four files and nothing else; the summary gives counts, settings and digests."""
    output = tmp_path / "data" / "synthetic"
    prepare(job, tmp_path, output)
    assert {path.name for path in output.iterdir()} == set(FILES)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["synthetic"]
    PreparedSet.open(output).check()
    summary = json.loads((output / "summary.json").read_text())
    assert summary["settings"] == job.settings.model_dump(exclude={"name"})
    assert summary["splits"]["validation"] == {"identities": 2, "images": 12}
    assert summary["images_sha256"] == file_digest(output / "images.npy")
    assert summary["manifest_sha256"] == file_digest(output / "manifest.csv")


def test_preparing_twice_gives_the_same_files(job: PrepareJob, tmp_path: Path):
    """All four files are the same byte for byte, over what a killed run left and beside others."""
    prepare(job, tmp_path, tmp_path / "one")
    (tmp_path / ".two.partial").mkdir()
    (tmp_path / ".two.partial" / "images.npy").write_text("half")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "summary.json").write_text("old")
    (tmp_path / "two" / "notes.txt").write_text("mine")
    prepare(job, tmp_path, tmp_path / "two", threads=2)
    for name in FILES:
        assert file_digest(tmp_path / "one" / name) == file_digest(tmp_path / "two" / name)
    assert (tmp_path / "two" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / ".two.partial").exists()


def test_a_set_that_fails_a_check_leaves_the_old_one(
    job: PrepareJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nothing is replaced before everything is checked."""
    prepare(job, tmp_path, tmp_path / "set")
    before = {name: file_digest(tmp_path / "set" / name) for name in FILES}

    def refuse(_prepared: PreparedSet) -> None:
        raise DataError("Not whole.")

    monkeypatch.setattr(stage.PreparedSet, "check", refuse)
    other = job.model_copy(update={"settings": job.settings.model_copy(update={"seed": 9})})
    with pytest.raises(DataError, match="Not whole"):
        prepare(other, tmp_path, tmp_path / "set")
    assert before == {name: file_digest(tmp_path / "set" / name) for name in FILES}
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_run_killed_while_moving_leaves_a_set_that_is_refused(
    job: PrepareJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Old and new files never pass as one set: the summary goes first and comes last."""
    prepare(job, tmp_path, tmp_path / "set")
    replace = Path.replace

    def kill(self: Path, target: Path) -> Path:
        if target.name == "images.npy":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", kill)
    other = job.model_copy(update={"settings": job.settings.model_copy(update={"seed": 9})})
    with pytest.raises(KeyboardInterrupt):
        prepare(other, tmp_path, tmp_path / "set")
    with pytest.raises(DataError, match=r"summary\.json must be the summary of a prepared set"):
        PreparedSet.open(tmp_path / "set")


def test_the_contact_sheet_is_a_picture_of_rows_and_columns(job: PrepareJob, tmp_path: Path):
    """A row per shown identity, a column per camera."""
    prepare(job, tmp_path, tmp_path / "set")
    with Image.open(tmp_path / "set" / "contact_sheet.png") as sheet:
        width, height = sheet.size
    assert width > 6 * 64
    assert height > (5 + 2 + 4) * 64
