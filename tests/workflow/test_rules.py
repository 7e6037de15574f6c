"""The rules as they are written, before anything is made."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sfsc.settings.experiment import load_params

from workspaces import Workspace

ROOT = Path(__file__).parents[2]
DEFAULTS = yaml.safe_load((ROOT / "params.yaml").read_text())


def smk(name: str) -> str:
    """Return the text of a file of rules."""
    return (ROOT / "workflow" / "rules" / f"{name}.smk").read_text()


def blocks() -> dict[str, str]:
    """Return the text of each rule that is written out, by name."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    found = re.findall(r"^rule (\w+):\n((?:(?: .*)?\n)+)", text, flags=re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("rule", sorted(blocks()))
def test_a_rule_is_data_and_one_command(rule: str):
    """Each rule has a log, threads, resources and one `sfsc` command that writes to the log."""
    body = blocks()[rule]
    for part in ("message:", "output:", "log:", "threads:", "mem_mb=", "runtime=", "gpu="):
        assert part in body
    assert re.search(r'shell:\n +"sfsc [a-z]+ ', body)
    assert body.rstrip().endswith('> {log:q} 2>&1"')


@pytest.mark.parametrize("rule", sorted(blocks()))
def test_every_path_in_a_command_is_quoted(rule: str):
    """A shell reads a folder with a space, a quote or a bracket as one word."""
    command = blocks()[rule].partition("shell:")[2]
    plain = set(re.findall(r"\{([\w.]+)\}", command))
    assert plain <= {
        "threads", "params.threads", "params.config", "params.reference", "params.choices"
    }  # fmt: skip


@pytest.mark.parametrize("rule", sorted(name for name in blocks() if not name.startswith("fetch_")))
def test_a_rule_depends_on_its_fingerprint(rule: str):
    """Parameters and code reach a job as a file; a download depends on its digest alone."""
    pattern = r'config=fingerprint\(\s*"(results|data/prepared)/\{study\}/.*\.json"'
    assert re.search(pattern, blocks()[rule])


def test_each_step_has_a_rule_of_its_own(workspace: Workspace):
    """Data, methods, variations, tests, costs, tables, figures, claims, mirror."""
    workspace.study["compare"] = [
        "full_alone", "unified", "independent", "bct", "asymmetric", "bct_s", "asymmetric_s", "sfsc"
    ]  # fmt: skip
    jobs = workspace.planned()
    assert jobs | {
        "prepare_synthetic": 1, "train_independent": 2, "train_bct": 1, "train_asymmetric": 1,
        "train_bct_s": 1, "train_asymmetric_s": 1, "train_sfsc": 1, "ablate_granularity": 1,
        "vary_kl_weight": 1, "assemble_full_alone": 1, "assemble_unified": 1,
        "assemble_independent": 1, "assemble_bct": 1, "assemble_asymmetric": 1,
        "evaluate": 10, "measure": 1, "cost": 1, "tables": 1, "claims": 1,
        "figures": 1, "report": 1, "track": 1,
    } == jobs  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        *("parts", "formulation", "granularity", "reduction", "evidence", "extensions"),
        *("classifier_gradient", "aggregator"),
    ],
)
def test_each_ablation_has_a_rule_of_its_own(name: str):
    """The rule's name is the variation's."""
    assert f"use rule train_sfsc as ablate_{name} with:" in smk("ablation")


@pytest.mark.parametrize(
    "name",
    [
        *("base_loss", "classifier_moved_by_all", "architecture", "widths", "embedding_dim"),
        *("learning_rate", "start", "compatible_weight", "kl_weight"),
    ],
)
def test_each_robustness_study_has_a_rule_of_its_own(name: str):
    """The rule's name is the variation's."""
    assert f"use rule train_sfsc as vary_{name} with:" in smk("robustness")


@pytest.mark.parametrize("file", ["train", "ablation", "robustness", "assemble", "other"])
def test_a_rule_makes_the_runs_that_bear_its_name(file: str):
    """A rule's constraint is of the rule itself."""
    rules = re.findall(r"^(?:use rule \w+ as|rule) (\w+)", smk(file), flags=re.MULTILINE)
    assert rules == re.findall(r'(?:trained|assembled)_by\("(\w+)"\)', smk(file))


