# Written when the pipeline is read: the fingerprint files, inputs of the jobs that depend on them. Snakemake's
# own record of parameters and code stays behind in a clone or a DVC experiment; files do not.
import hashlib
import json
import os
from pathlib import Path

from sfsc.provenance import write_fingerprint


def materialise_fingerprints():
    """Write what each job depends on besides its data to a file that is an input of its rule."""
    for dataset in PARAMS.datasets:
        prepared = f"data/prepared/{PARAMS.study}/{dataset}.json"
        fingerprint(prepared, values(PARAMS.prepare_job(dataset)), "sfsc.data.prepare")
        for run in PARAMS.compare:
            for seed in PARAMS.seeds:
                folder = f"results/{PARAMS.study}/{dataset}/{run}/seed{seed}/config"
                job = PARAMS.resolve(run, dataset=dataset, seed=seed)
                fingerprint(f"{folder}/train.json", values(job), "sfsc.training.run")
                fingerprint(f"{folder}/embed.json", {}, "sfsc.retrieval.embed")
                evaluation = values(PARAMS.evaluate)
                fingerprint(
                    f"{folder}/evaluate.json", evaluation, "sfsc.retrieval.evaluate"
                )
    folder = f"results/{PARAMS.study}/config"
    trainings = values(PARAMS, include={"datasets", "compare", "seeds"})
    for stage in ("tables", "figures", "report"):
        fingerprint(f"{folder}/{stage}.json", trainings, f"sfsc.reporting.{stage}")
    # The digest of the store's address: the address itself may hold a password.
    store = os.environ.get("MLFLOW_TRACKING_URI", "")
    mirrored = trainings | {"store": hashlib.sha256(store.encode()).hexdigest()[:16]}
    fingerprint(f"{folder}/track.json", mirrored, "sfsc.tracking")


def values(section, **selection):
    """Return a section of the parameters as JSON values."""
    return section.model_dump(mode="json", **selection)


def fingerprint(path, config, module):
    """Write one fingerprint file."""
    write_fingerprint(Path(path), config, modules=[module])


def forget_stale_mirror():
    """Drop the mirror's stamp if the store did not answer, or if its database is gone."""
    stamp = Path(f"results/{PARAMS.study}/mlflow.json")
    if stamp.exists():
        content = json.loads(stamp.read_text())
        database = content.get("database")
        if content["status"] != "ok" or (database and not Path(database).exists()):
            stamp.unlink()


materialise_fingerprints()
forget_stale_mirror()
