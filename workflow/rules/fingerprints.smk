# Written when the pipeline is read: the fingerprint files, inputs of the jobs that depend on them. Snakemake's
# own record of parameters and code stays behind in a clone or a DVC experiment; files do not.
import hashlib
import os
from pathlib import Path

from sfsc.provenance import write_fingerprint
from sfsc.tracking.stamp import is_stale


def materialise_fingerprints():
    """Write what each job depends on besides its data to a file that is an input of its rule.

    The parts that a job names (see sfsc.settings.parts) are hashed with its stage, which does not import
    them by name.
    """
    for dataset in PARAMS.datasets:
        fingerprint(
            f"data/prepared/{PARAMS.study}/{dataset}.json",
            values(PARAMS.prepare_job(dataset)),
            "sfsc.data.prepare",
            parts.module_name("data.sets", dataset),
        )
        results = f"results/{PARAMS.study}/{dataset}"
        for network, (part, seed) in NETWORKS.items():
            job = PARAMS.resolve(part.run, dataset=dataset, seed=seed, width=part.width)
            path = f"{results}/{network}/config/train.json"
            fingerprint(path, values(job), "sfsc.training.run", *job.modules())
        for run, seeds in RUNS.items():
            for seed in seeds:
                fingerprint_run(
                    f"{results}/{run}/seed{seed}/config", dataset, run, seed
                )
        if not STUDY.search:
            measured = PARAMS.measure_job(dataset)
            fingerprint(
                f"{results}/config/measure.json",
                values(measured),
                "sfsc.networks.footprint",
                parts.module_name("networks.backbones", measured.network.backbone.name),
            )
    fingerprint_reports(f"results/{PARAMS.study}/config")


def fingerprint_run(folder, dataset, run, seed):
    """Write what assembling a run and evaluating it depend on."""
    job = PARAMS.resolve(run, dataset=dataset, seed=seed)
    backbone = parts.module_name("networks.backbones", job.network.backbone.name)
    if run in COMPOSITES:
        stage = "sfsc.training.assemble"
        fingerprint(f"{folder}/assemble.json", values(job), stage, backbone)
    if not STUDY.search:
        modules = ["sfsc.retrieval.evaluate", backbone]
        if PARAMS.evaluate.reranking:
            modules.append(parts.module_name("retrieval.rerankings", "k_reciprocal"))
        fingerprint(f"{folder}/evaluate.json", values(PARAMS.evaluate), *modules)


def fingerprint_reports(folder):
    """Write what the reporting stages and the mirror depend on."""
    study = values(STUDY)
    if STUDY.search:
        fingerprint(f"{folder}/choices.json", study, "sfsc.reporting.choices")
    else:
        fingerprint(f"{folder}/tables.json", study, "sfsc.reporting.tables.write")
        fingerprint(f"{folder}/claims.json", study, "sfsc.reporting.claims")
        fingerprint(
            f"{folder}/figures.json",
            study,
            "sfsc.reporting.drawing",
            *(parts.module_name("reporting.figures", name) for name in FIGURES),
        )
        fingerprint(
            f"{folder}/cost.json",
            {"datasets": list(PARAMS.datasets)},
            "sfsc.reporting.tables.cost",
        )
        fingerprint(f"{folder}/report.json", study, "sfsc.reporting.report")
    # The digest of the store's address: the address itself may hold a password.
    store = os.environ.get("MLFLOW_TRACKING_URI", "")
    mirrored = study | {"store": hashlib.sha256(store.encode()).hexdigest()[:16]}
    fingerprint(f"{folder}/track.json", mirrored, "sfsc.tracking.mirror")


def values(section):
    """Return a section of the parameters as JSON values."""
    return section.model_dump(mode="json")


def fingerprint(path, config, *modules):
    """Write one fingerprint file."""
    write_fingerprint(Path(path), config, modules=modules)


def forget_stale_mirror():
    """Drop the mirror's stamp if the store did not answer, or has lost the runs since."""
    stamp = Path(f"results/{PARAMS.study}/mlflow.json")
    if stamp.exists() and is_stale(stamp, os.environ.get("MLFLOW_TRACKING_URI", "")):
        stamp.unlink()


# A job on a cluster's node is made from what the Snakemake that submitted it wrote, even if params.yaml was edited since.
if workflow.is_main_process:
    materialise_fingerprints()
    forget_stale_mirror()
