"""The plan of a study: what is trained where, and what each job depends on besides its data.

A job's fingerprint file (see sfsc/provenance.py) is an input of its rule. Only the Snakemake that
makes a study writes these files, and it owns the study until it ends. Anything else that reads the
workflow, such as a dry run or a second Snakemake, must not change what the running jobs compute.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sfsc.files import replacing
from sfsc.provenance import fingerprint, holds, short_digest
from sfsc.settings import parts
from sfsc.settings.consistency import key_of
from sfsc.settings.experiment import Params
from sfsc.settings.jobs import NetworkOfRun
from sfsc.settings.problems import nearest, refusal
from sfsc.settings.rows import number_name
from sfsc.settings.section import Section


def runs(params: Params) -> dict[str, tuple[int, ...]]:
    """Return every run of a study and its seeds. A study either searches or compares."""
    searched = [c for group in params.study_job().search.values() for c in group]
    return {c.run: c.seeds or params.variation_seeds for c in searched} or params.runs()


def networks_of(params: Params, run: str) -> tuple[NetworkOfRun, ...]:
    """Return the networks of a run: one for each width, or the one switchable network."""
    return params.networks_of(run) or (NetworkOfRun(run, None),)


def folder_of(network: NetworkOfRun, seed: int) -> str:
    """Return the folder of a training below that of its data set.

    >>> folder_of(NetworkOfRun("sfsc", None), 0), folder_of(NetworkOfRun("bct", 0.25), 1)
    ('sfsc/seed0', 'bct/seed1/width0.25')
    """
    width = [f"width{number_name(network.width)}"] if network.width else []
    return "/".join([network.run, f"seed{seed}", *width])


def reference_of(params: Params, network: NetworkOfRun, seed: int) -> list[NetworkOfRun]:
    """Return the network that a training refers to, as a list of one; none for most methods."""
    job = params.resolve(network.run, dataset=params.datasets[0], seed=seed, width=network.width)
    return [networks_of(params, job.reference)[-1]] if job.reference else []


def trainings(params: Params) -> dict[str, tuple[NetworkOfRun, int]]:
    """Return every network that the study trains, and its seed, by folder."""
    found = {}
    for run, seeds in runs(params).items():
        for seed in seeds:
            for part in networks_of(params, run):
                for network in (*reference_of(params, part, seed), part):
                    found[folder_of(network, seed)] = (network, seed)
    return found


@dataclass(frozen=True)
class Dependencies:
    """What a job depends on besides the results of other jobs."""

    config: Mapping[str, Any]
    """Its slice of the settings, JSON values."""
    modules: Sequence[str]
    """The modules that do its work: its stage, and the parts that the slice names."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The user's files that it reads, by the sentence that asks for them."""

    @cached_property
    def text(self) -> str:
        """The content of the fingerprint file."""
        return fingerprint(self.config, self.modules)


def preparations(params: Params) -> dict[str, Dependencies]:
    """Return the dependencies of preparing each data set, by fingerprint file."""
    found = {}
    for dataset in params.datasets:
        part = parts.load("data.sets", dataset)
        raw = [] if hasattr(part, "fetch") else raw_files(params, dataset)
        found[f"data/prepared/{params.study}/{dataset}.json"] = Dependencies(
            _values(params.prepare_job(dataset)),
            ["sfsc.data.prepare", parts.module_name("data.sets", dataset)],
            {f"`data.{dataset}` must find its file `{file}`. Found none.": file for file in raw},
        )
    return found


def raw_files(params: Params, dataset: str) -> list[str]:
    """Return the raw files that a data set is made from: its `RAW`, with its settings filled in."""
    settings = params.data.sets[dataset].model_dump()
    names = parts.load("data.sets", dataset).RAW
    return [f"data/raw/{dataset}/{name.format_map(settings)}" for name in names]


def training_dependencies(params: Params) -> dict[str, Dependencies]:
    """Return the dependencies of each training, by fingerprint file."""
    found = {}
    for dataset in params.datasets:
        for folder, (network, seed) in trainings(params).items():
            job = params.resolve(network.run, dataset=dataset, seed=seed, width=network.width)
            path = f"results/{params.study}/{dataset}/{folder}/config/train.json"
            found[path] = Dependencies(
                _values(job), ["sfsc.training.run", *job.modules()], _weights(params, network.run)
            )
    return found


def evaluations(params: Params) -> dict[str, Dependencies]:
    """Return the dependencies of assembling, measuring and testing, by fingerprint file."""
    found = {}
    for dataset in params.datasets:
        results = f"results/{params.study}/{dataset}"
        for run, seeds in runs(params).items():
            for seed in seeds:
                folder = f"{results}/{run}/seed{seed}/config"
                job = params.resolve(run, dataset=dataset, seed=seed)
                backbone = parts.module_name("networks.backbones", job.network.backbone.name)
                if params.networks_of(run):
                    found[f"{folder}/assemble.json"] = Dependencies(
                        _values(job), ["sfsc.training.assemble", backbone]
                    )
                if not params.search:
                    found[f"{folder}/evaluate.json"] = _test(params, backbone)
        if not params.search:
            measured = params.measure_job(dataset)
            backbone = parts.module_name("networks.backbones", measured.network.backbone.name)
            found[f"{results}/config/measure.json"] = Dependencies(
                _values(measured), ["sfsc.networks.footprint", backbone]
            )
        if training := escalated(params):
            job = params.resolve("sfsc", dataset=dataset, seed=params.seeds[0])
            backbone = parts.module_name("networks.backbones", job.network.backbone.name)
            found[f"{results}/config/escalation.json"] = Dependencies(
                {"training": training}, ["sfsc.deploy.escalation_curve", backbone]
            )
    return found


