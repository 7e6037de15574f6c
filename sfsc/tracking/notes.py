"""Descriptions that MLflow shows at the top of an experiment's or a run's page, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sfsc.tracking.finished import FinishedTraining

NOTE = "mlflow.note.content"
"""The tag of a run or an experiment that MLflow shows as its description."""
MEASURES = {
    "average_map": "mAP, mean over all pairs of a query and a gallery sub-model",
    "diagonal_map": "mAP, query and gallery by the same sub-model",
    "off_diagonal_map": "mAP, query and gallery by different sub-models",
    "worst_map": "mAP of the worst pair",
    "mean_cmc_1": "rank-1, mean over all pairs",
}
"""The main numbers of a parent, by the name of the metric."""


def note_of_experiment(study: str, trainings: Sequence[FinishedTraining], report: Path) -> str:
    """Return what a study is, where its files are and what kinds of runs it has.

    Args:
        study: Name of the study.
        trainings: Its finished trainings.
        report: `reports/<study>`.
    """
    datasets = _listed(f"`{training.dataset}`" for training in trainings)
    revisions = _listed(_revision(training) for training in trainings)
    return f"""\
The finished trainings of study `{study}`: networks whose sub-models of several widths are compared.

* Data sets: {datasets}
* Report: `{report.as_posix()}/index.html`
* Git revision: {revisions}

The runs are of three kinds:

* `<data set>/<row>` is the parent of all seeds of a row of `methods`: means, deviations, figures.
  `<row>@<variation>=<condition>` is the row under one condition of an ablation, a robustness study
  or a search.
* `<data set>/<row>/seed<k>` is one training: settings, curves, test matrix and models.
* A name that ends with `(training)` is a training in progress. Its finished run replaces it."""


def note_of_seeds(
    seeds: Sequence[FinishedTraining], numbers: Mapping[str, float], report: Path
) -> str:
    """Return what a run is, its data set, seeds and main numbers, and where to read on.

    Args:
        seeds: The finished trainings of the run, which differ in their seeds.
        numbers: The metrics of the parent.
        report: `reports/<study>`.
    """
    first = seeds[0]
    row, _, condition = first.folder.parent.name.partition("@")
    under = f", under the condition `{condition}`" if condition else ""
    rows = [
        f"| {meaning} | {_mean_text(numbers, name)} |"
        for name, meaning in MEASURES.items()
        if f"{name}_mean" in numbers
    ]
    model = f"\n* Registered model: `{first.model_name}`" if first.is_row else ""
    return "\n".join(
        [
            f"Row `{row}` of `methods`{under}. {_what_is_trained(first)}",
            "",
            f"* Data set: `{first.dataset}`",
            f"* Seeds: {_listed(str(training.run['seed']) for training in seeds)}",
            f"* Report: `{report.as_posix()}/index.html`{model}",
            "",
            "| percent | mean ± standard deviation over seeds |",
            "| --- | ---: |",
            *rows,
        ]
    )


def note_of_training(training: FinishedTraining) -> str:
    """Return the test matrix of a training as a table."""
    widths = [f"{width:g}" for width in training.run["widths"]]
    rows = [[f"{100 * value:.2f}" for value in row] for row in training.matrix]
    table = [
        ["query width \\ gallery width", *widths],
        ["---"] * (len(widths) + 1),
        *([width, *row] for width, row in zip(widths, rows, strict=True)),
    ]
    lines = ["| " + " | ".join(cells) + " |" for cells in table]
    return "\n".join([f"mAP (%) of {training.name}:", "", *lines])


def _what_is_trained(training: FinishedTraining) -> str:
    """Return the networks and the objective in one or two sentences."""
    settings, network = training.run["settings"], training.run["network"]
    widths = _listed(f"{width:g}" for width in training.run["widths"])
    losses = [settings["loss"]["base"]["name"], *settings["loss"]["terms"]]
    objective = f"Losses: {_listed(f'`{name}`' for name in losses)}"
    if network["kind"] == "switchable":
        networks = f"One `{network['backbone']}` whose sub-models share weights, widths {widths}"
        if settings["aggregation"]:
            objective += f"; gradients combined by `{settings['aggregation']['name']}`"
    else:
        networks = f"One `{network['backbone']}` for each width: {widths}"
    if settings["reference"]:
        networks += f"; the frozen full network of `{settings['reference']}` takes part"
    return f"{networks}. {objective}."


def _mean_text(numbers: Mapping[str, float], name: str) -> str:
    """Return a mean, and its deviation if there are several seeds, in percent."""
    mean = f"{100 * numbers[f'{name}_mean']:.1f}"
    deviation = numbers.get(f"{name}_std")
    return mean if deviation is None else f"{mean} ± {100 * deviation:.1f}"


def _revision(training: FinishedTraining) -> str:
    changed = "" if training.run["git_clean"] else " with uncommitted changes"
    return f"`{training.run['git_revision'][:12]}`{changed}"


def _listed(texts: Iterable[str]) -> str:
    """Return the texts in a list, each once.

    >>> _listed(["0", "1", "0"])
    '0, 1'
    """
    return ", ".join(dict.fromkeys(texts))
