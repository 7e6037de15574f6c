"""The pipeline as batch jobs of a real SLURM, whose one node is this machine."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workspaces import Workspace

SCRIPT = Path(__file__).with_name("slurm.sh")
ON_CLUSTER = ("--profile", "profiles/slurm", "--workflow-profile", "none")
KILLED = {"CANCELLED", "FAILED"}


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """SLURM, started before the first test and stopped after the last."""
    if not shutil.which("slurmctld"):
        pytest.skip("SLURM must be installed; tests/system/install.sh does so.")
    folder = str(tmp_path_factory.mktemp("slurm"))
    try:
        subprocess.run([SCRIPT, "start", folder], check=True)
        yield
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True)


def jobs() -> dict[str, str]:
    """Return the state of each job that SLURM remembers: those of the last five minutes."""
    command = ["squeue", "--noheader", "--states=all", "--format=%i %T"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(line.split() for line in lines)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.1)


def test_a_study_ends_with_the_tables_of_a_local_run(tmp_path: Path):
    """Every job but the mirror, which is local, goes through SLURM; nothing is left to do then."""
    local = Workspace.make_smoke(tmp_path / "local")
    local.finish()
    clustered = Workspace.make_smoke(tmp_path / "clustered")
    submitted = sum(clustered.planned().values()) - 1
    result = clustered.run(*ON_CLUSTER, "--", "all")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("has been submitted with SLURM jobid") == submitted
    assert clustered.planned() == {}
    assert clustered.digests() == local.digests()


def test_a_killed_job_is_submitted_again_and_resumes(tmp_path: Path):
    """SIGKILL of a training with all of its batch job, and the weights are the same bit for bit."""
    local = Workspace.make(tmp_path / "local")
    local.study["train"]["epochs"] = 12
    target = "results/tiny/synthetic/sfsc/seed0/model.safetensors"
    result = local.run("--", target)
    assert result.returncode == 0, result.stdout
    clustered = local.copy(tmp_path / "clustered")
    clustered.study = local.study
    model = clustered.folder / target
    model.unlink()
    known = jobs()
    snakemake = clustered.start(*ON_CLUSTER, "--", target)
    try:
        wait_for(lambda: any((model.parent / "checkpoints").glob("epoch*.json")))
        (killed,) = jobs().keys() - known.keys()
        subprocess.run(["scancel", "--full", "--signal=KILL", killed], check=True)
        assert snakemake.wait(timeout=600) == 0
    finally:
        clustered.kill_group(snakemake)
    first, again = (jobs()[job] for job in sorted(jobs().keys() - known.keys(), key=int))
    assert first in KILLED
    assert again == "COMPLETED"
    log = clustered.folder / "logs/tiny/synthetic/sfsc/seed0/train.log"
    assert "Resuming after epoch" in log.read_text()
    assert model.read_bytes() == (local.folder / target).read_bytes()
