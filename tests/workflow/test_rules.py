"""The rules as they are written, before anything is made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Workspace

ROOT = Path(__file__).parents[2]


def blocks() -> dict[str, str]:
    """Return the text of each rule that is written out, by name."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    found = re.findall(r"^rule (\w+):\n((?:(?: .*)?\n)+)", text, flags=re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("rule", sorted(blocks()))
def test_a_rule_is_data_and_one_command(rule: str):
    """Each rule has a log, threads, resources and one `sfsc` command that writes to the log."""
    body = blocks()[rule]
    for part in ("output:", "log:", "threads:", "mem_mb=", "runtime=", "shell:"):
        assert part in body
    assert re.search(r'shell:\n +"sfsc [a-z]+ ', body)
    assert body.rstrip().endswith('> {log} 2>&1"')


@pytest.mark.parametrize("rule", sorted(set(blocks()) - {"fetch_omniglot"}))
def test_a_rule_depends_on_its_fingerprint(rule: str):
    """Parameters and code reach a job as a file; a download depends on its digest alone."""
    assert re.search(r'config="(results|data/prepared)/\{study\}/.*\.json"', blocks()[rule])


def test_each_step_has_a_rule_of_its_own(workspace: Workspace):
    """Preparing, each method, embedding, evaluating, tables, figures, report, mirror."""
    workspace.study["compare"] += ["full_alone", "bct_s_classifier_all"]
    jobs = workspace.planned()
    assert jobs | {
        "prepare_synthetic": 1, "train_unified": 1, "train_full_alone": 1, "train_bct_s": 2,
        "train_sfsc": 1, "embed": 5, "evaluate": 5, "tables": 1, "report": 1, "track": 1,
    } == jobs  # fmt: skip
    assert len([rule for rule in jobs if rule.startswith("figure")]) >= 6


def test_real_handwriting_is_fetched_and_prepared(workspace: Workspace):
    """The second data set has its own rules, and is trained by the same ones."""
    workspace.study |= {"datasets": ["synthetic", "omniglot"]}
    jobs = workspace.planned()
    assert (jobs["fetch_omniglot"], jobs["prepare_omniglot"]) == (2, 1)
    assert (jobs["prepare_synthetic"], jobs["train_sfsc"], jobs["embed"]) == (1, 2, 6)


@pytest.mark.parametrize("study", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_each_shipped_study_can_be_planned(study: Path, workspace: Workspace):
    """An overlay alone is enough to run a study."""
    workspace.study = yaml.safe_load(study.read_text())
    seeds = workspace.study.get("seeds", [0, 1, 2])
    assert workspace.planned()["train_sfsc"] == len(seeds)


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


def test_a_row_without_a_rule_is_refused(workspace: Workspace):
    """A new row of `methods` must say which rule trains it."""
    workspace.study |= {"compare": ["mine"], "methods": {"mine": {"switches": "all"}}}
    result = workspace.run("--dry-run", "--", "all")
    assert result.returncode == 1
    assert result.stdout.endswith(
        "Each row of `compare` must be one of full_alone, unified, bct_s, sfsc or a variant of "
        "one. Found mine. Set `variant_of`, or add a rule to workflow/rules/train.smk.\n"
    )


def test_dvc_deletes_and_hides_nothing():
    """Every out of the DVC stage is persistent, and DVC does not know Snakemake's steps."""
    (stage,) = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    outs = {
        path: flags for out in [*stage["outs"], *stage["metrics"]] for path, flags in out.items()
    }
    assert all(flags["persist"] for flags in outs.values())
    assert {"data/prepared/default", "results/default", "reports/default/tables"} <= outs.keys()
    assert stage["cmd"] == "snakemake all"
    assert {"sfsc", "workflow", "Snakefile"} <= set(stage["deps"])
