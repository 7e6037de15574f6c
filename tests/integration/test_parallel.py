"""Two processes train as one, on the CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
import two_processes
from safetensors.torch import load_file

from sfsc.cli import main
from sfsc.provenance import write_fingerprint
from sfsc.settings.jobs import TrainJob

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
DEADLINE = 300.0
KILLED = (
    "All 2 processes of a training must stay alive. Found process 1 killed by SIGKILL; start it "
    "again to resume after the last checkpoint."
)


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start Python on these arguments, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the processes and return what they printed."""
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, output
    return output


def wait_for_checkpoint(process: subprocess.Popen[str], folder: Path) -> None:
    """Wait until a training that runs has saved its first checkpoint."""
    deadline = time.monotonic() + DEADLINE
    while not list(folder.glob("checkpoints/epoch*.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of two processes after a step."""
    folder = tmp_path_factory.mktemp("two_processes")
    finish(start(*TORCHRUN, two_processes.__file__, folder))
    return folder


def assert_same_weights(folder: Path, normalises: int, expected: dict[str, torch.Tensor]) -> None:
    """Assert that both processes have the expected parameters, and the same bits."""
    first, second = (load_file(folder / f"{normalises}_{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name, parameter in expected.items():
        torch.testing.assert_close(first[name], parameter, rtol=1e-4, atol=1e-6)


def test_the_update_is_that_of_the_joint_batch(saved: Path):
    """Where images do not meet in batch norms or triplets: those of the two halves are means."""
    model = two_processes.build_model(normalises=False)
    start_weights = {name: p.clone() for name, p in model.named_parameters()}
    gradients = two_processes.joint(model)
    two_processes.step(model, gradients)
    assert_same_weights(saved, 0, dict(model.named_parameters()))
    assert not torch.equal(start_weights["classifier"], model.classifier)
    losses = torch.stack([objective.total for objective in gradients.objectives])
    torch.testing.assert_close(load_file(saved / "0_0.safetensors")["losses"], losses)


def test_the_update_is_that_of_the_mean_gradients(saved: Path):
    """Where they do meet, each process normalises and mines its share."""
    model = two_processes.build_model(normalises=True)
    two_processes.step(model, two_processes.mean_of_shares(model))
    assert_same_weights(saved, 1, dict(model.named_parameters()))


def test_the_running_statistics_are_means_of_the_processes(saved: Path):
    """Neither process's own."""
    name = "network.backbone.stem.norm.private.2.running_mean"
    own = []
    for rows in torch.arange(16).chunk(2):
        model = two_processes.build_model(normalises=True)
        two_processes.gradients_of(model, rows, triplets=True)
        own.append(model.state_dict()[name])
    torch.testing.assert_close(
        load_file(saved / "1_0.safetensors")[name], torch.stack(own).mean(dim=0)
    )


def test_a_step_has_one_collective(saved: Path):
    """Gradients, losses and statistics travel together."""
    files = sorted(saved.glob("*.safetensors"))
    assert len(files) == 4
    assert [int(load_file(path)["calls"]) for path in files] == [1] * 4


@pytest.fixture
def parallel_job(job: TrainJob) -> TrainJob:
    """Four epochs in two processes."""
    return job.model_copy(update={"train": job.train.model_copy(update={"processes": 2})})


def arguments(job: TrainJob, data_dir: Path, folder: Path) -> list[str]:
    """Return the arguments of `sfsc train`."""
    config = write_fingerprint(
        folder / "config" / "train.json", job.model_dump(mode="json"), modules=["sfsc.training.run"]
    )
    paths = {"--config": config, "--data": data_dir, "--output": folder}
    return ["train", *(str(word) for pair in paths.items() for word in pair), "--threads", "1"]


def test_a_killed_parallel_training_goes_on(parallel_job: TrainJob, data_dir: Path, tmp_path: Path):
    """It ends with the bits of an undisturbed one, each step recorded once."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    output = finish(start("-m", "sfsc.cli", *arguments(parallel_job, data_dir, whole)))
    assert output.count("validation mAP") == 2
    process = start("-m", "sfsc.cli", *arguments(parallel_job, data_dir, killed))
    wait_for_checkpoint(process, killed)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    # Started by torchrun itself, it is the same training.
    output = finish(start(*TORCHRUN, "-m", "sfsc.cli", *arguments(parallel_job, data_dir, killed)))
    assert "Resuming after epoch" in output
    for name in ("model.safetensors", "training.parquet"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    record = json.loads((whole / "run.json").read_text())
    frame = pd.read_parquet(whole / "training.parquet")
    assert sorted(frame[frame.metric == "learning_rate"].step) == list(range(record["steps"]))


def test_one_process_of_torchrun_computes_the_same_bits(
    parallel_job: TrainJob, data_dir: Path, tmp_path: Path
):
    """Its gradients pass through a collective all the same."""
    train = parallel_job.train.model_copy(update={"processes": 1})
    job = parallel_job.model_copy(update={"train": train})
    finish(start("-m", "sfsc.cli", *arguments(job, data_dir, tmp_path / "alone")))
    torchrun = [*TORCHRUN[:-1], 1, "-m", "sfsc.cli"]
    finish(start(*torchrun, *arguments(job, data_dir, tmp_path / "launched")))
    for name in ("model.safetensors", "training.parquet"):
        files = [tmp_path / folder / name for folder in ("alone", "launched")]
        assert files[0].read_bytes() == files[1].read_bytes()


def failure(process: subprocess.Popen[str]) -> list[str]:
    """Wait for a training that must fail and return the lines that it printed."""
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode not in {0, None}, output
    assert "Traceback" not in output
    return output.splitlines()


def test_a_mistake_is_a_sentence(
    parallel_job: TrainJob, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The process that finds it prints it; the launcher adds no report and leaves no folder."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    train = parallel_job.train.model_copy(update={"learning_rate": 1e30, "gradient_clip": 0.0})
    job = parallel_job.model_copy(update={"train": train})
    lines = failure(start("-m", "sfsc.cli", *arguments(job, data_dir, tmp_path)))
    # The other process finds it, too, or misses the one that has stopped for it.
    said = [line for line in lines if not line.startswith("The processes of a training go on")]
    assert said
    assert all(line.startswith("DivergenceError: Every loss must stay finite.") for line in said)
    assert not list(temporary.glob("sfsc-*"))
    assert not list(temporary.glob("torchelastic*"))
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("sys.exit('A sentence.')", "A sentence."),
        ("os.kill(os.getpid(), signal.SIGKILL)", KILLED),
    ],
)
def test_who_has_to_be_stopped_is_not_blamed(end: str, said: str):
    """Where one process fails while the other is busy, the launcher stops that one."""
    code = (
        "import os, signal, sys, time\n"
        f"{end} if os.environ['RANK'] == '1' else time.sleep({DEADLINE})"
    )
    command = [sys.executable, "-c", code]
    lines = failure(start("-c", f"from sfsc.training.launch import launch; launch(2, {command})"))
    assert lines == [said]


def test_a_killed_process_is_named(parallel_job: TrainJob, data_dir: Path, tmp_path: Path):
    """It cannot report its own death, so the launcher does; the others stop."""
    process = start("-m", "sfsc.cli", *arguments(parallel_job, data_dir, tmp_path))
    wait_for_checkpoint(process, tmp_path)
    children = psutil.Process(process.pid).children()
    ranked = {child.environ().get("RANK"): child for child in children}
    ranked["1"].kill()
    assert failure(process)[-1] == KILLED
    assert not ranked["0"].is_running()


def test_a_training_that_is_asked_to_end_leaves_no_process(
    parallel_job: TrainJob, data_dir: Path, tmp_path: Path
):
    """As Snakemake and SLURM ask the one that they have started."""
    process = start("-m", "sfsc.cli", *arguments(parallel_job, data_dir, tmp_path))
    wait_for_checkpoint(process, tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    failure(process)
    assert process.returncode == 128 + signal.SIGTERM
    assert not any(child.is_running() for child in children)


def test_another_number_of_processes_is_refused(
    parallel_job: TrainJob,
    data_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """The sentence says how to start it."""
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert main(arguments(parallel_job, data_dir, tmp_path)) != 0
    assert capsys.readouterr().err.strip() == (
        "ConfigError: A training with `train.processes` 2 must run in 2 processes. Found 3; start "
        "`sfsc train` without torchrun, then it starts as many itself."
    )
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_refused(
    job: TrainJob, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A training does not fall back to the CPU."""
    train = job.train.model_copy(update={"device": "cuda"})
    other = job.model_copy(update={"train": train})
    assert main(arguments(other, data_dir, tmp_path)) != 0
    assert capsys.readouterr().err.strip() == (
        "ConfigError: `train.device: cuda` needs one GPU for each of `train.processes` and a build "
        f"of torch with CUDA. Found torch {torch.__version__} and 0 GPUs; install such a build, "
        "lower `train.processes`, or set `train.device` to cpu."
    )
