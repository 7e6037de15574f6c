# The processor time of Snakemake itself, a line for each run. benchmarks/pipeline.py adds it to the time of the jobs, which
# is in their `benchmark:` files.
import json
import time
from pathlib import Path


def note_time():
    """Append the processor time of this process; the jobs are processes of their own."""
    path = Path(f"logs/{PARAMS.study}/snakemake.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"cpu_seconds": time.process_time()}) + "\n")


# Snakemake limits the rate of job submissions, for the sake of clusters. With that limit every round of its scheduler starts
# another round a second later, and every finished job starts such a chain. Each round checks all input files of the jobs
# that are ready, which took a tenth of the default study's core time. No command-line option turns the limit off.
onstart:
    if workflow.executor_plugin.common_settings.local_exec:
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    note_time()


onerror:
    note_time()
