"""The studies of the project."""

from pathlib import Path

import pytest
import yaml

from sfsc.settings.experiment import load_params

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "studies").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_is_valid_and_named_as_its_file(path: Path):
    """It fits `params.yaml` as that file is now."""
    assert load_params([ROOT / "params.yaml", path]).study == path.stem


def test_each_study_is_a_stage_of_dvc():
    """A clone pulls its results and makes it again."""
    stages = yaml.safe_load((ROOT / "studies" / "dvc" / "dvc.yaml").read_text())["stages"]
    names = [*stages["study"]["foreach"], *stages["restricted"]["foreach"]]
    assert sorted(names) == sorted(path.stem for path in STUDIES)
