"""A new user's way: from photographs to a trained study, by the commands that are printed."""

import re

import pytest
import yaml

from photos import without_cameras, write_photos
from workspaces import Workspace

pytestmark = pytest.mark.slow

TINY = {
    "seeds": [0],
    "variation_seeds": [0],
    "compare": ["unified", "sfsc"],
    "network": {"widths": [0.25, 1.0]},
    "train": {"epochs": 1, "validate_every": 1},
}
"""What makes the study of a test short."""


def test_photos_become_a_trained_study(workspace: Workspace):
    """`sfsc new`, `sfsc check` and the command that was printed, on a set without cameras."""
    without_cameras(write_photos(workspace.folder / "my photos/cars"))
    made = workspace.stage(["new", "my photos/cars"])
    assert made.returncode == 0, made.stderr
    checked = workspace.stage(["check", "params.yaml", "studies/cars.yaml"])
    assert checked.stdout == "The parameters are valid.\n", checked.stderr
    snakemake = re.search(r"snakemake --configfile (\S+) -- all", made.stdout)
    assert snakemake, made.stdout
    workspace.overlay = snakemake[1]
    study = workspace.folder / workspace.overlay
    workspace.study = yaml.safe_load(study.read_text())
    for key, value in TINY.items():
        old = workspace.study.get(key)
        workspace.study[key] = old | value if isinstance(old, dict) else value
    result = workspace.run("--", "all")
    assert result.returncode == 0, result.stdout
    assert (workspace.folder / "reports/cars/index.html").exists()
    run = re.search(r"sfsc export (\S+)", made.stdout)
    assert run, made.stdout
    assert (workspace.folder / run[1] / "model.safetensors").exists()
