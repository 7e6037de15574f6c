"""Everything that shows numbers of re-ranked tests mentions it, and nothing else does."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from result_files import rerank, write_embeddings

from sfsc.reporting.claims import write_claims
from sfsc.reporting.drawing import write_figures
from sfsc.reporting.report import write_report
from sfsc.reporting.tables.write import NAMES, write_tables
from sfsc.settings import parts
from sfsc.settings.jobs import StudyJob

SENTENCE = "All tests re-ranked by k-reciprocal neighbours (k1 20, k2 6, lambda 0.3)."
OF_ACCURACY = {"ablation", "accuracy_cost", "cross_test", "robustness", "twins"}


@pytest.fixture(scope="module")
def reranked(study: Path, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up study, its tests re-ranked."""
    folder = tmp_path_factory.mktemp("reranked") / "toy"
    shutil.copytree(study, folder)
    for path in folder.glob("*/*/*/cross_test.json"):
        rerank(path.parent)
    write_embeddings(folder / "synthetic" / "sfsc" / "seed0", prepared)
    return folder


def caption(name: str, job: StudyJob, study: Path, output: Path, data: Path | None) -> str:
    """Return the caption of a figure of a study."""
    write_figures([name], job, study, dataset="synthetic", output=output, data_dir=data)
    return str(json.loads((output / f"synthetic_{name}.json").read_text())["caption"])


@pytest.mark.parametrize("name", parts.names("reporting.figures"))
def test_figures_of_accuracy_say_so(
    name: str, job: StudyJob, study: Path, reranked: Path, prepared: Path, tmp_path: Path
):
    """Once each; the sheet of searches, which ranks by cosine, says that it is not re-ranked."""
    found = caption(name, job, reranked, tmp_path / "reranked", prepared)
    assert found.count(SENTENCE) == (name in OF_ACCURACY)
    assert ("not re-ranked" in found) == (name == "retrieval")
    if name in OF_ACCURACY:
        plain = caption(name, job, study, tmp_path / "plain", None)
        assert found.replace(f"{SENTENCE} ", "") == plain


def test_tables_claims_and_the_page_say_so(
    job: StudyJob, reports: Path, reranked: Path, tmp_path: Path
):
    """Each table's note, the head of the claims, and the page beside each of them."""
    write_tables(job, reranked, tmp_path / "tables", tmp_path / "metrics.json", [])
    write_claims(job, reranked, tmp_path / "claims.json")
    write_report(
        job, reranked, tables=tmp_path / "tables",
        claims=tmp_path / "claims.json", figures=[], sheets=[], choices=[],
        cost=reports / "cost.csv", output=tmp_path / "index.html",
    )  # fmt: skip
    texts = [*(f"tables/{kind}.{suffix}" for kind in NAMES if kind != "conflicts"
               for suffix in ("md", "tex")), "claims.md"]  # fmt: skip
    for name in texts:
        text = (tmp_path / name).read_text()
        assert text.count(SENTENCE) == 1, name
        assert "re-ranked" not in (reports / name).read_text()
    assert (tmp_path / "index.html").read_text().count(SENTENCE) == 5
    for folder, unit, prefix in (
        (tmp_path, "points of re-ranked mAP", "reranked_"),
        (reports, "points of mAP", ""),
    ):
        claims = json.loads((folder / "claims.json").read_text())
        units = {part["unit"] for claim in claims for part in claim["parts"]}
        assert {name for name in units if "mAP" in name} == {unit}
        metrics = json.loads((folder / "metrics.json").read_text())
        names = {name for runs in metrics.values() for of_run in runs.values() for name in of_run}
        assert {name.removeprefix(prefix) for name in names} >= {"average_map_mean", "minp_std"}
        assert all(name.startswith(prefix) for name in names)
    for folder, words in ((tmp_path, "k1 20, k2 6, lambda 0.3"), (reports, "none")):
        with (folder / "tables" / "main.csv").open() as file:
            assert {row["reranking"] for row in csv.DictReader(file)} == {words}
