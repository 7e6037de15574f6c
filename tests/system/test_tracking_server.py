"""The mirror against a real `mlflow server` on PostgreSQL: complete, live, and in nobody's way."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run
from tracking_server import TrackingServer, find_postgresql, tracking_server

from sfsc.provenance import digest_of
from sfsc.tracking.finished import CURVE_POINTS, curve_name
from sfsc.tracking.store import MlflowClient

from workspaces import Workspace

pytestmark = pytest.mark.skipif(
    find_postgresql() is None, reason="needs PostgreSQL: tests/system/install.sh installs it"
)

SEED0 = Path("synthetic/sfsc/seed0")
PROCESSES = 8
LONGEST = 600.0
"""Seconds that anything may take; it ends a test that would wait for ever."""
Curves = dict[str, list[tuple[int, np.float32]]]


@pytest.fixture(scope="module")
def running() -> Iterator[TrackingServer]:
    """The server of this module."""
    with tracking_server() as server:
        yield server


@pytest.fixture
def server(running: TrackingServer) -> TrackingServer:
    """The server, whatever the test before it did to it."""
    if not running.answers():
        running.kill()
        running.start()
    return running


@pytest.fixture(scope="module")
def mirrored(running: TrackingServer, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A committed project whose study is complete and on the server; not to be changed."""
    workspace = Workspace.make(tmp_path_factory.mktemp("mirrored"))
    workspace.drop_variations()
    workspace.study |= {"seeds": [0, 1], "compare": ["unified", "sfsc"]}
    workspace.study["train"]["epochs"] = 11
    commit(workspace.folder)
    result = workspace.run("--", "all", MLFLOW_TRACKING_URI=running.uri)
    assert result.returncode == 0, result.stdout
    return workspace


@pytest.fixture
def changed(mirrored: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished workspace, to be changed."""
    workspace = mirrored.copy(tmp_path)
    workspace.study = mirrored.study
    return workspace


def commit(folder: Path) -> None:
    """Make a folder the only commit of a repository."""
    author = ["-c", "user.name=Nobody", "-c", "user.email=nobody@localhost"]
    (folder / ".gitignore").write_text("__pycache__/\n")
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "All of it"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


def connect(uri: str) -> MlflowClient:
    """Return a client of a store."""
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def runs_of(client: MlflowClient, study: str) -> dict[str, Run]:
    """Return the visible runs of a study's experiment by name; names must be unique."""
    experiment = client.get_experiment_by_name(f"sfsc/{study}")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    by_name = {run.info.run_name: run for run in found}
    assert len(by_name) == len(found)
    return by_name


def versions_of(client: MlflowClient, study: str) -> dict[tuple[str, str, str], str]:
    """Return the version of each method, seed and width."""
    found = client.search_model_versions(f"name LIKE 'sfsc.{study}.%'")
    by_name = {(v.name, v.tags["seed"], v.tags["width"]): str(v.version) for v in found}
    assert len(by_name) == len(found)
    return by_name


def recorded(folder: Path) -> Curves:
    """Return the curves of a finished training, but for those of its layers."""
    table = pd.read_parquet(folder / "training.parquet")
    table = table[(table["layer"] == "") & table["value"].notna()]
    assert table["step"].nunique() <= CURVE_POINTS  # so that the mirror has every point
    return {
        curve_name(*name): list(zip(curve["step"], curve["value"], strict=True))
        for name, curve in table.groupby(["metric", "switch", "other"], observed=True)
    }


def shown(client: MlflowClient, run: Run, names: Iterator[str] | Curves) -> Curves:
    """Return curves of a run of MLflow, each point as often as it is there, in single precision."""
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in names}
    return {
        name: sorted((point.step, np.float32(point.value)) for point in points)
        for name, points in histories.items()
    }


