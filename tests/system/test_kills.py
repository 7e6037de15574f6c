"""The whole pipeline killed again and again ends with the tables of an undisturbed run."""

import subprocess
from pathlib import Path

import numpy as np

from workspaces import Workspace

KILLS = 25
LONGEST = 15.0
"""Seconds between a start and its kill, at most."""


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
    undisturbed = Workspace.make_smoke(tmp_path / "undisturbed")
    undisturbed.finish()
    expected = undisturbed.digests()
    moments, kills, round_ = np.random.default_rng(0), 0, 0
    while kills < KILLS:
        workspace = Workspace.make_smoke(tmp_path / f"killed{round_}")
        while kills < KILLS and kill(workspace, moments.uniform(0.0, LONGEST)):
            kills += 1
        workspace.finish()
        assert workspace.digests() == expected
        round_ += 1
