# The pipeline's table of contents. Rules are in workflow/rules, settings in params.yaml. A study overlays params.yaml:
#   snakemake --cores 8 --configfile studies/omniglot.yaml -- all
from snakemake.utils import min_version

min_version("9.0")


# The interpreter that requirements.lock is resolved for. Ignored without --software-deployment-method.
container: "docker://python:3.11-slim"


report: "workflow/report/workflow.rst"


configfile: "params.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/lock.smk"
include: "workflow/rules/networks.smk"
include: "workflow/rules/fingerprints.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/ablation.smk"
include: "workflow/rules/robustness.smk"
include: "workflow/rules/assemble.smk"
include: "workflow/rules/other.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/track.smk"
include: "workflow/rules/end.smk"


rule all:
    default_target: True
    input:
        final_targets(),
    message:
        "All of study {PARAMS.study} is there"