@contextlib.contextmanager
def started(
    workspace: Workspace, *arguments: str | Path, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a stage beside the test; kill it if the test ends first."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sfsc.cli", *map(str, arguments)],
        cwd=workspace.folder, env=workspace.environment(**variables),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for the end of a stage, which must be a good one."""
    output, _ = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, output


def track(workspace: Workspace, study: str, **variables: str) -> dict[str, object]:
    """Mirror a study and return the stamp."""
    with started(workspace, "track", "--study", f"results/{study}", **variables) as process:
        finish(process)
    stamp: dict[str, object] = json.loads(
        (workspace.folder / "results" / study / "mlflow.json").read_text()
    )
    return stamp


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.05)


class TestFinishedStudy:
    """`snakemake all` with MLFLOW_TRACKING_URI, and nothing else."""

    def test_a_run_has_its_settings_and_where_it_comes_from(
        self, server: TrackingServer, mirrored: Workspace
    ):
        """Resolved parameters, seed, digests of data and code, git revision, environment."""
        run = runs_of(connect(server.uri), "tiny")["synthetic/sfsc/seed0"]
        record = json.loads((mirrored.folder / "results/tiny" / SEED0 / "run.json").read_text())
        assert run.data.params["seed"] == "0"
        assert run.data.params["train.epochs"] == "11"
        assert run.data.params["network.widths"] == "[0.25, 1.0]"
        (data,) = run.inputs.dataset_inputs
        manifest = digest_of(mirrored.folder / "data/prepared/tiny/synthetic/manifest.csv")
        assert (data.dataset.name, data.dataset.digest) == ("synthetic", manifest[:36])
        revision = subprocess.check_output(
            ["git", "rev-parse", "HEAD"], cwd=mirrored.folder, text=True
        ).strip()
        expected = {
            "seed": "0", "data_digest": manifest, "code_digest": record["code_digest"],
            "mlflow.source.git.commit": revision, "git_clean": "True",
            **{f"environment.{name}": text for name, text in record["environment"].items()},
        }  # fmt: skip
        assert expected.items() <= run.data.tags.items()

    def test_a_run_has_every_point_of_its_curves(self, server: TrackingServer, mirrored: Workspace):
        """One curve per sub-model or pair, and the record itself."""
        client, folder = connect(server.uri), mirrored.folder / "results/tiny" / SEED0
        run = runs_of(client, "tiny")["synthetic/sfsc/seed0"]
        curves = recorded(folder)
        assert {"loss/switch0", "loss/switch1", "cosine_nested/switch0_switch1"} <= curves.keys()
        assert shown(client, run, curves) == curves

    def test_a_run_has_its_results_and_what_its_jobs_used(
        self, server: TrackingServer, mirrored: Workspace, tmp_path: Path
    ):
        """The matrix, the record, system metrics; the figures are its parent's."""
        client, folder = connect(server.uri), mirrored.folder / "results/tiny" / SEED0
        run = runs_of(client, "tiny")["synthetic/sfsc/seed0"]
        used = {f"system/{job}_{what}" for job in ("train", "evaluate")
                for what in ("seconds", "cpu_seconds", "max_rss_mb")}  # fmt: skip
        assert used <= run.data.metrics.keys()
        matrices = json.loads((folder / "cross_test.json").read_text())["matrices"]
        got = Path(client.download_artifacts(run.info.run_id, "matrix.json", str(tmp_path)))
        assert json.loads(got.read_text()) == {"widths": [0.25, 1.0], **matrices}
        got = Path(client.download_artifacts(run.info.run_id, "training.parquet", str(tmp_path)))
        assert digest_of(got) == digest_of(folder / "training.parquet")
        parent = run.data.tags["mlflow.parentRunId"]
        figures = {file.path for file in client.list_artifacts(parent, "figures")}
        drawn = (mirrored.folder / "reports/tiny/figures").glob("synthetic_*.png")
        assert figures == {f"figures/{path.name}" for path in drawn}
        assert len(figures) > 3

    def test_the_seeds_of_a_method_are_under_a_parent(self, server: TrackingServer):
        """Nothing else is in the experiment."""
        runs = runs_of(connect(server.uri), "tiny")
        for method in ("unified", "sfsc"):
            parent = runs.pop(f"synthetic/{method}")
            assert parent.data.metrics["seeds"] == 2
            for seed in (0, 1):
                child = runs.pop(f"synthetic/{method}/seed{seed}")
                assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert runs == {}

    def test_each_submodel_is_a_version_that_loads(
        self, server: TrackingServer, mirrored: Workspace
    ):
        """Width, cost and mAP are tags; the alias of the best is all that a user needs."""
        client = connect(server.uri)
        versions = versions_of(client, "tiny")
        model = "sfsc.tiny.synthetic.sfsc"
        assert len([name for name, *_ in versions if name == model]) == 4
        record = json.loads((mirrored.folder / "results/tiny" / SEED0 / "run.json").read_text())
        for switch, width in enumerate(("0.25", "1")):
            tags = client.get_model_version(model, versions[model, "0", width]).tags
            assert tags["macs"] == str(record["macs"][switch])
            assert tags["parameters"] == str(record["parameters"][switch])
            assert 0 <= float(tags["map_self_test"]) <= 1
        aliases = client.get_registered_model(model).aliases
        assert aliases.keys() == {"best-0_25", "best-1"}
        program = (
            "import numpy as np, mlflow;"
            f"model = mlflow.pyfunc.load_model('models:/{model}@best-0_25');"
            "print(model.metadata.signature is not None,"
            " model.predict(np.zeros((2, 24, 24, 3), np.uint8)).shape)"
        )
        result = subprocess.run(
            [sys.executable, "-c", program], cwd=mirrored.folder, capture_output=True, text=True,
            env=mirrored.environment(MLFLOW_TRACKING_URI=server.uri), check=False,
        )  # fmt: skip
        assert result.stdout == "True (2, 16)\n", result.stderr

    def test_mirroring_again_adds_nothing(self, server: TrackingServer, changed: Workspace):
        """The same runs, the same versions."""
        client = connect(server.uri)
        runs = {name: run.info.run_id for name, run in runs_of(client, "tiny").items()}
        versions = versions_of(client, "tiny")
        assert track(changed, "tiny", MLFLOW_TRACKING_URI=server.uri)["status"] == "ok"
        again = {name: run.info.run_id for name, run in runs_of(client, "tiny").items()}
        assert (again, versions_of(client, "tiny")) == (runs, versions)

    def test_only_the_named_server_is_spoken_to(self, server: TrackingServer, changed: Workspace):
        """No telemetry, though no variable forbids it."""
        program = (
            "import sys; heard = set();"
            "sys.addaudithook(lambda event, a: heard.add(a[1]) if event == 'socket.connect' else"
            " heard.add(a[:2]) if event == 'socket.getaddrinfo' else None);"
            "from sfsc.cli import main; code = main(sys.argv[1:]);"
            "print(sorted({address[0] for address in heard})); sys.exit(code)"
        )
        shutil.copytree(changed.folder / "results/tiny", changed.folder / "results/quiet")
        quiet = ("DO_NOT_TRACK", "CI", "GITHUB_ACTIONS", "PYTEST_")
        environment = changed.environment(MLFLOW_TRACKING_URI=server.uri)
        result = subprocess.run(
            [sys.executable, "-c", program, "track", "--study", "results/quiet"],
            cwd=changed.folder, capture_output=True, text=True, check=False,
            env={k: v for k, v in environment.items() if not k.startswith(quiet)},
        )  # fmt: skip
        assert (result.returncode, result.stdout) == (0, "['127.0.0.1']\n"), result.stderr


