"""A finished study, and what a change of it makes again."""

import fcntl
import json
import os
import re
import resource
from pathlib import Path

import pytest

from sfsc import files

from workspaces import Workspace

pytestmark = pytest.mark.slow

RESULTS = Path("results/tiny/synthetic")
TRAINING_FILES = ("model.safetensors", "run.json", "training.parquet")
PER_RUN = (
    *TRAINING_FILES,
    "embeddings.safetensors",
    "cross_test.json",
    "query_metrics.safetensors",
)
RUNS = ("unified", "bct", "bct_s", "sfsc", "sfsc@granularity=whole", "sfsc@kl_weight=0.01")
NETWORKS = ("independent/seed0/width0.25", "independent/seed0/width1", "bct/seed0/width0.25")


def test_every_deliverable_is_there(finished: Workspace):
    """Models, curves, matrices, costs, tables, verdicts, figures, report, the mirror's stamp."""
    for run in RUNS:
        folder = finished.folder / RESULTS / run / "seed0"
        assert all((folder / name).stat().st_size for name in PER_RUN)
        assert not (folder / "checkpoints").exists()
    for network in NETWORKS:
        folder = finished.folder / RESULTS / network
        assert all((folder / name).stat().st_size for name in TRAINING_FILES)
    report = finished.folder / "reports/tiny"
    assert {p.suffix for p in (report / "tables").iterdir()} >= {".csv", ".md", ".tex"}
    figures = {path.name.partition(".")[0] for path in (report / "figures").iterdir()}
    assert len(figures) == 10
    for name in figures:
        assert (report / "figures" / f"{name}.svg").stat().st_size
        assert (report / "figures" / f"{name}.png").stat().st_size
    assert (finished.folder / RESULTS / "cost.json").stat().st_size
    for suffix in ("csv", "md", "tex"):
        assert (report / f"cost.{suffix}").stat().st_size
    assert (report / "index.html").stat().st_size
    assert json.loads((report / "claims.json").read_text())
    assert (report / "claims.md").stat().st_size
    stamp = json.loads((finished.folder / "results/tiny/mlflow.json").read_text())
    assert (stamp["status"], stamp["runs"]) == ("ok", 6)
    assert (finished.folder / "mlflow.db").exists()


def test_a_training_leaves_its_log(finished: Workspace):
    """The progress lines are in the log file, readable."""
    log = finished.folder / "logs/tiny/synthetic/sfsc/seed0/train.log"
    assert "epoch 3" in log.read_text()


def test_second_run_does_nothing_and_says_so(changed: Workspace):
    """A complete study costs one quick look, of a processor: others may be using the machine."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = changed.run("--", "all")
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout
    assert end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime < 10


def test_touched_files_rerun_nothing(changed: Workspace):
    """Modification times alone mean nothing while Snakemake has its records."""
    for path in [*changed.folder.glob("sfsc/**/*.py"), changed.folder / "params.yaml"]:
        path.touch()
    assert changed.planned() == {}


def test_comments_and_docstrings_rerun_nothing(changed: Workspace):
    """Words around the code are no code."""
    for name in ("sfsc/training/run.py", "sfsc/retrieval/metrics.py", "sfsc/settings/section.py"):
        path = changed.folder / name
        path.write_text(f'"""Other words."""\n# and a comment\n{path.read_text()}')
    assert changed.planned() == {}


def test_a_change_is_seen_without_snakemakes_records(changed: Workspace):
    """After a clone there are no records: files alone must tell, as they do for DVC."""
    (changed.folder / ".snakemake").rename(changed.folder / "gone")
    restore_order(changed.folder)
    changed.study["methods"] = {"sfsc": {"loss": {"terms": {"compatible": {"weight": 0.5}}}}}
    assert changed.planned()["train_sfsc"] == 1


def restore_order(folder: Path) -> None:
    """Give all files one old modification time, the kindest a checkout can leave."""
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))


def test_a_store_that_does_not_answer_fails_nothing(changed: Workspace):
    """The study is complete without MLflow, and the next run mirrors it."""
    outage = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    result = changed.run("--", "all", **outage)
    assert result.returncode == 0, result.stdout
    stamp = changed.folder / "results/tiny/mlflow.json"
    assert json.loads(stamp.read_text())["status"] == "deferred"
    assert "waits for the next run" in (changed.folder / "logs/tiny/track.log").read_text()
    assert changed.planned() == {"track": 1}


def test_a_deleted_database_is_made_again(changed: Workspace):
    """The mirror's stamp is worth nothing without the database it speaks of."""
    (changed.folder / "mlflow.db").unlink()
    assert changed.planned() == {"track": 1}


