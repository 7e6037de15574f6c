"""The whole pipeline killed again and again ends with the tables of an undisturbed run."""

import subprocess
from pathlib import Path

import numpy as np
import yaml

from sfsc.provenance import digest_of

from workspaces import ROOT, Workspace

KILLS = 25
LONGEST = 15.0
"""Seconds between a start and its kill, at most."""


def smoke(folder: Path) -> Workspace:
    """Return a workspace of the smoke study in which nothing was made yet."""
    workspace = Workspace.make(folder)
    workspace.study = yaml.safe_load((ROOT / "studies" / "smoke.yaml").read_text())
    return workspace


def digests(workspace: Workspace) -> dict[str, str]:
    """Return the digests of the study's tables and verdicts."""
    reports = workspace.folder / "reports" / "smoke"
    files = [*sorted((reports / "tables").iterdir()), reports / "claims.json"]
    return {file.name: digest_of(file) for file in files}


def finish(workspace: Workspace) -> None:
    """Run the documented command to its end; it needs no other before it."""
    result = workspace.run("--", "all")
    assert result.returncode == 0, result.stdout
    assert workspace.planned() == {}


def kill(workspace: Workspace, seconds: float) -> bool:
    """Start the pipeline, kill it and all its jobs (SIGKILL); return whether it was still alive."""
    process = workspace.start("--", "all")
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return True
    finally:
        workspace.kill_group(process)
    assert process.returncode == 0
    return False


def test_kills_at_random_moments_change_no_table(tmp_path: Path):
    """25 kills, each followed by the same command.

    Where a run ends before its kill, another one begins, so that each kill hits a working pipeline.
    """
    undisturbed = smoke(tmp_path / "undisturbed")
    finish(undisturbed)
    expected = digests(undisturbed)
    moments, kills, round_ = np.random.default_rng(0), 0, 0
    while kills < KILLS:
        workspace = smoke(tmp_path / f"killed{round_}")
        while kills < KILLS and kill(workspace, moments.uniform(0.0, LONGEST)):
            kills += 1
        finish(workspace)
        assert digests(workspace) == expected
        round_ += 1