class TestLostStore:
    """The pipeline itself notices, and mirrors again."""

    def test_an_empty_database_is_filled_again(self, server: TrackingServer, changed: Workspace):
        """Every run and every version."""
        client = connect(server.uri)
        variables = {"MLFLOW_TRACKING_URI": server.uri}
        assert changed.planned(**variables) == {}
        server.lose_everything()
        assert runs_of(client, "tiny") == {}
        assert changed.planned(**variables) == {"track": 1}
        result = changed.run("--", "all", **variables)
        assert result.returncode == 0, result.stdout
        assert len(runs_of(client, "tiny")) == 6
        assert len(versions_of(client, "tiny")) == 6

    def test_a_server_that_is_killed_while_it_takes_runs_has_each_once(
        self, server: TrackingServer, changed: Workspace
    ):
        """The mirror is put off, and complete the next time."""
        client, variables = connect(server.uri), {"MLFLOW_TRACKING_URI": server.uri}
        (changed.folder / "results/tiny").rename(changed.folder / "results/killed")
        quick = variables | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
        with started(changed, "track", "--study", "results/killed", **quick) as process:
            wait_until(lambda: len(runs_of(client, "killed")) >= 2, "the first runs")
            server.kill()
            finish(process)
        stamp = json.loads((changed.folder / "results/killed/mlflow.json").read_text())
        assert stamp["status"] == "deferred"
        server.start()
        stamp = track(changed, "killed", **variables)
        assert (stamp["status"], stamp["runs"]) == ("ok", 4)
        assert len(runs_of(client, "killed")) == 6
        assert len(versions_of(client, "killed")) == 6


