"""The paper's study end to end, on miniatures of its sets in their official layouts."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from miniatures import write_paper_sets

from workspaces import ROOT, Workspace

pytestmark = pytest.mark.slow

STUDY = yaml.safe_load((ROOT / "studies" / "paper-miniature.yaml").read_text())
ROWS = yaml.safe_load((ROOT / "params.yaml").read_text())["compare"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a workspace in which the study has run."""
    workspace = Workspace.make(tmp_path_factory.mktemp("paper"))
    workspace.study = STUDY
    write_paper_sets(workspace.folder / "data" / "raw")
    result = workspace.run("--", "all")
    assert result.returncode == 0, result.stdout[-4000:]
    return workspace.folder


def test_every_method_has_a_number_on_every_set(finished: Path):
    """One row for each set and method, each mAP in percent."""
    table = pd.read_csv(finished / "reports/paper-miniature/tables/main.csv")
    assert len(table) == len(STUDY["datasets"]) * len(ROWS)
    assert set(table["method"]) == set(ROWS)
    assert table["average_map_mean"].between(0, 100).all()


@pytest.mark.parametrize("dataset", STUDY["datasets"])
def test_each_claim_is_judged_on_each_set(finished: Path, dataset: str):
    """None is left out, whatever the verdict on a miniature."""
    claims = json.loads((finished / "reports/paper-miniature/claims.json").read_text())
    found = {claim["id"] for claim in claims if claim["dataset"] == dataset}
    assert {f"C{number}" for number in range(1, 8)} <= found


def test_the_recipe_is_the_papers(finished: Path):
    """What differs from studies/paper.yaml is size: of images, of batches, of the training."""
    paper = yaml.safe_load((ROOT / "studies" / "paper.yaml").read_text())
    run = json.loads(
        (finished / "results/paper-miniature/market1501/sfsc/seed0/run.json").read_text()
    )
    assert run["network"]["backbone"] == paper["network"]["backbone"]
    loss = run["settings"]["loss"]
    assert loss["base"].items() >= paper["loss"]["base"].items()
    assert loss["terms"]["triplet"].items() >= paper["loss"]["terms"]["triplet"].items()
    for key in (
        *("optimizer", "learning_rate", "weight_decay", "schedule", "gradient_clip"),
        "precision",
    ):
        assert run["settings"]["train"][key] == paper["train"][key], key
