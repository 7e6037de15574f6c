"""Sub-models in MLflow's registry: `models:/sfsc.<study>.<dataset>.<method>@best-<width>`.

Each sub-model of each seed of a row of `methods` is a version, with width, cost and accuracy as
tags. `mlflow.pyfunc.load_model` loads it without this project: weights, code and requirements are
its artifacts.

Embeddings can be compared if their versions have the same tag `space`: sub-models of one seed that
share weights or a reference. All aliases `best-<width>` (0.125 is written 0_125) of such a row
point to one seed, that with the highest average mAP on the validation identities. Networks that
were trained separately have no such aliases. A version with an alias has the ONNX file of
`sfsc export`, too, if that was asked for; its tag `onnx` is the file's name.
"""

import itertools
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from mlflow.entities import LoggedModelOutput
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from sfsc.deploy.export import describe_models
from sfsc.deploy.finished import Finished
from sfsc.deploy.onnx_file import write_onnx
from sfsc.deploy.space import file_stem
from sfsc.networks.build import Network, load_network
from sfsc.networks.extract import extract
from sfsc.networks.serving import save_submodel
from sfsc.provenance import write_sources
from sfsc.settings import parts
from sfsc.tracking.finished import FinishedTraining

PAGE = 1000
"""Models or versions requested at once."""
LOADER = "sfsc.networks.serving"
CODE, ENVIRONMENT = "code.zip", "python_env.yaml"
REQUIREMENTS = ("mlflow", "numpy", "pydantic", "safetensors", "torch")
"""Packages that the code of a model imports, and the one that loads it."""


def register(
    client: MlflowClient,
    experiment: str,
    study: str,
    runs: Mapping[FinishedTraining, str],
    *,
    onnx: bool = False,
) -> None:
    """Make the registry hold exactly the sub-models of a study's rows.

    Args:
        client: Client of the store.
        experiment: Identifier of the study's experiment.
        study: Name of the study.
        runs: The MLflow run of each finished training.
        onnx: Whether to add an ONNX file to each version that has an alias.
    """
    rows: dict[str, list[FinishedTraining]] = {}
    for training in runs:
        if training.is_row:
            rows.setdefault(training.model_name, []).append(training)
    prefix = f"sfsc.{study}."
    found = client.search_registered_models(f"name LIKE '{prefix}%'", max_results=PAGE)
    # To LIKE, `_` in the name of a study is any character, which would match other studies.
    known = {model.name: model.description for model in found if model.name.startswith(prefix)}
    for name in known.keys() - rows.keys():
        client.delete_registered_model(name)
    for name, trainings in rows.items():
        description = _description(trainings[0])
        if name not in known:
            client.create_registered_model(name, description=description)
        elif known[name] != description:
            client.update_registered_model(name, description)
        aliased = _register_row(client, experiment, name, {t: runs[t] for t in trainings})
        for submodel, version in aliased.items() if onnx else ():
            _add_onnx(client, name, version, submodel)


def delete_models(client: MlflowClient, experiment: str, run_id: str) -> None:
    """Delete the models of a run, before the run."""
    models = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
    for model in models:
        client.delete_logged_model(model.model_id)


def _description(training: FinishedTraining) -> str:
    (height, width), settings = training.run["image_size"], training.run["network"]
    comparable = "one seed" if training.has_one_space else "one width of one seed"
    return (
        f"Sub-models of `{training.folder.parent.name}`: uint8 images (B, {height}, {width}, "
        f"{settings['image_channels']}) to unit embeddings (B, {settings['embedding_dim']}). "
        f"Compare embeddings of {comparable} only (equal tag `space`), by cosine."
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
        """The tags of the version: width, space, cost and accuracy."""
        run, matrix, switch = self.training.run, self.training.matrix, self.switch
        space = "" if self.training.has_one_space else f"/width{self.width}"
        return {
            "space": f"{self.training.name}{space}",
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
) -> "dict[_Submodel, str]":
    """Register the sub-models of the seeds of one row; return the versions that have aliases."""
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
    aliased = {s: versions[s] for s in wanted[best] if best.has_one_space}
    aliases = {f"best-{s.width.replace('.', '_')}": version for s, version in aliased.items()}
    known = client.get_registered_model(name).aliases
    for alias in known.keys() - aliases.keys():
        if alias.startswith("best-"):
            client.delete_registered_model_alias(name, alias)
    for alias, version in aliases.items():
        if str(known.get(alias)) != version:
            client.set_registered_model_alias(name, alias, version)
    return aliased


def _add_onnx(client: MlflowClient, name: str, version: str, submodel: _Submodel) -> None:
    """Add the file of `sfsc export` to a version; the tag `onnx` names it when it is complete."""
    found = client.get_model_version(name, version)
    if "onnx" in found.tags:
        return
    finished = Finished.open(submodel.training.folder)
    description = describe_models(finished)[submodel.switch]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{file_stem(description.width)}.onnx"
        write_onnx(extract(finished.network, submodel.switch), path, description)
        client.log_model_artifact(str(found.source).removeprefix("models:/"), str(path))
    client.set_model_version_tag(name, version, "onnx", path.name)


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
    training = submodel.training
    model = client.create_logged_model(
        experiment,
        name=f"{training.folder.parent.name}-{training.folder.name}-switch{submodel.switch}",
        source_run_id=submodel.run_id,
        tags={"sfsc.key": training.key},
        model_type="sub-model",
    )
    with tempfile.TemporaryDirectory() as folder:
        _write_model(Path(folder), submodel, network, model.model_id)
        client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")
    output = LoggedModelOutput(model.model_id, step=training.run["steps"])
    client.log_outputs(submodel.run_id, models=[output])
    return str(model.model_id)


def _write_model(folder: Path, submodel: _Submodel, network: Network, model_id: str) -> None:
    """Write what `mlflow.pyfunc` needs to load a sub-model anywhere; nothing is pickled."""
    run = submodel.training.run
    settings, image_size = run["network"], run["image_size"]
    save_submodel(
        network, submodel.switch, folder / "data", settings=settings, image_size=image_size
    )
    backbone = parts.module_name("networks.backbones", settings["backbone"])
    write_sources(folder / CODE, LOADER, backbone)
    requirements = (f"{name}=={metadata.version(name).partition('+')[0]}" for name in REQUIREMENTS)
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    python = platform.python_version()
    environment = f"python: {python}\ndependencies: [-r requirements.txt]\n"
    (folder / ENVIRONMENT).write_text(environment, encoding="utf-8")
    # Tensors have no names here: MLflow would take a named one for a column of a table.
    images = TensorSpec(np.dtype(np.uint8), (-1, *image_size, settings["image_channels"]))
    embeddings = TensorSpec(np.dtype(np.float32), (-1, settings["embedding_dim"]))
    signature = ModelSignature(inputs=Schema([images]), outputs=Schema([embeddings]))
    model = Model(signature=signature, model_id=model_id)
    model.add_flavor(
        "python_function",
        loader_module=LOADER,
        data="data",
        code=CODE,
        env={"virtualenv": ENVIRONMENT},
        python_version=python,
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
