"""Several Snakemakes in one folder neither change nor delete what another one makes."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workspaces import Workspace

pytestmark = pytest.mark.slow

LONG = 100_000
"""Epochs that no test waits for."""


@pytest.fixture
def short(workspace: Workspace) -> Workspace:
    """A workspace whose study is one training of one epoch."""
    workspace.drop_variations()
    workspace.study |= {"compare": ["bct_s"]}
    workspace.study["train"] |= {"epochs": 1, "checkpoint_every": 1}
    return workspace


def named(workspace: Workspace, study: str, **train: object) -> Workspace:
    """Return another study in the same folder, with an overlay of its own."""
    other = Workspace(workspace.folder)
    other.study = json.loads(json.dumps(workspace.study)) | {"study": study}
    other.study["train"] |= train
    other.overlay = f"{study}.yaml"
    return other


def model_of(study: str, seed: int = 0) -> Path:
    """Return the weights of a study's training."""
    return Path(f"results/{study}/synthetic/bct_s/seed{seed}/model.safetensors")


@contextmanager
def running(workspace: Workspace, *targets: Path) -> Iterator[None]:
    """Run Snakemake on targets, until its first training has a checkpoint; kill it at the end."""
    process = workspace.start("--", *map(str, targets))
    try:
        folder = workspace.folder / targets[0].parent / "checkpoints"
        wait(lambda: any(folder.glob("epoch*.json")))
        yield
        assert process.poll() is None, "the study was to run longer than the test"
    finally:
        workspace.kill_group(process)


def wait(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_edit_does_not_reach_a_study_that_is_running(short: Workspace):
    """Neither a dry run nor a second Snakemake changes what a job that starts later computes."""
    short.study |= {"seeds": [0, 1], "variation_seeds": [0]}
    original = named(short, "busy", epochs=LONG)
    edited = named(short, "busy", epochs=2)
    edited.overlay = "edited.yaml"
    targets = [model_of("busy", seed) for seed in (0, 1)]
    with running(original, *targets):
        assert edited.planned()["train_bct_s"] == 2
        refused = edited.run("--", str(targets[1]))
        assert refused.returncode == 1
        assert "Only one Snakemake may make study `busy`" in refused.stdout
        for target in targets:
            config = json.loads((short.folder / target.parent / "config/train.json").read_text())
            assert config["config"]["train"]["epochs"] == LONG


def test_a_third_snakemake_deletes_nothing(short: Workspace):
    """The first removes all locks as it ends; the second still owns its study and its training."""
    first, second = named(short, "aaa"), named(short, "bbb", epochs=LONG)
    model = model_of("bbb")
    with running(second, model):
        done = first.run("--", str(model_of("aaa")))
        assert done.returncode == 0, done.stdout
        assert not list((short.folder / ".snakemake").glob("locks/*"))
        third = second.run("--", str(model))
        assert third.returncode == 1
        assert "Only one Snakemake may make study `bbb`" in third.stdout
        folder = short.folder / model.parent / "checkpoints"
        last = max(folder.glob("epoch*.json"))
        wait(lambda: max(folder.glob("epoch*.json")) > last)  # the training goes on


def test_a_training_has_its_folder_to_itself(short: Workspace):
    """A trainer that outlived its Snakemake is not disturbed by another one."""
    study = named(short, "busy", epochs=LONG)
    model = model_of("busy")
    with running(study, model):
        command = study.run("--dry-run", "-p", "--nolock", "--forcerun", "--", str(model))
        (line,) = [x for x in command.stdout.splitlines() if "sfsc train" in x]
        result = study.stage(line.partition("sfsc ")[2].partition(" > ")[0].split())
        assert result.returncode == 1
        assert result.stderr.startswith(
            f"ResultError: A training must have {model.parent}/checkpoints to itself. Found "
            "another one at work there, process "
        )
