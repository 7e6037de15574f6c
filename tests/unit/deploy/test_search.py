"""A search finds what the evaluation found, and refuses what cannot be compared."""

import json
from pathlib import Path

import numpy as np
import pytest
from finished_trainings import write_training
from PIL import Image

from sfsc.cli import main
from sfsc.deploy.escalation import most_uncertain
from sfsc.deploy.export import export
from sfsc.deploy.gallery import Gallery
from sfsc.deploy.index import index
from sfsc.deploy.model import OnnxEmbedder
from sfsc.deploy.search import Escalation, search
from sfsc.deploy.space import read_space


@pytest.fixture
def gallery(photographs: list[Path], full: OnnxEmbedder, tmp_path: Path) -> Gallery:
    """All gallery images, by the full model."""
    return index(full, photographs, tmp_path / "gallery")


def test_a_photograph_finds_itself(gallery: Gallery, photographs: list[Path], full: OnnxEmbedder):
    """First, at a cosine of 1."""
    for query, _, (first, *_) in search(gallery, photographs, full, top=3):
        assert first.path == str(query)
        assert first.score == pytest.approx(1, abs=1e-3)
        assert first.same is None


def test_hits_are_those_of_the_embeddings(
    gallery: Gallery, queries: list[Path], small: OnnxEmbedder
):
    """A small model's queries in the full model's gallery."""
    answers = search(gallery, queries, small, top=5)
    scores = small.embed([small.read(path) for path in queries]) @ gallery.vectors.T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    found = [[hit.path for hit in answer.hits] for answer in answers]
    assert found == [[gallery.photographs[image].path for image in row] for row in order]


def test_the_uncertain_half_is_embedded_again(
    gallery: Gallery, queries: list[Path], small: OnnxEmbedder, full: OnnxEmbedder
):
    """Its hits are the larger model's, the others' are the small one's."""
    plain, better = (search(gallery, queries, model, top=4) for model in (small, full))
    mixed = search(gallery, queries, small, top=4, escalation=Escalation(0.5, full))
    widths = [answer.width for answer in mixed]
    assert widths.count(1.0) == len(queries) // 2
    for answer, one, other in zip(mixed, plain, better, strict=True):
        expected = other if answer.width == 1.0 else one
        assert [hit.path for hit in answer.hits] == [hit.path for hit in expected.hits]
        np.testing.assert_allclose(
            [h.score for h in answer.hits], [h.score for h in expected.hits], atol=1e-5
        )


def test_the_vaguest_scores_are_the_most_uncertain():
    """A hit that stands out is certain."""
    scores = np.array([[0.9, 0.1, 0.1], [0.5, 0.5, 0.5], [0.6, 0.5, 0.4]], dtype=np.float32)
    assert most_uncertain(scores, 0.3).tolist() == [1]
    assert most_uncertain(scores, 0.5).tolist() == [1, 2]
    assert most_uncertain(scores, 0.0).tolist() == []