def test_a_one_to_one_method_depends_on_its_reference(workspace: Workspace):
    """The full network's checkpoint is an input of the smaller ones' trainings."""
    folder = "results/tiny/synthetic"
    model = f"{folder}/bct/seed0/width0.25/model.safetensors"
    result = workspace.run("--dry-run", "-p", "--", model)
    assert result.returncode == 0, result.stdout
    (command,) = [line for line in result.stdout.splitlines() if "/bct/seed0/width0.25 " in line]
    assert f" --reference {folder}/independent/seed0/width1 " in command
    table = result.stdout.partition("Job stats:")[2]
    assert "train_independent" in table


def test_networks_are_shared_between_runs(workspace: Workspace):
    """What two runs are made of is trained once, and assembled for each."""
    workspace.study["compare"] = ["full_alone", "unified", "independent"]
    workspace.drop_variations()
    jobs = workspace.planned()
    assert {rule: n for rule, n in jobs.items() if rule.startswith("train")} == {
        "train_independent": 2
    }
    assert jobs["evaluate"] == 3


def test_equal_settings_are_trained_once(workspace: Workspace):
    """A condition that is a compared row, or another condition, adds no training."""
    sfsc = DEFAULTS["methods"]["sfsc"]
    kl_weight = sfsc["loss"]["terms"]["compatible"]["kl"]["weight"]
    workspace.study["robustness"]["kl_weight"]["values"] = [kl_weight]
    workspace.study["ablation"]["granularity"]["values"] = [sfsc["aggregation"]["granularity"]]
    jobs = workspace.planned()
    assert not any(rule.startswith(("ablate", "vary")) for rule in jobs)
    assert jobs["evaluate"] == 4


def test_variations_have_seeds_of_their_own(workspace: Workspace):
    """The compared rows have all seeds."""
    workspace.study |= {"seeds": [0, 1], "variation_seeds": [1]}
    jobs = workspace.planned()
    assert (jobs["train_sfsc"], jobs["vary_kl_weight"], jobs["ablate_granularity"]) == (2, 1, 1)


def test_a_search_looks_at_no_test(workspace: Workspace):
    """Its candidates are trained and, if made of networks, assembled; the rest is one choice."""
    workspace.drop_variations()
    workspace.study |= {
        "seeds": [0, 1],
        "variation_seeds": [1],
        "search": {
            "weight": {
                "methods": ["sfsc"],
                "vary": "loss.terms.compatible.weight",
                "values": [0.5, 1.0],
            },
            "pull": {
                "methods": ["bct"],
                "vary": "loss.terms.influence.weight",
                "values": [0.5, 2.0],
            },
        },
    }
    assert workspace.planned() == {
        "prepare_synthetic": 1, "train_independent": 1, "train_candidate": 4,
        "assemble_candidate": 2, "choices": 1,
    }  # fmt: skip


def test_submodels_are_measured_alone(workspace: Workspace):
    """No other job runs beside the measurement, whatever number of cores there is."""
    result = workspace.run("--dry-run", "--cores", "7", "--", "results/tiny/synthetic/cost.json")
    assert result.returncode == 0, result.stdout
    assert "Measure what sub-models cost on synthetic (threads: 7, GPUs: 0)" in result.stdout


def test_real_handwriting_is_fetched_and_prepared(workspace: Workspace):
    """The second data set has its own rules, and is trained by the same ones."""
    workspace.study |= {"datasets": ["synthetic", "omniglot"]}
    jobs = workspace.planned()
    assert (jobs["fetch_omniglot"], jobs["prepare_omniglot"]) == (2, 1)
    assert (jobs["prepare_synthetic"], jobs["train_sfsc"], jobs["evaluate"]) == (1, 2, 12)