def escalated(params: Params) -> str | None:
    """Return the training whose queries climb to larger sub-models in a figure, if there is one."""
    if params.search or "sfsc" not in params.compare or not params.is_switchable("sfsc"):
        return None
    return f"sfsc/seed{params.seeds[0]}"


def reports(params: Params, figures: Sequence[str], store: str) -> dict[str, Dependencies]:
    """Return the dependencies of the reporting stages and the mirror, by fingerprint file.

    Args:
        params: The settings.
        figures: Names of the figures that are drawn.
        store: Address of MLflow's store. Only its digest is kept, as it may hold a password.
    """
    study = _values(params.study_job())
    mirrored = study | {"store": short_digest(store.encode())}
    stages: dict[str, Dependencies] = {}
    if params.search:
        stages["choices"] = Dependencies(study, ["sfsc.reporting.choices"])
    else:
        sets = [parts.module_name("data.sets", name) for name in params.datasets]
        drawing = [parts.module_name("reporting.figures", name) for name in figures]
        cost = {"datasets": list(params.datasets)}
        stages["tables"] = Dependencies(study, ["sfsc.reporting.tables.write", *sets])
        stages["claims"] = Dependencies(study, ["sfsc.reporting.claims"])
        stages["figures"] = Dependencies(study, ["sfsc.reporting.drawing", *drawing, *sets])
        stages["cost"] = Dependencies(cost, ["sfsc.reporting.tables.cost"])
        stages["report"] = Dependencies(study, ["sfsc.reporting.report", *sets])
    stages["track"] = Dependencies(mirrored, ["sfsc.tracking.mirror"])
    return {f"results/{params.study}/config/{name}.json": d for name, d in stages.items()}


def changed(jobs: Mapping[str, Dependencies]) -> list[str]:
    """Return the fingerprint files that do not hold what their jobs depend on now."""
    return [path for path, job in jobs.items() if not holds(Path(path), job.text)]


def check_files(
    jobs: Mapping[str, Dependencies],
    *,
    source: str,
    is_made: Callable[[str], bool] = lambda _: False,
) -> None:
    """Refuse settings that name a missing file, also where the results of other settings exist.

    Results whose settings and code are unchanged do not need the files: they may have come from
    another machine, without raw data.

    Args:
        jobs: The jobs of the study, by fingerprint file.
        source: The files of the settings, for the message.
        is_made: Whether a rule makes a file.

    Raises:
        ConfigError: If a job must run and a file that it reads is missing; all such files at once.
    """
    if problems := list(_file_problems(jobs, is_made)):
        raise refusal(source, problems)


def _file_problems(
    jobs: Mapping[str, Dependencies], is_made: Callable[[str], bool]
) -> Iterator[str]:
    for path, job in jobs.items():
        missing = {s: f for s, f in job.files.items() if not Path(f).is_file() and not is_made(f)}
        if missing and not holds(Path(path), job.text):
            for sentence, file in missing.items():
                yield f"{sentence}{nearest(file, _beside(file))}"


def _beside(file: str) -> Iterable[str]:
    """Return the files in the folder of a file, written as it is."""
    folder = os.path.dirname(file)  # noqa: PTH120 - keeps a leading `./`
    names = os.listdir(folder or ".") if Path(folder).is_dir() else []  # noqa: PTH208 - as above
    return [os.path.join(folder, name) for name in names]  # noqa: PTH118 - as above


def write(jobs: Mapping[str, Dependencies], paths: Iterable[str]) -> None:
    """Put fingerprint files in place. Only the owner of the study may."""
    for path in paths:
        with replacing(Path(path)) as temporary:
            temporary.write_text(jobs[path].text, encoding="utf-8")


def _test(params: Params, backbone: str) -> Dependencies:
    modules = ["sfsc.retrieval.evaluate", backbone]
    if params.evaluate.reranking:
        modules.append(parts.module_name("retrieval.rerankings", params.evaluate.reranking.name))
    return Dependencies(_values(params.evaluate), modules)


def _weights(params: Params, run: str) -> dict[str, str]:
    """Return the file of weights that a run starts from, by the sentence that asks for it."""
    file = params.resolve(run, dataset=params.datasets[0], seed=params.seeds[0]).network.pretrained
    if file is None:
        return {}
    method, _, condition = run.partition("@")
    *rows, last = params.overlays(run)
    if condition and "pretrained" in last.network:
        key = f"{key_of(run)}.network.pretrained"
    elif any("pretrained" in row.network for row in (*rows, last)):
        key = f"methods.{method}.network.pretrained"
    else:
        key = "network.pretrained"
    return {f"`{key}` must name a file that exists. Found '{file}'.": file}


def _values(section: Section) -> dict[str, Any]:
    return section.model_dump(mode="json")
