# The rules that have jobs in the study, for the report to show. Snakemake's own graph is there only after it has read the
# report's fingerprint, so it is told once more, by the functions that make the targets; a test compares the two.
from collections import Counter


def rule_for(stage, run):
    """Return the rule that makes a run."""
    return next(name for name in rules_of(run, stage) if workflow.is_rule(name))


def rule_of_set(dataset):
    """Return the rule that prepares a data set."""
    name = f"prepare_{dataset}"
    return name if workflow.is_rule(name) else "prepare_data_set"


def rules_of_study():
    """Return the number of jobs of each rule, and the rules whose files it needs.

    A rule is left out of another's needs where the way through a third one implies it.
    """
    found = {}

    def add(name, needs, jobs):
        entry = found.setdefault(name, {"jobs": 0, "needs": set()})
        entry["jobs"] += jobs
        entry["needs"] |= set(needs) - {name}

    n_sets = len(PARAMS.datasets)
    prepared = [rule_of_set(dataset) for dataset in PARAMS.datasets]
    for name in prepared:
        add(name, [], 1)
    if "omniglot" in PARAMS.datasets:
        add("fetch_omniglot", [], len(rules.prepare_omniglot.input.archives))
        add("prepare_omniglot", ["fetch_omniglot"], 0)
    for part, n_seeds in Counter(part for part, _ in NETWORKS.values()).items():
        references = [
            rule_for("train", other.run)
            for other in reference_of(part, PARAMS.seeds[0])
        ]
        jobs = n_sets * n_seeds
        add(rule_for("train", part.run), references or prepared, jobs)
    for run, seeds in RUNS.items():
        makers = [rule_for("train", part.run) for part in networks_of(run)]
        jobs = n_sets * len(seeds)
        if run in COMPOSITES:
            add(rule_for("assemble", run), makers, jobs)
            makers = [rule_for("assemble", run)]
        add("evaluate", makers, jobs)
    figures = [f"figure_{name}" for name in FIGURES]
    for name in figures:
        add(name, ["evaluate"], n_sets)
    for name in ("tables", "claims"):
        add(name, ["evaluate"], 1)
    add("measure", prepared, n_sets)
    add("cost", ["measure"], 1)
    add("report", ["tables", "claims", "cost", *figures], 1)
    add("track", ["report"], 1)
    return {
        name: {**entry, "needs": sorted(entry["needs"])}
        for name, entry in found.items()
    }
