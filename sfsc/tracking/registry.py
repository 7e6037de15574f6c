"""Sub-models in MLflow's registry: `models:/sfsc.<study>.<dataset>.<method>@best-<width>`.

Each sub-model of each seed of a row of `methods` is a version, loadable by
`mlflow.pyfunc.load_model`, with width, cost and accuracy as tags. Only sub-models of the same seed
are compatible, so all aliases `best-<width>` (0.125 is written 0_125) point to one seed: the one
with the highest average mAP on the validation identities.
"""

import itertools
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from sfsc.networks.build import Network, load_network
from sfsc.networks.serving import save_submodel
from sfsc.tracking.finished import FinishedTraining

PAGE = 1000
"""Models or versions requested at once."""


def register(
    client: MlflowClient, experiment: str, study: str, runs: Mapping[FinishedTraining, str]
) -> None:
    """Make the registry hold exactly the sub-models of a study's rows.

    Args:
        client: Client of the store.
        experiment: Identifier of the study's experiment.
        study: Name of the study.
        runs: The MLflow run of each finished training.
    """
    rows: dict[str, list[FinishedTraining]] = {}
    for training in runs:
        if training.is_row:
            rows.setdefault(_model_name(training), []).append(training)
    prefix = f"sfsc.{study}."
    found = client.search_registered_models(f"name LIKE '{prefix}%'", max_results=PAGE)
    # To LIKE, `_` in the name of a study is any character, which would match other studies.
    known = {model.name for model in found if model.name.startswith(prefix)}
    for name in known - rows.keys():
        client.delete_registered_model(name)
    for name, trainings in rows.items():
        if name not in known:
            client.create_registered_model(name, description=_description(trainings[0]))
        _register_row(client, experiment, name, {t: runs[t] for t in trainings})


def delete_models(client: MlflowClient, experiment: str, run_id: str) -> None:
    """Delete the models of a run, before the run."""
    models = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
    for model in models:
        client.delete_logged_model(model.model_id)


def _model_name(training: FinishedTraining) -> str:
    study, dataset, method = training.folder.parts[-4:-1]
    return f"sfsc.{study}.{dataset}.{method}"


def _description(training: FinishedTraining) -> str:
    return (
        f"Sub-models of `{training.folder.parent.name}`: uint8 images (B, H, W, C) to unit "
        "embeddings (B, D). Compare embeddings of one seed only, by cosine."
    )


@dataclass(frozen=True)
class _Submodel:
    """One sub-model of one finished training."""

    training: FinishedTraining
    run_id: str
    """The MLflow run of the training."""
    switch: int

    @property
    def width(self) -> str:
        """The width in aliases and tags."""
        return f"{self.training.run['widths'][self.switch]:g}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the version: width, cost and accuracy."""
        run, matrix, switch = self.training.run, self.training.matrix, self.switch
        return {
            "switch": str(switch),
            "width": self.width,
            "seed": str(run["seed"]),
            "macs": str(run["macs"][switch]),
            "parameters": str(run["parameters"][switch]),
            "map_self_test": f"{matrix[switch][switch]:.6f}",
            "map_against_full": f"{matrix[switch][-1]:.6f}",
            "average_map_of_run": f"{sum(map(sum, matrix)) / len(matrix) ** 2:.6f}",
            "code_digest": str(run["code_digest"]),
        }


def _register_row(
    client: MlflowClient, experiment: str, name: str, runs: Mapping[FinishedTraining, str]
) -> None:
    """Register the sub-models of the seeds of one row."""
    wanted = {
        training: [
            _Submodel(training, run_id, switch) for switch in range(len(training.run["widths"]))
        ]
        for training, run_id in runs.items()
    }
    versions = _known_versions(client, name, [*itertools.chain.from_iterable(wanted.values())])
    for training, submodels in wanted.items():
        missing = [submodel for submodel in submodels if submodel not in versions]
        if missing:
            network = load_network(training.folder)
            for submodel in missing:
                model_id = _log_model(client, experiment, submodel, network)
                versions[submodel] = _create_version(client, name, submodel, model_id)
    best = max(runs, key=lambda training: training.run["validation"][-1]["average_map"])
    aliases = client.get_registered_model(name).aliases
    for submodel in wanted[best]:
        alias, version = f"best-{submodel.width.replace('.', '_')}", versions[submodel]
        if str(aliases.get(alias)) != version:
            client.set_registered_model_alias(name, alias, version)


def _known_versions(
    client: MlflowClient, name: str, wanted: Sequence[_Submodel]
) -> dict[_Submodel, str]:
    """Return the complete versions; delete all others, such as those of deleted runs."""
    by_key = {(submodel.run_id, str(submodel.switch)): submodel for submodel in wanted}
    versions: dict[_Submodel, str] = {}
    for version in client.search_model_versions(f"name = '{name}'", max_results=PAGE):
        submodel = by_key.get((str(version.run_id), version.tags.get("switch", "")))
        # `sfsc.complete` is the last tag: without it, the mirror was killed before the end.
        if submodel and "sfsc.complete" in version.tags and submodel not in versions:
            versions[submodel] = str(version.version)
        else:
            client.delete_model_version(name, version.version)
    return versions


def _log_model(client: MlflowClient, experiment: str, submodel: _Submodel, network: Network) -> str:
    """Log a sub-model as a model of its run; return its identifier."""
    training, switch = submodel.training, submodel.switch
    model = client.create_logged_model(
        experiment,
        name=f"{training.folder.parent.name}-{training.folder.name}-switch{switch}",
        source_run_id=submodel.run_id,
        tags={"sfsc.key": training.key},
        model_type="sub-model",
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = training.run["network"]
        save_submodel(network, switch, settings, Path(folder) / "data")
        _write_description(Path(folder), settings, model.model_id)
        client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")
    return str(model.model_id)


def _write_description(folder: Path, settings: Mapping[str, Any], model_id: str) -> None:
    """Write `MLmodel`, which tells `mlflow.pyfunc` how to load the folder; nothing is pickled."""
    # Tensors have no names here: MLflow would take a named one for a column of a table.
    images = TensorSpec(np.dtype(np.uint8), (-1, -1, -1, settings["image_channels"]))
    embeddings = TensorSpec(np.dtype(np.float32), (-1, settings["embedding_dim"]))
    signature = ModelSignature(inputs=Schema([images]), outputs=Schema([embeddings]))
    model = Model(signature=signature, model_id=model_id)
    model.add_flavor(
        "python_function",
        loader_module="sfsc.networks.serving",
        data="data",
        python_version=platform.python_version(),
    )
    model.save(str(folder / "MLmodel"))


def _create_version(client: MlflowClient, name: str, submodel: _Submodel, model_id: str) -> str:
    """Register a logged sub-model and return its version."""
    version = client.create_model_version(
        name,
        source=f"models:/{model_id}",
        run_id=submodel.run_id,
        model_id=model_id,
        tags=submodel.tags,
    )
    client.set_model_version_tag(name, version.version, "sfsc.complete", "yes")
    return str(version.version)
