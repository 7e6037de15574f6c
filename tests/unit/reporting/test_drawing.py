"""Every figure of a made-up study: drawn, described, the same bytes again."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib.text import Text
from PIL import Image
from result_files import small_job, write_embeddings, write_run

from sfsc.errors import ResultError
from sfsc.reporting.drawing import write_figures
from sfsc.reporting.runs import Results
from sfsc.reporting.style import LINE_POINTS, readable, theme
from sfsc.settings import parts
from sfsc.settings.jobs import StudyJob

FIGURES = parts.names("reporting.figures")


@pytest.fixture(scope="module")
def embedded(study: Path, prepared: Path) -> Path:
    """The study with embeddings of an SFSC run."""
    write_embeddings(study / "synthetic" / "sfsc" / "seed0", prepared)
    return study


def draw(name: str, job: StudyJob, results: Path, output: Path, data: Path | None = None) -> Path:
    """Draw a figure of the made-up data set into a folder; return its SVG file."""
    write_figures([name], job, results, dataset="synthetic", output=output, data_dir=data)
    return output / f"synthetic_{name}.svg"


def read_words(svg: Path) -> dict[str, str]:
    """Return the words of a figure."""
    return dict(json.loads(svg.with_suffix(".json").read_text()))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_a_vector_a_bitmap_and_words(
    name: str, job: StudyJob, embedded: Path, prepared: Path, tmp_path: Path
):
    """A caption with data set and seeds, an alternative text, and nothing from another host."""
    output = draw(name, job, embedded, tmp_path / "figures", prepared)
    svg = ET.parse(output).getroot()  # noqa: S314 - written a line above
    assert svg.tag.endswith("svg")
    references = re.findall(r'(?:href|src)="([^"]{0,20})', output.read_text())
    assert all(reference.startswith(("#", "data:image/png")) for reference in references)
    with Image.open(output.with_suffix(".png")) as image:
        assert image.width == 1420
    words = read_words(output)
    assert words["dataset"] == "synthetic"
    assert "synthetic" in words["caption"]
    assert "seed" in words["caption"]
    assert words["title"]
    assert words["alternative"].endswith(".")
    assert sorted(path.suffix for path in output.parent.iterdir()) == [".json", ".png", ".svg"]


@pytest.mark.parametrize("name", ["cross_test", "conflicts", "conflict_map", "robustness"])
def test_drawing_again_gives_the_same_bytes(name: str, job: StudyJob, study: Path, tmp_path: Path):
    """No dates, no random identifiers."""
    first, second = (draw(name, job, study, tmp_path / folder) for folder in ("a", "b"))
    for suffix in (".svg", ".png", ".json"):
        assert first.with_suffix(suffix).read_bytes() == second.with_suffix(suffix).read_bytes()


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "retrieval"])
@pytest.mark.parametrize("method", ["unified", "a_new_idea", "independent"])
def test_one_run_of_any_method_is_enough(name: str, method: str, tmp_path: Path):
    """One seed, one network, no variations: nothing to compare with, still a figure."""
    write_run(tmp_path / "results", method=method, steps=12)
    job = small_job(method, seeds=(0,), variation_seeds=(0,))
    assert draw(name, job, tmp_path / "results", tmp_path).is_file()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "conflicts",
            "No method here has several sub-models in one network: no pairs, no conflicts.",
        ),
        ("conflict_map", "This study does not vary BCT-S."),
        ("priority", "This study compares neither BCT-S nor SFSC."),
        ("twins", "This study does not compare independent networks with a switchable one."),
        ("ablation", "This study has no ablation conditions."),
        ("robustness", "This study has no robustness conditions."),
    ],
)
def test_what_a_study_lacks_is_said(name: str, sentence: str, tmp_path: Path):
    """In the figure and in its words."""
    write_run(tmp_path / "results", method="independent", steps=12)
    job = small_job("independent", seeds=(0,), variation_seeds=(0,))
    words = read_words(draw(name, job, tmp_path / "results", tmp_path))
    assert words["alternative"] == sentence
    assert words["caption"].startswith(sentence)


def test_conflicts_are_those_of_methods_with_pairs(job: StudyJob, study: Path, tmp_path: Path):
    """The ablation of the parts is there; separate networks are not."""
    words = read_words(draw("conflicts", job, study, tmp_path))["alternative"]
    assert "SFSC without projection" in words
    assert "BCT-S" in words
    assert "BCT " not in words
    assert "Independent" not in words


def test_robustness_shows_each_condition(job: StudyJob, study: Path, tmp_path: Path):
    """Numbers and names; where SFSC alone is varied, BCT-S stands beside it."""
    words = read_words(draw("robustness", job, study, tmp_path))["alternative"]
    assert "KL weight: SFSC 0 5" in words
    assert "0.0005 6" in words
    assert "circle triplet 5" in words
    assert words.count("BCT-S") == 2


def test_accuracy_against_cost_describes_both_panels(job: StudyJob, study: Path, tmp_path: Path):
    """Independent networks are at the right alone."""
    words = read_words(draw("accuracy_cost", job, study, tmp_path))["alternative"]
    left, right = words.split(" Right, self-test mAP: ")
    assert "Independent: width 1/8 " in right
    assert "Independent" not in left
    assert [panel.count("SFSC (ours): width 1/8 ") for panel in (left, right)] == [1, 1]


def test_the_conflict_map_shows_each_condition_of_bct_s(job: StudyJob, study: Path, tmp_path: Path):
    """Under the name of its variation; variations of SFSC alone are not there."""
    words = read_words(draw("conflict_map", job, study, tmp_path))["alternative"]
    assert re.findall(r"[\w ]+(?= \d+ % and \d+ % conflicts)", words) == [
        " softmax", " ArcFace", " circle triplet"
    ]  # fmt: skip
    assert words.startswith("Base loss: softmax ")
    assert "KL weight" not in words


def test_an_unknown_figure_is_refused(job: StudyJob, study: Path, tmp_path: Path):
    """The sentence lists the known ones."""
    with pytest.raises(ResultError) as error:
        draw("pie", job, study, tmp_path)
    assert str(error.value) == (
        "A figure must be one of ablation, accuracy_cost, conflict_map, conflicts, cross_test, "
        "gradient_norm, priority, retrieval, robustness, twins, uncertainty. Found `pie`."
    )


def test_searches_need_the_images(job: StudyJob, study: Path, tmp_path: Path):
    """The sentence names the option."""
    with pytest.raises(ResultError) as error:
        draw("retrieval", job, study, tmp_path)
    assert str(error.value) == (
        "Figure `retrieval` of synthetic: The prepared set must be given. Add `--data`."
    )


def test_a_training_without_records_is_refused(tmp_path: Path):
    """The sentence names the figure and the file; the figures drawn before it are there."""
    run = write_run(tmp_path / "results", method="unified")
    (run / "training.parquet").write_bytes(b"PAR1")
    job = small_job("unified", seeds=(0,))
    with pytest.raises(ResultError) as error:
        write_figures(
            ["cross_test", "uncertainty"], job, tmp_path / "results", dataset="synthetic",
            output=tmp_path, data_dir=None,
        )  # fmt: skip
    assert str(error.value).startswith(
        f"Figure `uncertainty` of synthetic: {run / 'training.parquet'} must be the record of a "
        "finished training. Found: "
    )
    assert (tmp_path / "synthetic_cross_test.svg").exists()
    assert not (tmp_path / "synthetic_uncertainty.svg").exists()


def test_a_fault_in_a_figure_names_it(
    job: StudyJob, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Ten figures are drawn by one process: a traceback alone may not tell which one failed."""
    monkeypatch.setattr("sfsc.reporting.figures.twins.draw", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError) as error:
        draw("twins", job, study, tmp_path)
    assert error.value.__notes__ == ["This happened in figure `twins` of synthetic."]


