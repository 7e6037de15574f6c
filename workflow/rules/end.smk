# When jobs were run: note what Snakemake itself cost, and say where the results are.
import json
import time


def note_cost():
    """Append the processor time of this process, without its jobs, for benchmarks/pipeline.py."""
    path = Path(f"logs/{PARAMS.study}/snakemake.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"cpu_seconds": time.process_time()}) + "\n")


def show_results():
    """Print where the report of the study is and how to open its runs in MLflow."""
    page = Path(f"reports/{PARAMS.study}/index.html")
    if page.exists():
        print(f"Report: {page.resolve().as_uri()}", file=sys.stderr)
    if STAMP.exists() and (shown := page_of_experiment(STAMP, STORE)):
        print(f"MLflow: {shown}", file=sys.stderr)


onsuccess:
    note_cost()
    show_results()


onerror:
    note_cost()
