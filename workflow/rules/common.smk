# What the rules share: the validated parameters, the wildcards, the fingerprint files and the list of deliverables.
import json
import os
import sys
from pathlib import Path

from sfsc.config import parse_params
from sfsc.errors import ConfigError
from sfsc.provenance import write_fingerprint

# The rows of `methods` that have a training rule of their own; every other row is a variant of one of them.
TRAINED = ("full_alone", "unified", "bct_s", "sfsc")

# The jobs' `sfsc` is that of the interpreter that reads this file: its sources are the ones that fingerprints describe.
os.environ.update(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def read_params():
    """Return the validated parameters; end with the sentences of all mistakes, and no traceback."""
    files = dict.fromkeys(["params.yaml", *map(str, workflow.configfiles)])
    try:
        params = parse_params(config, source=", ".join(files))
        check_rules(params)
    except ConfigError as error:
        # Snakemake adds the Snakefile's call stack to any other exception that leaves this file.
        sys.exit(str(error))
    return params


def check_rules(params):
    """Refuse a row that no training rule makes: Snakemake would only say that an input is missing."""
    strangers = [run for run in params.compare if params.family(run) not in TRAINED]
    if strangers:
        msg = (
            f"Each row of `compare` must be one of {', '.join(TRAINED)} or a variant of one. Found "
            f"{', '.join(strangers)}. Set `variant_of`, or add a rule to workflow/rules/train.smk."
        )
        raise ConfigError(msg)


def rows_of(family):
    """Return the wildcard constraint of a training rule: the compared rows that it trains."""
    return "|".join(run for run in PARAMS.compare if PARAMS.family(run) == family) or "(?!)"


def of_trainings(pattern):
    """Return a path for each training of the study, by data set, row and seed."""
    return expand(
        pattern, study=PARAMS.study, dataset=PARAMS.datasets, run=PARAMS.compare, seed=PARAMS.seeds
    )


PARAMS = read_params()


wildcard_constraints:
    study=PARAMS.study,
    dataset="|".join(PARAMS.datasets),
    run="|".join(PARAMS.compare),
    seed="|".join(map(str, PARAMS.seeds)),


def materialise_fingerprints():
    """Write what each job depends on besides its data to a file that is an input of the job's rule."""
    study = Path("results", PARAMS.study)
    for dataset in PARAMS.datasets:
        fingerprint(f"data/prepared/{PARAMS.study}/{dataset}.json", PARAMS.prepare_job(dataset), "data.prepare")
        for run in PARAMS.compare:
            for seed in PARAMS.seeds:
                job = PARAMS.resolve(run, dataset=dataset, seed=seed)
                folder = study / dataset / run / f"seed{seed}" / "config"
                fingerprint(folder / "train.json", job, "training.run")
                fingerprint(folder / "embed.json", None, "retrieval.embed")
                fingerprint(folder / "evaluate.json", PARAMS.evaluate, "retrieval.evaluate")


def fingerprint(path, section, module):
    """Write one fingerprint file; `section` is a part of the parameters, None if the job reads none of them."""
    slice = section.model_dump(mode="json") if section else {}
    write_fingerprint(Path(path), slice, modules=[f"sfsc.{module}"])


materialise_fingerprints()
