# Runs and the networks that they are made of: a switchable run is one network, any other has one for each width,
# some of them shared with other runs. Which rule trains a network follows from the name of its run.
from sfsc.settings.jobs import NetworkOfRun
from sfsc.settings.rows import number_name


def networks_of(run):
    """Return what a run is made of: one-network trainings, or itself with no width."""
    return PARAMS.networks_of(run) or (NetworkOfRun(run, None),)


def folder_of(part, seed):
    """Return the folder of a training, below that of its data set: wildcard `network`."""
    width = [f"width{number_name(part.width)}"] if part.width else []
    return os.path.join(part.run, f"seed{seed}", *width)


def reference_of(part, seed):
    """Return the network that a training refers to, as a list of one; none for most methods."""
    reference = PARAMS.resolve(
        part.run, dataset=PARAMS.datasets[0], seed=seed, width=part.width
    ).reference
    return [networks_of(reference)[-1]] if reference else []


def find_networks():
    """Return all that is trained, by folder: which network, of which seed."""
    found = {}
    for run, seeds in RUNS.items():
        for seed in seeds:
            for part in networks_of(run):
                for network in (*reference_of(part, seed), part):
                    found[folder_of(network, seed)] = (network, seed)
    return found


def rules_of(run, stage):
    """Return the names of the rules that may make a run, the first that exists does.

    The one of its row or its variation; else, say for a row of the user's, a general one.
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
    """Whether a rule makes a run. General rules must be written behind those that they stand in for."""
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
NETWORKS = find_networks()


wildcard_constraints:
    network=one_of(NETWORKS),


def network_files(name):
    """Return the input function of a file of each network of an assembled run, ascending."""
    folder = "results/{0.study}/{0.dataset}/{1}/{2}"
    return lambda wildcards: [
        folder.format(wildcards, folder_of(part, wildcards.seed), name)
        for part in networks_of(wildcards.run)
    ]


def reference_files(wildcards):
    """Return the model and the record of the network that a training refers to, if it does."""
    return [
        f"results/{wildcards.study}/{wildcards.dataset}/{folder_of(part, seed)}/{name}"
        for network, seed in [NETWORKS[wildcards.network]]
        for part in reference_of(network, seed)
        for name in ("model.safetensors", "run.json")
    ]


def pretrained_file(wildcards):
    """Return the file of weights that a training starts from, if it does."""
    part, seed = NETWORKS[wildcards.network]
    job = PARAMS.resolve(part.run, dataset=wildcards.dataset, seed=seed)
    return [job.network.pretrained] if job.network.pretrained else []
