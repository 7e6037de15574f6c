"""Every figure of a made-up study: drawn, described, the same bytes again."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image
from result_files import write_embeddings, write_run

from sfsc.errors import ResultError
from sfsc.reporting.figures import FIGURES, write_figure


@pytest.fixture(scope="module")
def embedded(study: list[Path], prepared: Path) -> list[Path]:
    """The study with embeddings of its SFSC runs."""
    for run in study:
        if run.parent.name == "sfsc":
            write_embeddings(run, prepared)
    return study


@pytest.mark.parametrize("name", [*FIGURES, "retrieval"])
def test_a_figure_is_a_vector_a_bitmap_and_words(
    name: str, embedded: list[Path], prepared: Path, tmp_path: Path
):
    """A caption with data set and seeds, an alternative text, and nothing from another host."""
    output = tmp_path / "figures" / f"synthetic_{name}.svg"
    write_figure(name, embedded, output, prepared)
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


@pytest.mark.parametrize("name", ["cross_test", "conflicts"])
def test_drawing_again_gives_the_same_bytes(name: str, study: list[Path], tmp_path: Path):
    """No dates, no random identifiers."""
    for folder in ("a", "b"):
        write_figure(name, study, tmp_path / folder / "figure.svg", None)
    for suffix in (".svg", ".png", ".json"):
        first, second = (tmp_path / folder / f"figure{suffix}" for folder in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("method", ["unified", "a_new_idea"])
def test_one_run_of_any_method_is_enough(name: str, method: str, tmp_path: Path):
    """One seed, one network, an unknown name: nothing to compare with, still a figure."""
    run = write_run(tmp_path / "results", method=method, steps=12)
    write_figure(name, [run], tmp_path / "figure.svg", None)
    assert (tmp_path / "figure.svg").is_file()


def test_an_unknown_figure_is_refused(study: list[Path], tmp_path: Path):
    """The sentence lists the known ones."""
    with pytest.raises(ResultError) as error:
        write_figure("pie", study, tmp_path / "figure.svg", None)
    assert str(error.value) == (
        "A figure must be one of cross_test, accuracy_cost, gradient_norm, conflicts, uncertainty, "
        "retrieval. Found `pie`."
    )


def test_a_training_without_records_is_refused(tmp_path: Path):
    """The sentence names the file and the metric."""
    run = write_run(tmp_path / "results", method="unified")
    (run / "training.parquet").write_bytes(b"PAR1")
    with pytest.raises(ResultError, match="must be the record of a finished training"):
        write_figure("uncertainty", [run], tmp_path / "figure.svg", None)
    assert not (tmp_path / "figure.svg").exists()
