# The fingerprint files, inputs of the jobs that depend on them (sfsc/plan.py). Snakemake's own record of parameters and
# code stays behind in a clone or a DVC experiment; files do not.
#   making a study   owns it, then writes the files that changed; the jobs get the digests of what they were planned with
#   looking at it    (a dry run, a graph, a report) leaves all files alone, and plans with temporary ones that changed
#   a cluster's node takes the files as the Snakemake that submitted its job wrote them, even if params.yaml was edited
import functools
import os
import shlex
from pathlib import Path

from sfsc import plan
from sfsc.provenance import short_digest
from sfsc.tracking.stamp import is_stale, page_of_experiment

STORE = os.environ.get("MLFLOW_TRACKING_URI", "")
JOBS = {
    **plan.preparations(PARAMS),
    **plan.training_dependencies(PARAMS),
    **plan.evaluations(PARAMS),
    **plan.reports(PARAMS, FIGURES, STORE),
}
STAMP = Path(f"results/{PARAMS.study}/mlflow.json")
# Fingerprint files of a plan that is only looked at.
SHOWN = Path(workflow.snakemake_tmp_dir, "changed")


@functools.cache
def changed_files():
    """Return the fingerprint files that differ from the plan; write them if the study is to be made."""
    refuse_missing_files()
    is_making = workflow.executor_plugin is not None and not workflow.dryrun
    if is_making:
        own_study()
        lift_rate_limit()
    changed = plan.changed(JOBS)
    # The mirror's stamp is worth nothing if the store did not answer, or has lost the runs since.
    is_lost = STAMP.exists() and is_stale(STAMP, STORE)
    if is_making:
        plan.write(JOBS, changed)
        if is_lost:
            STAMP.unlink()
        return frozenset()
    if is_lost:
        changed.append(f"results/{PARAMS.study}/config/track.json")
    for path in changed:
        shown = SHOWN / path
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(JOBS[path].text, encoding="utf-8")
    return frozenset(changed)


def lift_rate_limit():
    """Start local jobs as soon as they can run, without Snakemake's limit of jobs per second.

    The limit is for the sake of clusters. With it, each finished job adds another look at all waiting jobs every
    second: after 60 jobs, 15 % of a core. None is the API's own default; the command line cannot say it.
    """
    if workflow.local_exec:
        workflow.scheduling_settings.max_jobs_per_timespan = None


def refuse_missing_files():
    """End with the sentences of all settings that name a file that is not there."""
    try:
        plan.check_files(
            JOBS,
            source=", ".join(SETTINGS),
            is_made=lambda file: any(rule.is_producer(file) for rule in workflow.rules),
        )
    except ConfigError as error:
        sys.exit(str(error))


def fingerprint(pattern):
    """Return the input function of a rule's fingerprint file."""

    def find(wildcards):
        path = pattern.format(**dict(wildcards.items()))
        if workflow.is_main_process and path in changed_files():
            return local(str(SHOWN / path))
        return path

    return find


def in_place(path):
    """Return the place of a fingerprint file that is only shown; any other path as it is."""
    return str(path).rpartition(f"{SHOWN}/")[2]


def results_folder(wildcards, input):
    """Return the folder of the study's results, in which the fingerprint file is config/<name>.json."""
    return os.path.dirname(os.path.dirname(in_place(input.config)))


def planned(wildcards, input):
    """Return the flags that give a job its fingerprint file, and the digest that it must have."""
    path = in_place(input.config)
    if workflow.is_main_process and path in JOBS:
        digest = short_digest(JOBS[path].text.encode())
        return f"--config {shlex.quote(path)} --planned {digest}"
    return f"--config {shlex.quote(path)}"


def ready(wildcards):
    """Return no file: the input function of a rule without a fingerprint, whose jobs must own the study as well."""
    if workflow.is_main_process:
        changed_files()
    return []