@pytest.mark.parametrize("other", [{"seed": 1}, {"kind": "each"}], ids=["seed", "method"])
def test_another_space_is_refused(
    other: dict[str, object], gallery: Gallery, queries: list[Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    """The sentence names both models and their spaces."""
    stranger = export(write_training(tmp_path / "other", **other), tmp_path / "stranger")
    model = tmp_path / "stranger" / "width-0_25.onnx"
    code = main(["search", str(gallery.folder), str(queries[0]), "--model", str(model)])
    method = "independent" if "kind" in other else "sfsc"
    assert code == 1
    assert capsys.readouterr().err == (
        "ResultError: A query's model must be of the gallery's space. Found a gallery by sfsc on "
        f"synthetic, seed 0, width 1, float32 (space {gallery.model.space[:12]}) and a model that "
        f"is {method} on synthetic, seed {other.get('seed', 0)}, width 0.25, float32 (space "
        f"{stranger.spaces['0.25'][:12]}). Take a model of the export that made the gallery, or "
        "index the photographs again.\n"
    )


def test_the_threshold_is_that_of_the_pair(
    gallery: Gallery, queries: list[Path], exported: Path, capsys: pytest.CaptureFixture[str]
):
    """`same` is a cosine of at least the export's threshold, for each width that embedded."""
    arguments = [
        "search", str(gallery.folder), *map(str, queries), "--model",
        str(exported / "width-0_25.onnx"), "--threshold", "fmr=0.1", "--json", "--escalate", "0.5",
        "--with", str(exported / "width-1.onnx"),
    ]  # fmt: skip
    assert main(arguments) == 0
    thresholds = read_space(exported).thresholds
    answers = json.loads(capsys.readouterr().out)
    assert {answer["width"] for answer in answers} == {0.25, 1.0}
    for answer in answers:
        least = thresholds[f"{answer['width']:g}->1"]["fmr=0.1"]
        assert all(hit["same"] == (hit["score"] >= least) for hit in answer["hits"])


def test_an_unknown_rate_is_one_sentence(
    gallery: Gallery, queries: list[Path], exported: Path, capsys: pytest.CaptureFixture[str]
):
    """It lists the rates of the export."""
    model = str(exported / "width-0_25.onnx")
    arguments = ["search", str(gallery.folder), str(queries[0]), "--model", model]
    assert main([*arguments, "--threshold", "fmr=0.2"]) == 1
    assert capsys.readouterr().err == (
        "ConfigError: A threshold must be one that the export estimated for 0.25->1: fmr=0.1, "
        "fmr=0.01. Found `fmr=0.2`.\n"
    )


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--top", "0"], "`--top` must be at least 1. Found 0."),
        (["--escalate", "0.5"], "`--escalate` and `--with` must be given together."),
        (["--escalate", "2", "--with", "MODEL"], "must be a share from 0 to 1. Found 2."),
        (["--model", "QUERY"], "must be a model that `sfsc export` wrote. Found: "),
        (["--model", "none.onnx"], "none.onnx must be a model that `sfsc export` wrote."),
    ],
    ids=str,
)
def test_a_wrong_request_is_one_sentence(
    flags: list[str], sentence: str, gallery: Gallery, queries: list[Path], exported: Path,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    """No traceback and no hits."""
    model, query = str(exported / "width-0_25.onnx"), str(queries[0])
    given = [{"MODEL": model, "QUERY": query}.get(flag, flag) for flag in flags]
    assert main(["search", str(gallery.folder), query, "--model", model, *given]) == 1
    output = capsys.readouterr()
    assert sentence in output.err
    assert output.out == ""


def test_the_page_shows_hostile_names_as_text(
    full: OnnxEmbedder, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Markup is escaped, control characters and undecodable bytes are spelt out."""
    names = [
        "<script>alert(1)</script>.png",
        "\x1b[31mred.png",
        b"\xff.png".decode(errors="surrogateescape"),
    ]
    for number, name in enumerate(names):
        path = tmp_path / "photos" / name.replace("/", "\N{FRACTION SLASH}")
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 20), (80 * number, 0, 0)).save(path)
    gallery = index(full, sorted((tmp_path / "photos").iterdir()), tmp_path / "gallery")
    page = tmp_path / "hits.html"
    arguments = ["search", str(gallery.folder), *(p.path for p in gallery.photographs)]
    model = str(exported / "width-1.onnx")
    assert main([*arguments, "--model", model, "--html", str(page)]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\\x1b[31mred.png" in text
    html = page.read_text(encoding="utf-8")
    assert "<script>" not in html
    assert "\\udcff.png" in html
    assert html.count("data:image/jpeg;base64,") == 12
    assert "http" not in html


def test_a_gallery_that_names_other_files_shows_none_of_them(
    gallery: Gallery, queries: list[Path], exported: Path, tmp_path: Path
):
    """A file that is no photograph is shown by its name only."""
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    photo = gallery.photographs[0]._replace(path=str(secret))
    vectors = gallery.vectors[:1]
    forged = gallery.save(()).add([photo], vectors)
    page, model = tmp_path / "hits.html", str(exported / "width-1.onnx")
    arguments = ["search", str(forged.folder), str(queries[0]), "--model", model]
    assert main([*arguments, "--html", str(page)]) == 0
    html = page.read_text()
    assert "secret.txt" in html
    assert html.count("<img") == 1