@pytest.mark.parametrize(
    ("name", "n_panels"),
    [
        ("accuracy_cost", 1), ("conflicts", 1), ("gradient_norm", 11), ("priority", 4),
        ("twins", 1), ("uncertainty", 9),
    ],
)  # fmt: skip
def test_names_are_beside_the_ends_of_their_lines(
    name: str, n_panels: int, job: StudyJob, study: Path
):
    """A name is moved from its line's end only as far as overlapping names require."""
    with theme():
        draw_figure = parts.load("reporting.figures", name).draw
        figure = draw_figure(Results(job, study, "synthetic")).figure
        figure.draw_without_rendering()
    n_labelled = 0
    for axes in figure.axes:
        names = [text for text in axes.findobj(Text) if text.get_position()[0] == 1.02]
        names = [text for text in names if text.get_text() != "Independent"]  # has no line here
        gap = LINE_POINTS / 72 * figure.dpi / axes.bbox.height
        to_axes = axes.transData + axes.transAxes.inverted()
        ends = {
            readable(line.get_color()): to_axes.transform((0, line.get_ydata()[-1]))[1]
            for line in axes.lines
            if line.get_transform() == axes.transData and line.get_linestyle() != "None"
        }
        for text in names:
            end = ends.get(text.get_color(), max(ends.values()) + gap)  # the heading is above all
            assert abs(text.get_position()[1] - end) < len(names) * gap
        n_labelled += bool(names)
    assert n_labelled == n_panels