class LiveTraining:
    """A training that goes on and stops as the test says, in `results/live`.

    Args:
        workspace: Of a finished study; its training is done again.
        seed: Of the training.
    """

    def __init__(self, workspace: Workspace, seed: int = 0) -> None:
        self.folder = workspace.folder / "results/live" / SEED0.with_name(f"seed{seed}")
        source = workspace.folder / "results/tiny" / SEED0
        self.folder.mkdir(parents=True)
        self.cross_test = source / "cross_test.json"
        shutil.copytree(source / "config", self.folder / "config")
        config = self.folder / "config" / "train.json"
        content = json.loads(config.read_text())
        content["config"]["seed"] = seed
        config.write_text(json.dumps(content))
        self.command = (
            "train", "--config", config, "--data", "data/prepared/tiny/synthetic",
            "--output", self.folder,
        )  # fmt: skip

    def steps(self) -> list[int]:
        """Return the steps whose records are whole."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "checkpoints/stream.jsonl").read_bytes().split(b"\n")[:-1]
            return [record["step"] for record in map(json.loads, lines) if "step" in record]
        return []

    def let_it_train(self, process: subprocess.Popen[str]) -> None:
        """Let the training go on for an epoch or so, and stop it."""
        before = len(self.steps())
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: len(self.steps()) > before, "more records")
        process.send_signal(signal.SIGSTOP)
        assert process.poll() is None

    def evaluate(self) -> None:
        """Add what the mirror of a finished training needs."""
        shutil.copy(self.cross_test, self.folder)


def test_outages_cost_a_training_and_its_curves_nothing(server: TrackingServer, changed: Workspace):
    """Hung, killed, and the run deleted: the follower catches up, the weights are the same."""
    client, training = connect(server.uri), LiveTraining(changed)
    variables = {
        "MLFLOW_TRACKING_URI": server.uri, "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }  # fmt: skip
    follow = ("track", "--study", "results/live", "--follow", "0.2")

    def live() -> Run | None:
        """Return the one run."""
        return runs_of(client, "live").get("synthetic/sfsc/seed0 (training)")

    def has_caught_up() -> bool:
        """Whether MLflow shows each step that is recorded, once."""
        run = live()
        points = client.get_metric_history(run.info.run_id, "loss/switch1") if run else []
        return sorted(point.step for point in points) == training.steps()

    with started(changed, *training.command) as process:
        training.let_it_train(process)
        with started(changed, *follow, **variables) as follower:
            wait_until(has_caught_up, "the first epoch")
            server.hang()
            training.let_it_train(process)
            server.go_on()
            wait_until(has_caught_up, "what was recorded while the server hung")
            server.kill()
            training.let_it_train(process)
            server.start()
            wait_until(has_caught_up, "what was recorded while the server was away")
            client.delete_run(live().info.run_id)
            wait_until(has_caught_up, "the deleted run")
            server.lose_everything()
            wait_until(has_caught_up, "the lost store")
            process.send_signal(signal.SIGCONT)
            finish(process)
            wait_until(lambda: live().info.status == "FINISHED", "the end")
            follower.terminate()
            finish(follower)
    expected = changed.folder / "results/tiny" / SEED0
    for name in ("model.safetensors", "training.parquet"):
        assert digest_of(training.folder / name) == digest_of(expected / name)
    curves = recorded(training.folder)
    for name, points in shown(client, live(), curves).items():
        assert points == curves[name][: len(points)]
    training.evaluate()
    assert track(changed, "live", **variables)["status"] == "ok"
    runs = runs_of(client, "live")
    assert runs.keys() == {"synthetic/sfsc", "synthetic/sfsc/seed0"}
    assert shown(client, runs["synthetic/sfsc/seed0"], curves) == curves


@pytest.mark.parametrize("store", ["database", "server"])
def test_eight_trainings_and_eight_mirrors_at_once_lose_nothing(
    store: str, server: TrackingServer, changed: Workspace
):
    """None fails or waits for another day, whether the default store is made meanwhile or not."""
    variables = {} if store == "database" else {"MLFLOW_TRACKING_URI": server.uri}
    uri = variables.get("MLFLOW_TRACKING_URI", f"sqlite:///{changed.folder}/mlflow.db")
    trainings = [LiveTraining(changed, seed) for seed in range(PROCESSES)]
    studies = [f"{store}{number}" for number in range(PROCESSES)]
    for study in studies:
        shutil.copytree(
            changed.folder / "results/tiny" / SEED0, changed.folder / "results" / study / SEED0
        )
    follow = ("track", "--study", "results/live", "--follow", "0.5")
    with contextlib.ExitStack() as stack:
        follower = stack.enter_context(started(changed, *follow, **variables))
        mirrors = [
            stack.enter_context(
                started(changed, "track", "--study", f"results/{study}", **variables)
            )
            for study in studies
        ]
        running = {
            training: stack.enter_context(started(changed, *training.command))
            for training in trainings
        }
        # Tiny trainings could end before the follower has begun: they wait for it.
        wait_until(lambda: stop_those_that_began(running) == PROCESSES, "the trainings")
        for mirror in mirrors:
            finish(mirror)
        names = {f"synthetic/sfsc/{training.folder.name} (training)" for training in trainings}
        wait_until(lambda: names <= runs_of(connect(uri), "live").keys(), "their runs")
        for process in running.values():
            process.send_signal(signal.SIGCONT)
        for process in running.values():
            finish(process)
        follower.terminate()
        finish(follower)
    client = connect(uri)
    for study in studies:
        stamp = json.loads((changed.folder / "results" / study / "mlflow.json").read_text())
        assert (stamp["status"], stamp["runs"]) == ("ok", 1)
        curves = recorded(changed.folder / "results" / study / SEED0)
        assert shown(client, runs_of(client, study)["synthetic/sfsc/seed0"], curves) == curves
        assert len(versions_of(client, study)) == 2
    assert_live_curves_are_true(client, trainings)
    for training in trainings:
        training.evaluate()
    assert track(changed, "live", **variables)["runs"] == PROCESSES
    runs = runs_of(client, "live")
    assert len(runs) == PROCESSES + 1
    for training in trainings:
        curves = recorded(training.folder)
        run = runs[f"synthetic/sfsc/{training.folder.name}"]
        assert shown(client, run, curves) == curves


def stop_those_that_began(running: dict[LiveTraining, subprocess.Popen[str]]) -> int:
    """Stop the trainings that have records; return how many do."""
    begun = [process for training, process in running.items() if training.steps()]
    for process in begun:
        process.send_signal(signal.SIGSTOP)
    return len(begun)


def assert_live_curves_are_true(client: MlflowClient, trainings: list[LiveTraining]) -> None:
    """Each training was seen while it ran, and no point is missing before the last or twice."""
    runs = runs_of(client, "live")
    for training in trainings:
        curves = recorded(training.folder)
        run = runs[f"synthetic/sfsc/{training.folder.name} (training)"]
        for name, points in shown(client, run, curves).items():
            assert points == curves[name][: len(points)]
