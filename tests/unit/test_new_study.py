"""`sfsc new`: photographs in folders become a study that is valid, or all mistakes are told."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from miniatures import truncate
from PIL import Image

from sfsc.cli import main
from sfsc.data.sets.custom import Settings, build
from sfsc.errors import ConfigError
from sfsc.new_study import new_study
from sfsc.settings.experiment import load_params

from photos import without_cameras, write_photos

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, a project without results."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    return Path.cwd()


@pytest.fixture
def cars(project: Path) -> Path:
    """Photographs of 12 cars by two cameras, beside the project."""
    return write_photos(project.parent / "cars")


def refusal(photos: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return what the command says to mistakes; it must have written nothing."""
    before = sorted(Path.cwd().rglob("*"))
    assert main(["new", str(photos), *options]) == 1
    assert sorted(Path.cwd().rglob("*")) == before
    return capsys.readouterr().err


def test_photos_become_a_valid_study(cars: Path, project: Path):
    """Paths, identities and cameras are those of the folders; the set passes its own checks."""
    lines = new_study(cars)
    assert lines[0] == (
        "Found 48 images of 12 identities: 6 to train on, 2 for validation, 4 for the test."
    )
    assert "snakemake --configfile studies/cars.yaml -- all" in "\n".join(lines)
    params = load_params([Path("params.yaml"), Path("studies/cars.yaml")])
    settings = params.data.sets["custom"]
    assert isinstance(settings, Settings)
    assert (settings.table, settings.camera) == ("cars/images.csv", "column")
    assert (settings.image_height, settings.image_width) == (32, 32)
    prepared = build(
        settings, project / "data/raw/custom", validation_fraction=0.3, packed=project / "a.npy"
    )
    assert prepared.manifest.path[0] == str(cars / "car 00/camera 0/0.jpg")
    assert sorted(set(prepared.manifest.camera.tolist())) == [0, 1]
    assert len(prepared.manifest.identities("query")) == 4
    prepared.check()


def test_photos_without_cameras_become_a_study_without_cameras(cars: Path):
    """The table then has no column of cameras."""
    new_study(without_cameras(cars))
    params = load_params([Path("params.yaml"), Path("studies/cars.yaml")])
    settings = params.data.sets["custom"]
    assert isinstance(settings, Settings)
    assert settings.camera == "none"
    packed = Path("images.npy").absolute()
    prepared = build(settings, Path("data/raw/custom"), validation_fraction=0.3, packed=packed)
    prepared.check()
    assert len(prepared.manifest.rows("query")) == len(prepared.manifest.rows("gallery")) == 8


def test_photos_in_the_project_have_relative_paths(project: Path):
    """The project can be moved with them."""
    new_study(write_photos(project / "data/photos/cars"))
    line = Path("data/raw/custom/cars/images.csv").read_text().splitlines()[1]
    assert line == "../../../photos/cars/car 00/camera 0/0.jpg,0,0,gallery"


def test_two_studies_have_a_table_each(cars: Path):
    """The second set of photographs takes nothing from the first."""
    new_study(cars)
    new_study(cars, "other")
    assert yaml.safe_load(Path("studies/other.yaml").read_text())["study"] == "other"
    assert Path("data/raw/custom/cars/images.csv").exists()
    assert Path("data/raw/custom/other/images.csv").exists()


def test_git_ignores_what_shows_the_photos(cars: Path):
    """The lines are added once, after those of the user, and satisfy the guard."""
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path(".gitignore").write_text("/mine/\n/reports/cars/index.html")
    new_study(cars)
    assert Path(".gitignore").read_text() == (
        "/mine/\n/reports/cars/index.html\n/reports/cars/figures/*_retrieval.*\n"
    )


def test_photos_that_dvc_would_push_are_refused(cars: Path):
    """The licence guard has the last word: no study is written."""
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    no_scm = true\n")
    Path("dvc.yaml").write_text("stages:\n  make:\n    cmd: make\n    outs: [data/raw]\n")
    with pytest.raises(ConfigError, match="`data/raw/custom`, pushed by DVC"):
        new_study(cars)
    assert not Path("studies").exists()


def test_all_mistakes_are_told_at_once(cars: Path, capsys: pytest.CaptureFixture[str]):
    """The name, the layout, damaged images and copies, a sentence for each."""
    for identity in range(7, 12):
        shutil.rmtree(cars / f"car {identity:02d}")
    shutil.rmtree(cars / "car 06/camera 0")
    truncate(cars / "car 00/camera 0/0.jpg")
    (cars / "car 01/camera 0/0.jpg").write_text("<svg/>")
    Image.new("RGB", (20, 20)).save(cars / "stray.png")
    first, *lines = refusal(cars, capsys, "--name", "My Cars").splitlines()
    assert first == f"DataError: {cars} has 5 mistakes:"
    sentences = (
        (
            "The name of a study must begin with a letter a to z, and go on with at most 59 of a "
            "to z, 0 to 9, _ and -. Found `My Cars`; give another, such as `--name my-cars`."
        ),
        (
            "Every image must be in the folder of its identity, or of a camera in it. Found "
            "`stray.png`."
        ),
        "There must be at least 8 folders, one for each identity. Found 7.",
        (
            "Every identity must have images of at least 2 cameras. Found 1 of `car 06`. Without "
            "folders of cameras, 2 images are enough."
        ),
        (
            "Every image must be a readable JPEG or PNG or WEBP or BMP file. Found `car 00/camera "
            "0/0.jpg` (Premature end of JPEG file), `car 01/camera 0/0.jpg` (another format)."
        ),
    )
    assert lines == [f"  - {sentence}" for sentence in sentences]


def test_copies_are_told(cars: Path, capsys: pytest.CaptureFixture[str]):
    """One picture under two names may not be a query and its answer, whatever its format."""
    for identity in range(12):
        first = cars / f"car {identity:02d}/camera 0/0.jpg"
        with Image.open(first) as picture:
            picture.save(cars / f"car {identity:02d}/camera 1/copy.png")
    assert "No image may be in two splits. Found the same image as `car " in refusal(cars, capsys)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("2cars", "Found `2cars`; give another, such as `--name photos`."),
        ("../cars", "Found `../cars`; give another, such as `--name cars`."),
        ("Cars of 2024", "Found `Cars of 2024`; give another, such as `--name cars-of-2024`."),
        ("a" * 61, f"such as `--name {'a' * 60}`."),
        ("default", "Found `study: default` in params.yaml; give another with `--name`."),
        ("taken", "Found `results/taken`; give another with `--name`."),
    ],
)
def test_a_name_must_be_usable_and_free(
    cars: Path, name: str, sentence: str, capsys: pytest.CaptureFixture[str]
):
    """It names folders; nothing of another study is overwritten."""
    Path("results/taken").mkdir(parents=True)
    assert sentence in refusal(cars, capsys, "--name", name)


def test_a_study_is_never_overwritten(cars: Path, capsys: pytest.CaptureFixture[str]):
    """The same command a second time is a mistake."""
    new_study(cars)
    assert "nothing is overwritten. Found `studies/cars.yaml`" in refusal(cars, capsys)


def test_the_command_belongs_into_a_project(
    cars: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Elsewhere, and without a folder of photographs, a sentence says so."""
    assert "must be a folder of photographs. Found none." in refusal(cars / "none", capsys)
    monkeypatch.chdir(cars)
    assert "must be run in the folder of params.yaml" in refusal(cars, capsys)
