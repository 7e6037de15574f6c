# Runs and the networks that they are made of: a switchable run is one network, any other has one for each width,
# some of them shared with other runs. Which rule trains a network follows from the name of its run.


def rules_of(run, stage):
    """Return the names of the rules that may make a run; the first that exists does.

    This is the rule of its row or its variation or, where there is none, a general one.
    """
    name = PARAMS.rule_of(run)
    if "@" not in run:
        return [f"{stage}_{name}", f"{stage}_method"]
    if name in STUDY.search:
        return [f"{stage}_candidate"]
    verb = "ablate" if name in STUDY.ablation else "vary"
    own = [f"{verb}_{name}"] if stage == "train" else []
    return [*own, f"{stage}_variation"]


def is_made_by(rule, run, stage):
    """Return whether a rule makes a run. General rules must come after those that they stand in for."""
    names = rules_of(run, stage)
    return names[0] == rule or (names[-1] == rule and not workflow.is_rule(names[0]))


def trained_by(rule):
    """Return the constraint of wildcard `network`: the networks that a rule trains."""
    return one_of(
        folder
        for folder, (network, _) in NETWORKS.items()
        if is_made_by(rule, network.run, "train")
    )


def assembled_by(rule):
    """Return the constraint of wildcard `run`: the runs that a rule assembles of networks."""
    return one_of(run for run in COMPOSITES if is_made_by(rule, run, "assemble"))


COMPOSITES = [run for run in RUNS if PARAMS.networks_of(run)]
NETWORKS = plan.trainings(PARAMS)


wildcard_constraints:
    network=one_of(NETWORKS),


def network_files(name):
    """Return the input function of a file of each network of an assembled run, ascending."""
    folder = "results/{0.study}/{0.dataset}/{1}/{2}"
    return lambda wildcards: [
        folder.format(wildcards, plan.folder_of(part, wildcards.seed), name)
        for part in plan.networks_of(PARAMS, wildcards.run)
    ]


def reference_files(wildcards):
    """Return the model and the record of the network that a training refers to, if it does."""
    return [
        f"results/{wildcards.study}/{wildcards.dataset}/{plan.folder_of(part, seed)}/{name}"
        for network, seed in [NETWORKS[wildcards.network]]
        for part in plan.reference_of(PARAMS, network, seed)
        for name in ("model.safetensors", "run.json")
    ]


def pretrained_file(wildcards):
    """Return the file of weights that a training starts from, if it does."""
    part, seed = NETWORKS[wildcards.network]
    job = PARAMS.resolve(part.run, dataset=wildcards.dataset, seed=seed)
    return [job.network.pretrained] if job.network.pretrained else []
