"""The mirror shows exactly what is on disk, once, and never blocks the pipeline."""

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from finished_trainings import write_training as write_finished
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from safetensors.torch import save_file
from torch.nn import functional

from sfsc.data.transforms import to_float
from sfsc.deploy.model import OnnxEmbedder
from sfsc.errors import ResultError, TrackingError
from sfsc.networks.build import KINDS, load_network
from sfsc.settings.jobs import StudyJob
from sfsc.tracking import mirror as mirroring
from sfsc.tracking.mirror import mirror
from sfsc.tracking.store import MlflowClient

STEPS = 1200
NETWORK = {
    "backbone": "small_resnet", "widths": [0.5, 1.0], "embedding_dim": 8, "image_channels": 3
}  # fmt: skip
STAMP = Path("results/toy/mlflow.json")
FIGURES = Path("reports/toy/figures")


def write_training(
    method: str,
    seed: int,
    *,
    average_map: float = 0.5,
    kind: str = "switchable",
    reference: str | None = None,
) -> Path:
    """Write the result files of a training of two sub-models."""
    folder = Path("results/toy/synthetic") / method / f"seed{seed}"
    (folder / "config").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "train.json").write_text('{"code": "c", "config": {}}')
    network = KINDS[kind](**NETWORK)
    weights = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    run = {
        "dataset": "synthetic", "method": method, "seed": seed, "widths": [0.5, 1.0],
        "network": {"kind": kind, **NETWORK}, "image_size": [16, 12],
        "settings": {
            "seed": seed, "reference": reference, "train": {"epochs": 4, "learning_rate": 0.1},
            "loss": {"base": {"name": "softmax"}, "terms": {"triplet": {"weight": 1.0}}},
            "aggregation": {"name": "projection"},
        },
        "config_digest": "c" * 64, "code_digest": "d" * 16, "data_digest": "e" * 64,
        "git_revision": "f" * 40, "git_clean": True, "environment": {"python": "3.11.7"},
        "threads": 1, "steps": STEPS, "epochs": 4, "wall_seconds": 60.0,
        "finished": "2026-01-02T03:04:05+00:00", "macs": [10, 40], "parameters": [1, 4],
        "validation": [{"epoch": 2, "map": [[0.1] * 2] * 2, "average_map": 0.1}],
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    matrix = [[0.25, 0.5], [0.5, 0.75]]
    cross_test = {
        "average_precision": "step",
        "reranking": None,
        "matrices": {"map_step": matrix, "cmc_1": [[1.0, 0.5], [0.5, 1.0]]},
        "summary": {"average_map": average_map, "off_diagonal_map": None},
    }
    (folder / "cross_test.json").write_text(json.dumps(cross_test))
    rows = [
        *((s, "base_loss", 0, -1, "", 2.0 - s / STEPS) for s in range(1, STEPS + 1)),
        *((s, "learning_rate", -1, -1, "", 0.1) for s in range(1, STEPS + 1)),
        (10, "cosine_nested", 0, 1, "", -0.5),
        (20, "cosine_nested", 0, 1, "", float("nan")),
        (10, "cosine_layer", 0, 1, "conv.weight", -0.5),
    ]
    table = pd.DataFrame(rows, columns=["step", "metric", "switch", "other", "layer", "value"])
    table.assign(epoch=1).to_parquet(folder / "training.parquet")
    return folder


@pytest.fixture
def study(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a store and two finished trainings."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(database, "mlflow.db")
    write_training("sfsc", 0)
    write_training("unified", 0)
    FIGURES.mkdir(parents=True)
    (FIGURES / "synthetic_matrix.png").write_bytes(b"picture")
    (FIGURES / "omniglot_matrix.png").write_bytes(b"of another set")
    return tmp_path


def synchronise(uri: str | None = None) -> dict[str, object]:
    """Mirror the study and return the stamp."""
    mirror(STAMP.parent, FIGURES.parent, STAMP, uri)
    stamp: dict[str, object] = json.loads(STAMP.read_text())
    return stamp


def client(folder: Path) -> MlflowClient:
    """Return a client of the study's store."""
    return MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")


def runs(folder: Path) -> dict[str, object]:
    """Return the visible runs of trainings by name; names must be unique."""
    store = client(folder)
    experiment = store.get_experiment_by_name("sfsc/toy")
    every = store.search_runs([experiment.experiment_id])
    found = [run for run in every if "/seed" in run.data.tags["sfsc.key"]]
    by_name = {run.info.run_name: run for run in found}
    assert len(by_name) == len(found)
    return by_name


def identifiers(folder: Path) -> dict[str, str]:
    """Return the MLflow identifier of each visible run."""
    return {name: run.info.run_id for name, run in runs(folder).items()}


def test_a_training_is_found_by_name_and_tags(study: Path):
    """Study, data set, method, seed and the digests of settings, code and data are tags."""
    stamp = synchronise()
    mirrored = stamp.pop("mlflow_runs")
    experiment = client(study).get_experiment_by_name("sfsc/toy").experiment_id
    assert stamp == {
        "status": "ok", "experiment": experiment, "runs": 2, "database": "mlflow.db"
    }  # fmt: skip
    found = runs(study)
    assert mirrored == {f"toy/{name}": run.info.run_id for name, run in found.items()}
    assert found.keys() == {"synthetic/sfsc/seed0", "synthetic/unified/seed0"}
    tags = found["synthetic/sfsc/seed0"].data.tags
    expected = {
        "study": "toy", "dataset": "synthetic", "method": "sfsc", "seed": "0",
        "sfsc.key": "toy/synthetic/sfsc/seed0", "config_digest": "c" * 64,
        "code_digest": "d" * 16, "data_digest": "e" * 64, "git_clean": "True",
        "mlflow.source.git.commit": "f" * 40, "environment.python": "3.11.7",
    }  # fmt: skip
    assert expected.items() <= tags.items()
    assert "| 0.5 | 25.00 | 50.00 |" in tags["mlflow.note.content"]


def test_an_assembled_run_is_one_run(study: Path):
    """Its networks are not runs of their own, and its source is `sfsc assemble`."""
    folder = write_training("independent", 0)
    (folder / "config" / "train.json").rename(folder / "config" / "assemble.json")
    shutil.copytree(folder, folder / "width1")
    assert synchronise()["runs"] == 3
    run = runs(study)["synthetic/independent/seed0"]
    assert run.data.tags["mlflow.source.name"] == "sfsc assemble"
    (artifact,) = client(study).list_artifacts(run.info.run_id, "fingerprint")
    assert artifact.path == "fingerprint/assemble.json"


def test_a_condition_is_found_by_its_variation(study: Path):
    """A run of an ablation or a robustness study has its row, variation and condition as tags."""
    write_training("sfsc@kl_weight=0.005", 0)
    assert synchronise()["status"] == "ok"
    found = runs(study)
    tags = found["synthetic/sfsc@kl_weight=0.005/seed0"].data.tags
    expected = {"method": "sfsc", "variation": "kl_weight", "condition": "0.005", "seed": "0"}
    assert expected.items() <= tags.items()
    assert "variation" not in found["synthetic/sfsc/seed0"].data.tags


def test_run_has_settings_numbers_and_true_times(study: Path):
    """Parameters are flat, each matrix cell is a metric, the run lasts as long as the training."""
    synchronise()
    run = runs(study)["synthetic/sfsc/seed0"]
    assert run.data.params == {
        "seed": "0", "reference": "None", "train.epochs": "4", "train.learning_rate": "0.1",
        "loss.base.name": "softmax", "loss.terms.triplet.weight": "1.0",
        "aggregation.name": "projection",
    }  # fmt: skip
    expected = {
        "average_map": 0.5, "map_q0_g0": 0.25, "map_q0_g1": 0.5, "map_q1_g1": 0.75,
        "mean_cmc_1": 0.75, "macs/switch1": 40.0, "parameters/switch0": 1.0, "wall_seconds": 60.0,
    }  # fmt: skip
    assert expected.items() <= run.data.metrics.items()
    assert "off_diagonal_map" not in run.data.metrics
    end = 1767323045000
    assert (run.info.start_time, run.info.end_time) == (end - 60_000, end)
    assert (run.info.status, run.inputs.dataset_inputs[0].dataset.name) == ("FINISHED", "synthetic")


def test_curves_are_thinned_and_keep_their_last_point(study: Path):
    """A long curve has 100 points, a short one all but NaN, and a single layer's none."""
    synchronise()
    run_id, store = identifiers(study)["synthetic/sfsc/seed0"], client(study)
    losses = store.get_metric_history(run_id, "base_loss/switch0")
    assert (len(losses), losses[-1].step, losses[-1].value) == (100, STEPS, 1.0)
    assert losses[-1].timestamp - losses[0].timestamp == pytest.approx(60_000 * 1188 / 1200)
    cosines = store.get_metric_history(run_id, "cosine_nested/switch0_switch1")
    assert [(point.step, point.value) for point in cosines] == [(10, -0.5)]
    validation = store.get_metric_history(run_id, "validation/average_map")
    assert [(point.step, point.value) for point in validation] == [(600, 0.1)]
    names = store.get_run(run_id).data.metrics
    assert "learning_rate" in names
    assert not any(name.startswith("cosine_layer") for name in names)


def test_a_run_has_its_files(study: Path):
    """The run's own files can be opened."""
    synchronise()
    run_id, store = identifiers(study)["synthetic/sfsc/seed0"], client(study)
    top = {file.path for file in store.list_artifacts(run_id)}
    assert top == {"run.json", "cross_test.json", "training.parquet", "matrix.json", "fingerprint"}


def parent_of(study: Path, name: str) -> str:
    """Return the parent of a training's run."""
    return runs(study)[name].data.tags["mlflow.parentRunId"]


def test_figures_are_stored_with_the_parents_of_rows(study: Path):
    """Neither each seed nor each condition of a variation stores them again."""
    write_training("sfsc", 1)
    write_training("sfsc@kl_weight=0.005", 0)
    synchronise()
    store = client(study)
    for name in ("sfsc", "unified"):
        parent = parent_of(study, f"synthetic/{name}/seed0")
        assert [f.path for f in store.list_artifacts(parent, "figures")] == [
            "figures/synthetic_matrix.png"
        ]
    assert len([*(study / "mlartifacts").rglob("*.png")]) == 2


def test_weights_are_stored_once(study: Path):
    """Those of a row as sub-models, those of a condition of a variation as they are."""
    condition = write_training("sfsc@kl_weight=0.005", 0)
    synchronise()
    run_id, store = identifiers(study)["synthetic/sfsc@kl_weight=0.005/seed0"], client(study)
    path = Path(store.download_artifacts(run_id, "model/model.safetensors"))
    assert path.read_bytes() == (condition / "model.safetensors").read_bytes()
    stored = [path.name for path in (study / "mlartifacts").rglob("*.safetensors")]
    assert sorted(stored) == ["model.safetensors"] + ["submodel.safetensors"] * 4
    experiment = store.get_experiment_by_name("sfsc/toy").experiment_id
    models = store.search_logged_models([experiment])
    assert {model.name for model in models} == {
        f"{method}-seed0-switch{switch}" for method in ("sfsc", "unified") for switch in (0, 1)
    }


def test_mirroring_again_changes_nothing(study: Path):
    """An unchanged training keeps its run."""
    synchronise()
    before = identifiers(study)
    synchronise()
    assert identifiers(study) == before


def test_only_a_changed_training_is_replaced(study: Path):
    """New results are a new run in place of the old one; the others stay."""
    synchronise()
    before = identifiers(study)
    write_training("sfsc", 0, average_map=0.6)
    synchronise()
    after = identifiers(study)
    assert after["synthetic/unified/seed0"] == before["synthetic/unified/seed0"]
    assert after["synthetic/sfsc/seed0"] != before["synthetic/sfsc/seed0"]
    assert runs(study)["synthetic/sfsc/seed0"].data.metrics["average_map"] == 0.6


def test_a_changed_figure_does_not_replace_the_run(study: Path):
    """The run keeps its identity; its parent shows the new picture."""
    synchronise()
    before = identifiers(study)
    (FIGURES / "synthetic_matrix.png").write_bytes(b"better picture")
    synchronise()
    assert identifiers(study) == before
    parent = parent_of(study, "synthetic/sfsc/seed0")
    path = client(study).download_artifacts(parent, "figures/synthetic_matrix.png")
    assert Path(path).read_bytes() == b"better picture"


def test_a_training_that_is_gone_is_removed(study: Path):
    """A training that is no longer on disk is deleted with its models."""
    synchronise()
    shutil.rmtree("results/toy/synthetic/unified")
    assert synchronise()["runs"] == 1
    assert runs(study).keys() == {"synthetic/sfsc/seed0"}
    experiment = client(study).get_experiment_by_name("sfsc/toy").experiment_id
    assert len(client(study).search_logged_models([experiment])) == 2


def test_what_the_study_no_longer_names_is_not_mirrored(study: Path):
    """Its results stay on disk, finished or not; its runs leave the store and no mean has them."""
    write_training("sfsc", 1)
    synchronise()
    untested = write_training("sfsc", 2) / "cross_test.json"
    untested.unlink()
    named = StudyJob(
        study="toy", datasets=("synthetic",), compare=("sfsc",), seeds=(0,), variation_seeds=(0,),
        ablation={}, robustness={}, search={},
    )  # fmt: skip
    record = STAMP.parent / "config" / "track.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"config": named.model_dump(mode="json") | {"store": "0" * 16}}))
    assert synchronise()["runs"] == 1
    assert runs(study).keys() == {"synthetic/sfsc/seed0"}
    assert Path("results/toy/synthetic/sfsc/seed1/model.safetensors").is_file()


def test_a_mirror_killed_half_way_leaves_no_duplicate(study: Path, monkeypatch: pytest.MonkeyPatch):
    """A run without its last tag is replaced."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mirroring, "_log_artifacts", killed)
        with pytest.raises(KeyboardInterrupt):
            synchronise()
    half = identifiers(study)
    assert len(half) == 1
    synchronise()
    assert len(runs(study)) == 2
    assert not set(half.values()) & set(identifiers(study).values())


def test_an_unreachable_store_is_deferred(
    study: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A closed port leads to a log line and a stamp "deferred", not to a failure."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    stamp = synchronise("http://127.0.0.1:9")
    assert stamp["status"] == "deferred"
    assert "MLflow does not answer; the mirror waits for the next run" in caplog.text
    assert synchronise()["status"] == "ok"
    assert len(runs(study)) == 2


def test_two_mirrors_take_turns(study: Path):
    """Two mirrors at once create one run per training."""
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: synchronise(), range(2))
    assert first == second
    assert {f"toy/{name}": run for name, run in identifiers(study).items()} == first["mlflow_runs"]


@pytest.mark.usefixtures("study")
def test_a_refusal_is_an_error_not_an_outage(monkeypatch: pytest.MonkeyPatch):
    """A store that refuses is not waited for, and no stamp is written."""

    def refuse(*_: object, **__: object) -> None:
        raise MlflowException("Invalid name.", error_code=INVALID_PARAMETER_VALUE)

    monkeypatch.setattr(MlflowClient, "create_experiment", refuse)
    with pytest.raises(TrackingError) as raised:
        synchronise()
    assert str(raised.value) == (
        "The tracking store must accept the study's runs. Found: Invalid name. Check "
        "MLFLOW_TRACKING_URI or `--uri`."
    )
    assert not STAMP.exists()


def test_a_damaged_result_is_an_error_not_an_outage(study: Path):
    """A broken file is named before anything is mirrored, and no stamp is left."""
    path = Path("results/toy/synthetic/sfsc/seed0/cross_test.json")
    path.write_text("{")
    with pytest.raises(ResultError, match=rf"{path} must be a readable JSON file\."):
        synchronise()
    path.unlink()
    with pytest.raises(
        ResultError,
        match=rf"A finished training must have `cross_test\.json`\. Found none in {path.parent}\.",
    ):
        synchronise()
    assert not STAMP.exists()
    assert client(study).get_experiment_by_name("sfsc/toy") is None


@pytest.mark.usefixtures("study")
def test_a_result_of_another_version_is_an_error():
    """A record without the size of the images cannot be served."""
    path = Path("results/toy/synthetic/sfsc/seed0/run.json")
    record = json.loads(path.read_text())
    del record["image_size"]
    path.write_text(json.dumps(record))
    with pytest.raises(ResultError) as error:
        synchronise()
    assert str(error.value) == (
        f"{path} must have the `image_size` of the training. Found none: another version wrote it. "
        "Train it again."
    )


def test_garbage_collection_frees_what_was_replaced_and_nothing_else(study: Path):
    """As docs/mlflow.md says: `mlflow gc` removes old runs with their files and models."""
    synchronise()
    current = files_of_store(study)
    write_training("sfsc", 0, average_map=0.6)
    synchronise()
    kept, stored = identifiers(study), files_of_store(study)
    assert len(stored) > len(current)
    uri = f"sqlite:///{study}/mlflow.db"
    command = ["gc", "--backend-store-uri", uri, "--tracking-uri", uri]
    subprocess.run([sys.executable, "-m", "mlflow", *command], check=True, capture_output=True)
    assert len(files_of_store(study)) == len(current)
    assert files_of_store(study) < stored
    assert identifiers(study) == kept
    synchronise()
    assert identifiers(study) == kept


def files_of_store(study: Path) -> set[Path]:
    """Return the artifacts of all runs and models, deleted ones included."""
    return {path for path in (study / "mlartifacts").rglob("*") if path.is_file()}


def test_deleted_experiment_comes_back(study: Path):
    """An experiment deleted in the browser is restored, with its runs as on disk."""
    synchronise()
    store = client(study)
    store.delete_experiment(store.get_experiment_by_name("sfsc/toy").experiment_id)
    synchronise()
    assert len(runs(study)) == 2


def test_the_seeds_of_a_run_are_nested_under_a_parent(study: Path):
    """The parent has their means and deviations, and is updated with a new seed."""
    write_training("sfsc", 1, average_map=0.7)
    synchronise()
    store = client(study)
    experiment = store.get_experiment_by_name("sfsc/toy").experiment_id

    def parent() -> Run:
        """Return the one parent of the runs of SFSC."""
        children = [runs(study)[f"synthetic/sfsc/seed{seed}"] for seed in (0, 1)]
        (identifier,) = {child.data.tags["mlflow.parentRunId"] for child in children}
        return store.get_run(identifier)

    first = parent()
    assert first.info.end_time - first.info.start_time == 60_000
    assert first.info.run_name == "synthetic/sfsc"
    assert first.data.metrics["average_map_mean"] == pytest.approx(0.6)
    assert first.data.metrics["average_map_std"] == pytest.approx(0.02**0.5)
    assert (first.data.metrics["seeds"], first.info.status) == (2, "FINISHED")
    write_training("sfsc", 1, average_map=0.9)
    synchronise()
    assert parent().info.run_id == first.info.run_id
    assert parent().data.metrics["average_map_mean"] == pytest.approx(0.7)
    shutil.rmtree("results/toy/synthetic/sfsc")
    synchronise()
    names = {run.info.run_name for run in store.search_runs([experiment])}
    assert names == {"synthetic/unified", "synthetic/unified/seed0"}


def test_a_parent_says_what_it_is(study: Path):
    """Row, data set, seeds, main numbers and report; its data set is an input."""
    write_training("sfsc", 1, average_map=0.7)
    synchronise()
    parent = client(study).get_run(parent_of(study, "synthetic/sfsc/seed0"))
    assert (
        parent.data.tags["mlflow.note.content"]
        == """\
Row `sfsc` of `methods`. One `small_resnet` whose sub-models share weights, widths 0.5, 1. \
Losses: `softmax`, `triplet`; gradients combined by `projection`.

* Data set: `synthetic`
* Seeds: 0, 1
* Report: `reports/toy/index.html`
* Registered model: `sfsc.toy.synthetic.sfsc`

| percent | mean ± standard deviation over seeds |
| --- | ---: |
| mAP, mean over all pairs of a query and a gallery sub-model | 60.0 ± 14.1 |
| rank-1, mean over all pairs | 75.0 ± 0.0 |"""
    )
    (found,) = parent.inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("synthetic", "e" * 36)


def test_a_parent_of_a_condition_of_separate_networks_says_so(study: Path):
    """It has no registered model, one seed has no deviation, and nothing combines gradients."""
    write_training("bct@kl_weight=0.005", 0, kind="each", reference="independent")
    synchronise()
    parent = client(study).get_run(parent_of(study, "synthetic/bct@kl_weight=0.005/seed0"))
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith(
        "Row `bct` of `methods`, under the condition `kl_weight=0.005`. One `small_resnet` for "
        "each width: 0.5, 1; the frozen full network of `independent` takes part. Losses: "
        "`softmax`, `triplet`.\n"
    )
    assert "| 50.0 |" in note
    assert "Registered model" not in note


def test_new_data_are_a_new_parent(study: Path):
    """MLflow cannot take an input back."""
    synchronise()
    before = parent_of(study, "synthetic/sfsc/seed0")
    path = Path("results/toy/synthetic/sfsc/seed0/run.json")
    path.write_text(path.read_text().replace("e" * 64, "a" * 64))
    synchronise()
    after = client(study).get_run(parent_of(study, "synthetic/sfsc/seed0"))
    assert after.info.run_id != before
    assert [found.dataset.digest for found in after.inputs.dataset_inputs] == ["a" * 36]
    assert client(study).get_run(before).info.lifecycle_stage == "deleted"


def test_the_experiment_says_what_it_is(study: Path):
    """Study, data sets, report, revision and the three kinds of runs."""
    path = write_training("sfsc", 1) / "run.json"
    path.write_text(path.read_text().replace("f" * 40, "0" * 40).replace("true", "false"))
    synchronise()
    note = client(study).get_experiment_by_name("sfsc/toy").tags["mlflow.note.content"]
    for line in (
        "The finished trainings of study `toy`:", "* Data sets: `synthetic`\n",
        "* Report: `reports/toy/index.html`\n",
        f"* Git revision: `{'f' * 12}`, `{'0' * 12}` with uncommitted changes\n",
        "* `<data set>/<row>` is the parent of all seeds", "* `<data set>/<row>/seed<k>` is one",
        "`(training)` is a training in progress.",
    ):  # fmt: skip
        assert line in note


def test_what_the_jobs_used_is_shown(study: Path):
    """The columns of Snakemake's benchmark files that have a value are metrics."""
    logs = Path("logs/toy/synthetic/sfsc/seed0")
    logs.mkdir(parents=True)
    header = "s\th:m:s\tmax_rss\tio_in\tcpu_time\n"
    (logs / "train.tsv").write_text(f"{header}12.5\t0:00:12\t480.5\t-\t11.0\n")
    synchronise()
    metrics = runs(study)["synthetic/sfsc/seed0"].data.metrics
    found = {name: value for name, value in metrics.items() if name.startswith("system/")}
    assert found == {
        "system/train_seconds": 12.5,
        "system/train_max_rss_mb": 480.5,
        "system/train_cpu_seconds": 11.0,
    }


class TestRegistry:
    """Each sub-model of a row is a version that anyone can load."""

    def versions(self, study: Path, method: str = "sfsc") -> dict[tuple[str, str], str]:
        """Return seed and width of each version."""
        found = client(study).search_model_versions(f"name = 'sfsc.toy.synthetic.{method}'")
        return {(v.tags["seed"], v.tags["width"]): str(v.version) for v in found}

    def test_each_submodel_is_a_version_with_its_cost_and_accuracy(self, study: Path):
        """Two seeds of two widths are four versions; mirroring again adds none."""
        write_training("sfsc", 1)
        synchronise()
        before = self.versions(study)
        assert before.keys() == {(seed, width) for seed in "01" for width in ("0.5", "1")}
        version = client(study).get_model_version("sfsc.toy.synthetic.sfsc", before["0", "0.5"])
        expected = {
            "switch": "0", "macs": "10", "parameters": "1", "map_self_test": "0.250000",
            "map_against_full": "0.500000", "average_map_of_run": "0.500000",
            "space": "synthetic/sfsc/seed0",
        }  # fmt: skip
        assert expected.items() <= version.tags.items()
        assert version.run_id == identifiers(study)["synthetic/sfsc/seed0"]
        synchronise()
        assert self.versions(study) == before

    def test_each_submodel_is_an_output_of_its_run(self, study: Path):
        """The run's page links to its models."""
        synchronise()
        synchronise()
        store = client(study)
        run = store.get_run(identifiers(study)["synthetic/sfsc/seed0"])
        models = {store.get_logged_model(m.model_id).name for m in run.outputs.model_outputs}
        assert models == {"sfsc-seed0-switch0", "sfsc-seed0-switch1"}
        assert [output.step for output in run.outputs.model_outputs] == [STEPS] * 2

    def test_onnx_files_are_added_to_the_versions_with_an_alias(
        self, study: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """On request, and once; MLflow gives back a file that embeds alone."""
        shutil.rmtree("results")
        folder = write_finished(study)
        (folder / "config").mkdir()
        (folder / "config" / "train.json").write_text("{}")
        empty = {"layer": "", "value": 1.0, "metric": "loss", "switch": 0, "other": -1, "step": 1}
        pd.DataFrame([empty]).to_parquet(folder / "training.parquet")
        results, stamp = Path("results/tiny"), Path("results/tiny/mlflow.json")
        mirror(results, FIGURES.parent, stamp, None)
        store, name = client(study), "sfsc.tiny.synthetic.sfsc"
        aliased = store.get_model_version_by_alias(name, "best-0_25")
        assert "onnx" not in aliased.tags
        mirror(results, FIGURES.parent, stamp, None, onnx=True)
        aliased = store.get_model_version_by_alias(name, "best-0_25")
        assert aliased.tags["onnx"] == "width-0_25.onnx"
        database = f"sqlite:///{study}/mlflow.db"
        files = mlflow.artifacts.download_artifacts(
            f"models:/{name}@best-0_25", tracking_uri=database
        )
        model = OnnxEmbedder.load(Path(files) / aliased.tags["onnx"])
        assert model.embed(np.zeros((2, 16, 16, 3), np.uint8)).shape == (2, 8)
        monkeypatch.delattr("sfsc.tracking.registry.write_onnx")
        mirror(results, FIGURES.parent, stamp, None, onnx=True)

    def test_the_best_seed_of_the_validation_has_the_aliases(self, study: Path):
        """All widths of one seed: sub-models of two seeds are not compatible."""
        folder = write_training("sfsc", 1)
        record = json.loads((folder / "run.json").read_text())
        record["validation"][-1]["average_map"] = 0.2
        (folder / "run.json").write_text(json.dumps(record))
        synchronise()
        versions = self.versions(study)
        aliases = client(study).get_registered_model("sfsc.toy.synthetic.sfsc").aliases
        found = {alias: str(version) for alias, version in aliases.items()}
        assert found == {"best-0_5": versions["1", "0.5"], "best-1": versions["1", "1"]}

    @pytest.mark.parametrize(
        ("method", "kind", "reference", "has_one_space"),
        [
            ("bct_s", "switchable", None, True),
            ("bct", "each", "independent", True),
            ("independent", "each", None, False),
        ],
    )
    def test_only_comparable_networks_have_aliases(
        self, method: str, kind: str, reference: str | None, has_one_space: bool, study: Path
    ):
        """Networks trained separately embed into unrelated spaces, and the registry says so."""
        write_training(method, 0, kind=kind, reference=reference)
        synchronise()
        name, store = f"sfsc.toy.synthetic.{method}", client(study)
        model = store.get_registered_model(name)
        assert model.aliases.keys() == ({"best-0_5", "best-1"} if has_one_space else set())
        assert model.description == (
            f"Sub-models of `{method}`: uint8 images (B, 16, 12, 3) to unit embeddings (B, 8). "
            f"Compare embeddings of {'one seed' if has_one_space else 'one width of one seed'} "
            "only (equal tag `space`), by cosine."
        )
        found = store.search_model_versions(f"name = '{name}'")
        spaces = {version.tags["space"] for version in found}
        assert spaces == (
            {f"synthetic/{method}/seed0"}
            if has_one_space
            else {f"synthetic/{method}/seed0/width0.5", f"synthetic/{method}/seed0/width1"}
        )

    def test_aliases_and_description_follow_the_row(self, study: Path):
        """A row that loses its common space loses its aliases; a user's own alias stays."""
        write_training("mine", 0)
        synchronise()
        store, name = client(study), "sfsc.toy.synthetic.mine"
        store.set_registered_model_alias(name, "production", self.versions(study, "mine")["0", "1"])
        write_training("mine", 1, kind="each")
        shutil.rmtree("results/toy/synthetic/mine/seed0")
        write_training("mine", 0, kind="each")
        synchronise()
        model = store.get_registered_model(name)
        assert not [alias for alias in model.aliases if alias.startswith("best-")]
        assert "one width of one seed only" in model.description

    @pytest.mark.usefixtures("study")
    def test_a_version_loads_without_the_project(self, tmp_path: Path):
        """Its own code, weights and requirements are enough; the embeddings are the sub-model's."""
        synchronise()
        program = (
            "import sys, numpy as np, mlflow;"
            f"mlflow.set_tracking_uri('sqlite:///{tmp_path}/mlflow.db');"
            "model = mlflow.pyfunc.load_model('models:/sfsc.toy.synthetic.sfsc@best-0_5');"
            "images = np.arange(2 * 16 * 12 * 3, dtype=np.uint8).reshape(2, 16, 12, 3);"
            "np.save('embeddings.npy', model.predict(images));"
            "files = [m.__file__ for name, m in sys.modules.items() if f'{name}.'[:5] == 'sfsc.'];"
            "print(len(files) > 10, all('/code.zip/sfsc/' in file for file in files))"
        )
        (tmp_path / "elsewhere").mkdir()
        environment = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}
        result = subprocess.run(
            [sys.executable, "-c", program], check=False, capture_output=True, text=True,
            cwd=tmp_path / "elsewhere", env=environment,
        )  # fmt: skip
        assert (result.returncode, result.stdout) == (0, "True True\n"), result.stderr
        assert "mismatch" not in result.stderr
        network = load_network(Path("results/toy/synthetic/sfsc/seed0"))
        images = np.arange(2 * 16 * 12 * 3, dtype=np.uint8).reshape(2, 16, 12, 3)
        with torch.no_grad():
            expected = functional.normalize(network(to_float(images), 0).embedding, dim=-1)
        embeddings = torch.from_numpy(np.load("elsewhere/embeddings.npy"))
        torch.testing.assert_close(embeddings, expected, rtol=1e-4, atol=1e-5)

    def test_a_version_names_what_its_code_imports(self, study: Path):
        """Each package that the code imports is a requirement, at the version in use."""
        synchronise()
        (folder, *_) = [path.parent for path in (study / "mlartifacts").rglob("MLmodel")]
        required = dict(
            line.split("==") for line in (folder / "requirements.txt").read_text().splitlines()
        )
        assert required["torch"] == torch.__version__.partition("+")[0]
        with zipfile.ZipFile(folder / "code.zip") as archive:
            trees = [ast.parse(archive.read(name)) for name in archive.namelist()]
        imported = {
            name.partition(".")[0]
            for tree in trees
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        others = imported - sys.stdlib_module_names - {"sfsc", "pydantic_core"}
        assert others | {"mlflow"} == required.keys()

    def test_other_images_are_refused(self, study: Path):
        """The signature has the size of the training's images."""
        synchronise()
        program = (
            "import numpy as np, mlflow\n"
            f"mlflow.set_tracking_uri('sqlite:///{study}/mlflow.db')\n"
            "model = mlflow.pyfunc.load_model('models:/sfsc.toy.synthetic.sfsc@best-1')\n"
            "for shape in ((2, 64, 64, 3), (2, 12, 16, 3), (2, 16, 12, 1), (16, 12, 3)):\n"
            "    try: model.predict(np.zeros(shape, np.uint8))\n"
            "    except Exception as error: print(str(error).partition('Error: ')[2])\n"
            "try: model.predict(np.zeros((2, 16, 12, 3)))\n"
            "except Exception as error: print(str(error).partition('Error: ')[2])\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        )
        does_not_match = "does not match expected shape (-1, 16, 12, 3)."
        assert result.stdout.splitlines() == [
            f"Shape of input (2, 64, 64, 3) {does_not_match}",
            f"Shape of input (2, 12, 16, 3) {does_not_match}",
            f"Shape of input (2, 16, 12, 1) {does_not_match}",
            f"Shape of input (16, 12, 3) {does_not_match}",
            "dtype of input float64 does not match expected dtype uint8",
        ]

    def test_what_is_gone_or_changed_leaves_the_registry(self, study: Path):
        """A replaced run has new versions, a removed row has no model, a variation never has."""
        write_training("sfsc@kl_weight=0.005", 0)
        synchronise()
        before = self.versions(study)
        write_training("sfsc", 0, average_map=0.6)
        shutil.rmtree("results/toy/synthetic/unified")
        synchronise()
        after = self.versions(study)
        assert after.keys() == before.keys()
        assert not set(after.values()) & set(before.values())
        names = {model.name for model in client(study).search_registered_models()}
        assert names == {"sfsc.toy.synthetic.sfsc"}

    def test_studies_of_similar_names_keep_their_models(self, study: Path):
        """`_` in the name of a study matches only itself."""
        client(study).create_registered_model("sfsc.toy.synthetic.sfsc")
        mirror(Path("results/t_y"), Path("reports/t_y"), Path("results/t_y/mlflow.json"), None)
        assert client(study).get_registered_model("sfsc.toy.synthetic.sfsc")
