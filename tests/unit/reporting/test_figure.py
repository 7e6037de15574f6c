"""Every figure of a made-up study: drawn, described, the same bytes again."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image
from result_files import small_job, write_embeddings, write_run

from sfsc.errors import ResultError
from sfsc.reporting.figure import write_figure
from sfsc.settings import parts
from sfsc.settings.jobs import StudyJob

FIGURES = parts.names("reporting.figures")


@pytest.fixture(scope="module")
def embedded(study: Path, prepared: Path) -> Path:
    """The study with embeddings of an SFSC run."""
    write_embeddings(study / "synthetic" / "sfsc" / "seed0", prepared)
    return study


def draw(name: str, job: StudyJob, results: Path, output: Path, data: Path | None = None) -> None:
    """Draw a figure of the made-up data set."""
    write_figure(name, job, results, dataset="synthetic", output=output, data_dir=data)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_a_vector_a_bitmap_and_words(
    name: str, job: StudyJob, embedded: Path, prepared: Path, tmp_path: Path
):
    """A caption with data set and seeds, an alternative text, and nothing from another host."""
    output = tmp_path / "figures" / f"synthetic_{name}.svg"
    draw(name, job, embedded, output, prepared)
    svg = ET.parse(output).getroot()  # noqa: S314 - written a line above
    assert svg.tag.endswith("svg")
    references = re.findall(r'(?:href|src)="([^"]{0,20})', output.read_text())
    assert all(reference.startswith(("#", "data:image/png")) for reference in references)
    with Image.open(output.with_suffix(".png")) as image:
        assert image.width == 1420
    words = json.loads(output.with_suffix(".json").read_text())
    assert words["dataset"] == "synthetic"
    assert "synthetic" in words["caption"]
    assert "seed" in words["caption"]
    assert words["title"]
    assert words["alternative"].endswith(".")
    assert sorted(path.suffix for path in output.parent.iterdir()) == [".json", ".png", ".svg"]


@pytest.mark.parametrize("name", ["cross_test", "conflicts", "robustness"])
def test_drawing_again_gives_the_same_bytes(name: str, job: StudyJob, study: Path, tmp_path: Path):
    """No dates, no random identifiers."""
    for folder in ("a", "b"):
        draw(name, job, study, tmp_path / folder / "figure.svg")
    for suffix in (".svg", ".png", ".json"):
        first, second = (tmp_path / folder / f"figure{suffix}" for folder in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "retrieval"])
@pytest.mark.parametrize("method", ["unified", "a_new_idea", "independent"])
def test_one_run_of_any_method_is_enough(name: str, method: str, tmp_path: Path):
    """One seed, one network, no variations: nothing to compare with, still a figure."""
    write_run(tmp_path / "results", method=method, steps=12)
    job = small_job(method, seeds=(0,), variation_seeds=(0,))
    draw(name, job, tmp_path / "results", tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").is_file()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "conflicts",
            "No method here has several sub-models in one network: no pairs, no conflicts.",
        ),
        ("priority", "This study compares neither BCT-S nor SFSC."),
        ("twins", "This study does not compare independent networks with a switchable one."),
        ("ablation", "This study has no ablation conditions."),
        ("robustness", "This study has no robustness conditions."),
    ],
)
def test_what_a_study_lacks_is_said(name: str, sentence: str, tmp_path: Path):
    """In the figure's words too."""
    write_run(tmp_path / "results", method="independent", steps=12)
    job = small_job("independent", seeds=(0,), variation_seeds=(0,))
    draw(name, job, tmp_path / "results", tmp_path / "figure.svg")
    words = json.loads((tmp_path / "figure.json").read_text())
    assert words["alternative"] == sentence
    assert words["caption"].startswith(sentence)


def test_conflicts_are_those_of_methods_with_pairs(job: StudyJob, study: Path, tmp_path: Path):
    """The ablation of the parts is there; separate networks are not."""
    draw("conflicts", job, study, tmp_path / "figure.svg")
    words = json.loads((tmp_path / "figure.json").read_text())["alternative"]
    assert "SFSC without projection" in words
    assert "BCT-S" in words
    assert "BCT " not in words
    assert "Independent" not in words


def test_robustness_shows_each_condition(job: StudyJob, study: Path, tmp_path: Path):
    """Numbers and names; where SFSC alone is varied, BCT-S stands beside it."""
    draw("robustness", job, study, tmp_path / "figure.svg")
    words = json.loads((tmp_path / "figure.json").read_text())["alternative"]
    assert "KL weight: SFSC 0 5" in words
    assert "0.0005 6" in words
    assert "circle triplet 5" in words
    assert words.count("BCT-S") == 2


def test_an_unknown_figure_is_refused(job: StudyJob, study: Path, tmp_path: Path):
    """The sentence lists the known ones."""
    with pytest.raises(ResultError) as error:
        draw("pie", job, study, tmp_path / "figure.svg")
    assert str(error.value) == (
        "A figure must be one of ablation, accuracy_cost, conflicts, cross_test, gradient_norm, "
        "priority, retrieval, robustness, twins, uncertainty. Found `pie`."
    )


def test_searches_need_the_images(job: StudyJob, study: Path, tmp_path: Path):
    """The sentence names the option."""
    with pytest.raises(ResultError) as error:
        draw("retrieval", job, study, tmp_path / "figure.svg")
    assert str(error.value) == "The figure `retrieval` must have a prepared set. Add `--data`."


def test_a_training_without_records_is_refused(tmp_path: Path):
    """The sentence names the file and the metric."""
    run = write_run(tmp_path / "results", method="unified")
    (run / "training.parquet").write_bytes(b"PAR1")
    job = small_job("unified", seeds=(0,))
    with pytest.raises(ResultError, match="must be the record of a finished training"):
        draw("uncertainty", job, tmp_path / "results", tmp_path / "figure.svg")
    assert not (tmp_path / "figure.svg").exists()
