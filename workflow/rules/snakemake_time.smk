# What Snakemake itself costs, beside the `benchmark:` files of the jobs: a line for each time that it ran jobs.
# benchmarks/pipeline.py adds them up.
import json
import time
from pathlib import Path


def note_cost():
    """Append the processor time of this process, of which the jobs are no part."""
    path = Path(f"logs/{PARAMS.study}/snakemake.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"cpu_seconds": time.process_time()}) + "\n")


# Snakemake limits how fast jobs are submitted, for the sake of clusters. Each round of its scheduler then orders another
# one a second later, each finished job begins such a chain, and each round looks at all files that ready jobs need: of
# the default study's core time that was a tenth.
onstart:
    if workflow.executor_plugin.common_settings.local_exec:
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    note_cost()


onerror:
    note_cost()
