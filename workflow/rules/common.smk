# What the rules share: the validated parameters, the runs, the wildcards and the deliverables.
import os
import re
import shlex
import sys
from pathlib import Path

from sfsc import plan
from sfsc.errors import ConfigError
from sfsc.licence import check_images_stay_here
from sfsc.networks.published import WEIGHTS
from sfsc.provenance import SOURCE_ROOT
from sfsc.settings import parts
from sfsc.settings.experiment import load_params

# The jobs run with this interpreter and on these sources, the ones that fingerprints describe: in a copy of the project,
# such as a DVC experiment's, the command on the user's path would belong to another copy.
os.environ.update(
    PATH=os.pathsep.join(
        [str(Path(sys.executable).parent), os.getenv("PATH", os.defpath)]
    ),
    PYTHONPATH=os.pathsep.join(
        filter(None, [str(SOURCE_ROOT), os.getenv("PYTHONPATH")])
    ),
)


# params.yaml and its overlays.
SETTINGS = list(
    dict.fromkeys(
        ["params.yaml", *(os.path.relpath(path) for path in workflow.configfiles)]
    )
)


def read_params():
    """Return the validated parameters; end with the sentences of all mistakes, and no traceback."""
    try:
        params = load_params([Path(file) for file in SETTINGS])
        if workflow.is_main_process:
            check_images_stay_here(params.study, params.datasets, root=Path.cwd())
        return params
    except ConfigError as error:
        # Snakemake adds the Snakefile's call stack to any other exception that leaves this file.
        sys.exit(str(error))


def one_of(names):
    """Return the wildcard constraint that allows the names and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


PARAMS = read_params()
STUDY = PARAMS.study_job()
# Every run and its seeds. A study searches or compares: candidates are never tested.
RUNS = plan.runs(PARAMS)
# GPUs of a training.
GPUS = PARAMS.train.processes if PARAMS.train.device == "cuda" else 0

# The figures of a data set, in the order of the report; a new file of sfsc/reporting/figures comes last.
FIGURES = [
    "accuracy_cost",  # the first on the page
    "cross_test",
    "gradient_norm",
    "conflicts",
    "conflict_map",
    "uncertainty",
    "priority",
    "twins",
    "ablation",
    "robustness",
    "retrieval",
]
FIGURES += sorted(set(parts.names("reporting.figures")) - set(FIGURES))
# The methods of the conditions of the ablations and robustness studies.
VARIED = {c.method for group in STUDY.variations().values() for c in group}
# A study without the runs of a figure does not draw it.
NOT_DRAWN = {
    "conflict_map": "bct_s" not in VARIED,
    "twins": "independent" not in PARAMS.compare,
    "ablation": not STUDY.ablation,
    "robustness": not STUDY.robustness,
}
FIGURES = [figure for figure in FIGURES if not NOT_DRAWN.get(figure)]

# The training of the figure of escalation, which is drawn apart from the others: it embeds images.
ESCALATED = plan.escalated(PARAMS)

# The choices of the searches, as far as their records are here: the tables name the origin of the hyper-parameters.
CHOICES = [f"reports/{study}/choices.json" for study in PARAMS.chosen_by]
CHOICES = list(filter(os.path.exists, CHOICES))


wildcard_constraints:
    study=PARAMS.study,
    dataset=one_of(PARAMS.datasets),
    run=one_of(RUNS),
    seed=one_of(sorted({str(seed) for seeds in RUNS.values() for seed in seeds})),


def raw_files(wildcards):
    """Return the raw files that a data set is made from."""
    return plan.raw_files(PARAMS, wildcards.dataset)


def flag(name, values):
    """Return a flag of the command line and its values, quoted; nothing if there are none."""
    return shlex.join([name, *values]) if values else ""


def folders(files):
    """Return the folders of the files."""
    return [os.path.dirname(file) for file in files]


def of_data_set(name):
    """Return a file of each run of a data set and each of its seeds, compared rows first."""
    folder = "results/{{study}}/{{dataset}}/{run}/seed{seed}/{name}"
    return [
        folder.format(run=run, seed=seed, name=name)
        for run, seeds in RUNS.items()
        for seed in seeds
    ]


def of_study(name):
    """Return a file of each run of the study."""
    return expand(of_data_set(name), dataset=PARAMS.datasets, allow_missing=True)


def measured_of_study():
    """Return the costs of the sub-models on each data set of the study."""
    return expand(
        "results/{study}/{dataset}/cost.json",
        dataset=PARAMS.datasets,
        allow_missing=True,
    )


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
        figure=[*FIGURES, *(["escalation"] if ESCALATED else [])],
        suffix=suffix,
        allow_missing=True,
    )


def tables_of_study(suffixes):
    """Return the tables of the study; one without a variation says so."""
    return expand(
        "reports/{study}/tables/{name}.{suffix}",
        name=["deployment", "main", "ablation", "robustness", "conflicts"],
        suffix=suffixes,
        allow_missing=True,
    )


def trainings_of_study():
    """Return the files of all networks, and of the runs that are assembled of them."""
    return expand(
        "results/{study}/{dataset}/{folder}/{name}",
        dataset=PARAMS.datasets,
        folder=[
            *NETWORKS,
            *(f"{run}/seed{seed}" for run in COMPOSITES for seed in RUNS[run]),
        ],
        name=["model.safetensors", "run.json", "training.parquet"],
        allow_missing=True,
    )


def final_targets():
    """Return every deliverable: Snakemake makes again only what a target asks for."""
    if STUDY.search:
        targets = [
            *trainings_of_study(),
            "reports/{study}/choices.json",
            "reports/{study}/choices.csv",
            "reports/{study}/choices.md",
        ]
    else:
        targets = [
            *trainings_of_study(),
            *of_study("embeddings.safetensors"),
            *of_study("cross_test.json"),
            *of_study("query_metrics.safetensors"),
            *measured_of_study(),
            *sheets_of_study(),
            *figures_of_study(["svg", "png", "json"]),
            *tables_of_study(["csv", "md", "tex"]),
            "reports/{study}/metrics.json",
            "reports/{study}/claims.json",
            "reports/{study}/claims.md",
            "reports/{study}/cost.csv",
            "reports/{study}/cost.md",
            "reports/{study}/cost.tex",
            "reports/{study}/index.html",
            "results/{study}/mlflow.json",
        ]
    return expand(targets, study=PARAMS.study)
