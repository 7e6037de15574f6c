"""A new user's way: from photographs to a search over them, by the commands that are printed."""

import json
import re
import shlex

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


def test_photos_become_a_search_over_them(workspace: Workspace):
    """`sfsc new`, `sfsc check`, what is printed, and a search, on a set without cameras."""
    photos = without_cameras(write_photos(workspace.folder / "my photos/cars"))
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
    export = re.search(r"sfsc (export .+)", made.stdout)
    assert export, made.stdout
    run(workspace, export[1])
    run(workspace, "index --model exports/cars/width-1.onnx 'my photos/cars' --output gallery")
    files = [str(file) for file in photos.glob("*/*.jpg")]
    query = shlex.quote(files[0])
    found = run(workspace, f"search gallery {query} --model exports/cars/width-0_25.onnx --json")
    (answer,) = json.loads(found)
    assert len(answer["hits"]) == 10
    assert {hit["path"] for hit in answer["hits"]} <= set(files)


def run(workspace: Workspace, command: str) -> str:
    """Run a command of `sfsc` and return what it prints."""
    result = workspace.stage(shlex.split(command))
    assert result.returncode == 0, result.stderr
    return result.stdout