@pytest.mark.parametrize("study", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_each_shipped_study_can_be_planned(study: Path, workspace: Workspace):
    """An overlay alone is enough to run a study."""
    workspace.study = yaml.safe_load(study.read_text())
    for section in (workspace.study, *workspace.study.get("methods", {}).values()):
        if weights := section.get("network", {}).get("pretrained"):
            (workspace.folder / weights).parent.mkdir(parents=True)
            (workspace.folder / weights).touch()  # the user's; a plan reads none
    jobs, params = workspace.planned(), load_params([ROOT / "params.yaml", study])
    if params.search:
        assert jobs["choices"] == 1
        assert not {"evaluate", "measure", "tables", "claims", "cost"} & jobs.keys()
    else:
        row = params.compare[-1]
        assert jobs[f"train_{row}"] == len(params.runs()[row]) * len(params.datasets)


@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_a_clusters_profile_says_what_the_default_one_says(name: str):
    """It stands in for it, and leaves out none of its settings but the GPUs of one machine."""
    default, cluster = (
        yaml.safe_load((ROOT / "profiles" / profile / "config.yaml").read_text())
        for profile in ("default", name)
    )
    del default["resources"]
    assert default.items() <= cluster.items()


def test_the_kubernetes_profile_plans_the_whole_study(workspace: Workspace):
    """A dry run, which asks no cluster, lists the jobs of a local run."""
    profile = ("--profile", "profiles/kubernetes", "--workflow-profile", "none")
    volume = ("--default-storage-prefix", str(workspace.folder))
    assert workspace.planned(*profile, *volume) == workspace.planned()


@pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode,
    reason="mounting needs a right that this user lacks",
)
def test_a_read_only_checkout_is_a_sentence(workspace: Workspace):
    """Snakemake writes its records even for a dry run."""
    folder = workspace.folder
    mount = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && cd {folder}"
    dry_run = shlex.join(workspace.command("--dry-run", "--", "all"))
    result = subprocess.run(
        ["unshare", "--mount", "bash", "-c", f"{mount} && {dry_run}"],
        env=workspace.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.endswith(
        "Snakemake must be able to keep records in the project's folder, also for a dry run. Found "
        f"{folder}, which is read-only. Copy the project to a folder that can be written.\n"
    )
    assert "Traceback" not in result.stderr


def test_local_jobs_are_not_limited_per_second(workspace: Workspace):
    """Snakemake's limit would look at all waiting jobs once a second for each finished one."""
    with (workspace.folder / "Snakefile").open("a") as file:
        file.write("\n\nonstart:\n    print('limit:', workflow.scheduler.job_rate_limiter)\n")
    result = workspace.run("--", "data/prepared/tiny/synthetic/summary.json")
    assert result.returncode == 0, result.stdout
    assert "limit: None\n" in result.stdout


def test_mistakes_in_the_parameters_are_sentences_without_a_traceback(workspace: Workspace):
    """All mistakes come at once, and only they."""
    workspace.study |= {"seeds": [], "train": {"epochz": 3}}
    result = workspace.run("--dry-run", "--", "all")
    assert result.returncode == 1
    assert result.stdout.partition("params.yaml, ")[2] == (
        "study.yaml is not valid (2 problems):\n"
        "  - `seeds` should have at least 1 item. Found `[]`.\n"
        "  - `train.epochz` is not a known key. Did you mean 'epochs'?\n"
    )


def test_dvc_deletes_and_hides_nothing():
    """Every out of the DVC stage is persistent, and DVC does not know Snakemake's steps."""
    (stage,) = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    outs = {
        path: flags for out in [*stage["outs"], *stage["metrics"]] for path, flags in out.items()
    }
    assert all(flags["persist"] for flags in outs.values())
    assert {"data/prepared/default", "results/default", "reports/default/tables"} <= outs.keys()
    assert {f"reports/default/cost.{suffix}" for suffix in ("csv", "md", "tex")} <= outs.keys()
    assert stage["cmd"] == "snakemake all"
    assert {"sfsc", "workflow", "Snakefile"} <= set(stage["deps"])


def test_every_other_study_is_a_stage_of_its_own():
    """A plain `dvc repro` means the default study; the others are asked for by name."""
    stages = yaml.safe_load((ROOT / "studies/dvc/dvc.yaml").read_text())["stages"]
    studies = {name for stage in ("study", "restricted") for name in stages[stage]["foreach"]}
    assert studies == {path.stem for path in (ROOT / "studies").glob("*.yaml")}
    for stage in ("study", "restricted"):
        assert all(
            flags["persist"] for out in stages[stage]["do"]["outs"] for flags in out.values()
        )
    assert stages["restricted"]["do"]["outs"][0]["data/prepared/${item}"]["push"] is False
    command = [sys.executable, "-m", "dvc", "repro", "--dry", "studies/dvc/dvc.yaml:study@smoke"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "> snakemake --configfile studies/smoke.yaml -- all" in result.stdout
