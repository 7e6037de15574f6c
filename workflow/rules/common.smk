# What the rules share: the validated parameters, the wildcards, paths and the deliverables.
import os
import sys
from pathlib import Path

from sfsc.config import parse_params
from sfsc.errors import ConfigError
from sfsc.provenance import SOURCE_ROOT

# The rows of `methods` that have a training rule; every other row is a variant of one of them.
TRAINED = ("full_alone", "unified", "bct_s", "sfsc")
# The figures of a data set, each by a rule of its own, in the order of the report.
FIGURES = (
    "cross_test",
    "accuracy_cost",
    "gradient_norm",
    "conflicts",
    "uncertainty",
    "retrieval",
)

# The jobs run with this interpreter and on these sources, the ones that fingerprints describe: in a
# copy of the project, say a DVC experiment's, the command on the user's path would be of another.
os.environ.update(
    PATH=os.pathsep.join(
        [str(Path(sys.executable).parent), os.getenv("PATH", os.defpath)]
    ),
    PYTHONPATH=os.pathsep.join(
        filter(None, [str(SOURCE_ROOT), os.getenv("PYTHONPATH")])
    ),
)


def read_params():
    """Return the validated parameters; end with the sentences of all mistakes, and no traceback."""
    overlays = [os.path.relpath(path) for path in workflow.configfiles]
    files = dict.fromkeys(["params.yaml", *overlays])
    try:
        params = parse_params(config, source=", ".join(files))
        check_rules(params)
    except ConfigError as error:
        # Snakemake adds the Snakefile's call stack to any other exception that leaves this file.
        sys.exit(str(error))
    return params


def check_rules(params):
    """Refuse a row that nothing trains; Snakemake would only say that an input is missing."""
    strangers = [run for run in params.compare if params.family(run) not in TRAINED]
    if strangers:
        raise ConfigError(
            f"Each row of `compare` must be one of {', '.join(TRAINED)} or a variant of one. Found "
            f"{', '.join(strangers)}. Set `variant_of`, or add a rule to workflow/rules/train.smk."
        )


PARAMS = read_params()


wildcard_constraints:
    study=PARAMS.study,
    dataset="|".join(PARAMS.datasets),
    run="|".join(PARAMS.compare),
    seed="|".join(map(str, PARAMS.seeds)),


def rows_of(family):
    """Return the wildcard constraint of a training rule: the compared rows that it trains."""
    rows = [run for run in PARAMS.compare if PARAMS.family(run) == family]
    return "|".join(rows) or "(?!)"


def of_data_set(name):
    """Return a file of each training of a data set, in the order of `compare`."""
    pattern = f"results/{{study}}/{{dataset}}/{{run}}/seed{{seed}}/{name}"
    return expand(pattern, run=PARAMS.compare, seed=PARAMS.seeds, allow_missing=True)


def of_study(name):
    """Return a file of each training of the study."""
    return expand(of_data_set(name), dataset=PARAMS.datasets, allow_missing=True)


def sheets_of_study():
    """Return the contact sheets of the study's data sets."""
    return expand(
        "data/prepared/{study}/{dataset}/contact_sheet.png",
        dataset=PARAMS.datasets,
        allow_missing=True,
    )


def figures_of_study(suffix):
    """Return the figures of the study, data set by data set."""
    return expand(
        "reports/{study}/figures/{dataset}_{figure}.{suffix}",
        dataset=PARAMS.datasets,
        figure=FIGURES,
        suffix=suffix,
        allow_missing=True,
    )


def folders(files):
    """Return the folders of the files."""
    return [os.path.dirname(file) for file in files]


def final_targets():
    """Return every deliverable: Snakemake makes again only what a target asks for."""
    targets = [
        *of_study("model.safetensors"),
        *of_study("run.json"),
        *of_study("training.parquet"),
        *of_study("embeddings.safetensors"),
        *of_study("cross_test.json"),
        *sheets_of_study(),
        *figures_of_study(["svg", "png"]),
        "reports/{study}/tables/main.csv",
        "reports/{study}/tables/main.md",
        "reports/{study}/tables/main.tex",
        "reports/{study}/metrics.json",
        "reports/{study}/index.html",
        "results/{study}/mlflow.json",
    ]
    return expand(targets, study=PARAMS.study)