def test_a_killed_pipeline_goes_on_to_the_same_weights(changed: Workspace):
    """SIGKILL of everything in mid-training, then the same command and no other.

    It removes the stale lock, resumes the training and ends with the same weights, bit for bit.
    """
    changed.study["train"]["epochs"] = 12  # long enough to be killed half-way
    folder = changed.folder / RESULTS / "sfsc/seed0"
    model = folder / "model.safetensors"
    target = str(RESULTS / "sfsc/seed0/model.safetensors")
    result = changed.run("--", target)
    assert result.returncode == 0, result.stdout
    expected = model.read_bytes()
    model.unlink()
    checkpoints = folder / "checkpoints"
    changed.run_and_kill("--", target, when=lambda: any(checkpoints.glob("epoch*.json")))
    assert not model.exists()
    assert list((changed.folder / ".snakemake/locks").iterdir())
    result = changed.run("--", target)
    assert result.returncode == 0, result.stdout
    log = changed.folder / "logs/tiny/synthetic/sfsc/seed0/train.log"
    assert "Resuming after epoch" in log.read_text()
    assert model.read_bytes() == expected


def files_of(workspace: Workspace) -> dict[str, tuple[int, bytes]]:
    """Return time and content of all files but Snakemake's own records and the test's overlay."""
    paths = [path for path in workspace.folder.rglob("*") if path.is_file()]
    own = {".snakemake", "__pycache__", "study.yaml", "planned.txt"}
    return {
        str(path.relative_to(workspace.folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in paths
        if not own & set(path.relative_to(workspace.folder).parts)
    }


def test_a_dry_run_writes_nothing(changed: Workspace):
    """It plans an edit, and leaves every file of a study, which may be running, as it is."""
    (changed.folder / "mlflow.db").unlink()  # the stamp of its mirror stays as well
    before = files_of(changed)
    changed.study["train"]["learning_rate"] = 0.05
    jobs = changed.planned()
    assert (jobs["train_sfsc"], jobs["evaluate"]) == (1, 6)
    for look in (["--summary"], ["--rulegraph"], ["--list-rules"], ["--lint"]):
        changed.run(*look, "--", *([] if look[0] in {"--list-rules", "--lint"} else ["all"]))
    assert files_of(changed) == before


def test_a_dry_run_of_nothing_writes_nothing(workspace: Workspace):
    """Right after a clone the whole study is planned, and no folder is made."""
    before = files_of(workspace)
    assert workspace.planned()["train_sfsc"] == 1
    assert files_of(workspace) == before
    assert not (workspace.folder / "results").exists()


def test_the_study_of_a_living_snakemake_is_left_alone(changed: Workspace):
    """A second Snakemake is refused before it writes anything; a dry run is possible."""
    lock = changed.folder / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("results/tiny/a\n")
    changed.study["train"]["learning_rate"] = 0.05
    before = files_of(changed)
    with files.lock(changed.folder / ".snakemake/study-tiny"):
        result = changed.run("--", "all")
        assert changed.planned()["train_sfsc"] == 1
    assert result.returncode == 1
    assert (
        "Only one Snakemake may make study `tiny` in this folder at a time. Found process "
        f"{os.getpid()}. Wait until it ends, or stop it; a dry run (-n) is possible meanwhile."
    ) in result.stdout
    assert "Traceback" not in result.stdout
    assert files_of(changed) == before
    assert lock.exists()


def test_the_locks_of_another_study_are_left_alone(changed: Workspace):
    """Snakemake's locks are stale only if no Snakemake is alive in the folder."""
    changed.study["train"]["learning_rate"] = 0.05
    model = RESULTS / "sfsc/seed0/model.safetensors"
    lock = changed.folder / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(f"{model}\n")
    with (changed.folder / ".snakemake/alive").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        result = changed.run("--touch", "--", str(model))
        assert result.returncode == 1
        assert "LockException" in result.stdout
        assert lock.exists()
    assert changed.run("--touch", "--", str(model)).returncode == 0
    assert not lock.exists()


def test_a_job_whose_settings_changed_since_the_plan_stops(changed: Workspace):
    """The planned command carries the digest of its settings."""
    model = RESULTS / "sfsc/seed0/model.safetensors"
    result = changed.run("--dry-run", "-p", "--forcerun", "train_sfsc", "--", str(model))
    (command,) = re.findall(r"sfsc train .*", result.stdout)
    config = changed.folder / model.parent / "config/train.json"
    config.write_text(config.read_text().replace('"epochs": 3', '"epochs": 2'))
    before = files_of(changed)
    stopped = changed.stage(command.partition(" > ")[0].split()[1:])
    assert stopped.returncode == 1
    assert stopped.stderr.startswith(
        f"ConfigError: {model.parent}/config/train.json must hold the settings that this job was "
        "planned with. Found "
    )
    assert files_of(changed) == before


def test_a_job_on_a_clusters_node_leaves_lock_and_fingerprints_alone(changed: Workspace):
    """The Snakemake that a node starts owns neither; the one that submits jobs owns both."""
    model = RESULTS / "sfsc/seed0/model.safetensors"
    lock = changed.folder / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(f"{model}\n")
    config = changed.folder / model.parent / "config/train.json"
    submitted = config.read_text()
    changed.study["train"]["learning_rate"] = 0.05
    on_node = ("--mode", "remote", "--nolock")
    result = changed.run("--dry-run", "-p", *on_node, "--", str(model))
    assert result.returncode == 0, result.stdout
    assert "changed/" not in result.stdout
    assert lock.exists()
    assert config.read_text() == submitted
    assert changed.planned()["train_sfsc"] == 1
    assert changed.run("--touch", "--", str(model)).returncode == 0
    assert not lock.exists()
    assert config.read_text() != submitted


def test_where_the_results_are_is_printed(changed: Workspace):
    """The report's address and MLflow's page of the study come last."""
    (changed.folder / "reports/tiny/index.html").unlink()
    result = changed.run("--", "all")
    assert result.returncode == 0, result.stdout
    experiment = json.loads((changed.folder / "results/tiny/mlflow.json").read_text())["experiment"]
    assert f"Report: {(changed.folder / 'reports/tiny/index.html').resolve().as_uri()}\n" in (
        result.stdout
    )
    assert (
        f"MLflow: make ui, then http://127.0.0.1:5000/#/experiments/{experiment}"
        "?workflowType=machine_learning\n"
    ) in result.stdout


def test_the_output_names_jobs_not_files(changed: Workspace):
    """A line says what runs; commands are shown with -p; the log of a failed job is shown."""
    (changed.folder / "reports/tiny/index.html").unlink()
    page = "reports/tiny/index.html"
    plain = changed.run("--dry-run", "--", page).stdout
    assert "Job 0: Write the report of study tiny\n" in plain
    assert "reports/tiny/tables/main.csv" not in plain
    assert "sfsc report --config" not in plain
    assert "sfsc report --config" in changed.run("--dry-run", "-p", "--", page).stdout
    record = changed.folder / RESULTS / "sfsc/seed0/run.json"
    record.write_text("{")
    failed = changed.run("--", page)
    assert failed.returncode == 1
    assert "run.json" in failed.stdout.partition("Logfile logs/tiny/")[2].partition("====\n")[2]


def test_snakemakes_own_report_works_offline(changed: Workspace):
    """`--report` makes one page with captions and categories that asks no other host."""
    result = changed.run("--report", "report.html", "--", "all")
    assert result.returncode == 0, result.stdout
    page = (changed.folder / "report.html").read_text()
    assert "One of the figures of data set" in page
    assert "The cost of each sub-model as it is deployed" in page
    assert '"Verdicts"' in page
    assert not re.findall(r"""(?:src|href)=["']https?://""", page)
