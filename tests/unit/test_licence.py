"""Restricted images are made only where no push publishes them."""

import subprocess
from pathlib import Path

import pytest

from sfsc.errors import ConfigError
from sfsc.licence import REDISTRIBUTABLE, check_images_stay_here

SHOWN = [
    "reports/mine/index.html",
    "reports/mine/figures/faces_retrieval.svg",
    "reports/mine/figures/faces_retrieval.png",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A DVC project without git."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    return tmp_path


def write_stage(project: Path, out: str) -> None:
    """Write a stage with one out."""
    text = f"stages:\n  make:\n    cmd: make\n    outs:\n      - {out}\n"
    (project / "dvc.yaml").write_text(text)


@pytest.mark.parametrize("out", ["data", "data/prepared/mine", "data/raw/faces/a.zip"])
def test_an_out_that_dvc_pushes_is_refused(out: str, project: Path):
    """The out may be the folder, a parent or a file in it."""
    write_stage(project, out)
    check_images_stay_here("mine", REDISTRIBUTABLE, root=project)
    with pytest.raises(ConfigError, match=r"images of faces must not be pushed.*, pushed by DVC\."):
        check_images_stay_here("mine", ["synthetic", "faces"], root=project)


@pytest.mark.parametrize(
    "out",
    [
        "data/prepared/mine: {push: false}",
        "data/prepared/mine: {cache: false}",
        "data/prepared/mine_too",
        "results/mine",
    ],
)
def test_an_out_that_dvc_does_not_push_is_allowed(out: str, project: Path):
    """The out is not pushed, not cached, or another folder."""
    write_stage(project, out)
    check_images_stay_here("mine", ["faces"], root=project)


def test_a_project_without_git_is_checked_too(tmp_path: Path):
    """A downloaded archive has DVC's files and no git."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    analytics = false\n")
    check_images_stay_here("mine", ["faces"], root=tmp_path)
    write_stage(tmp_path, "data")
    with pytest.raises(ConfigError, match=r"images of faces must not be pushed.*, pushed by DVC\."):
        check_images_stay_here("mine", ["faces"], root=tmp_path)


def test_a_project_that_dvc_cannot_read_is_refused(project: Path):
    """What DVC would push is unknown: its reason is told in one sentence."""
    (project / "dvc.yaml").write_text("stages: 1\n")
    with pytest.raises(ConfigError, match=r"^DVC must be able to read the project.* Found: .*dvc"):
        check_images_stay_here("mine", ["faces"], root=project)


def test_a_report_that_git_sees_is_refused(tmp_path: Path):
    """Only files that show images must be ignored; tables need not be."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text(f"/{SHOWN[0]}\n/{SHOWN[1]}\n")
    with pytest.raises(ConfigError) as caught:
        check_images_stay_here("mine", ["faces"], root=tmp_path)
    assert str(caught.value) == (
        "Files that show images of faces must not be pushed, because sfsc/licence.py does not list "
        f"the set as redistributable. Found `{SHOWN[2]}`, not ignored by git. Mark a DVC out with "
        "`push: false` and add a file to .gitignore; or, if the licence allows redistribution, add "
        "the set to sfsc/licence.py."
    )
    (tmp_path / ".gitignore").write_text("\n".join(SHOWN))
    check_images_stay_here("mine", ["faces"], root=tmp_path)


def test_without_git_and_dvc_nothing_is_pushed(tmp_path: Path):
    """A plain copy of the project needs no settings."""
    check_images_stay_here("mine", ["faces"], root=tmp_path)
