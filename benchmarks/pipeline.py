"""Share of the core time of `snakemake all` that is spent inside training steps and evaluation.

    python -m benchmarks.pipeline [--configfile studies/omniglot.yaml] [--json]

Measures the finished study in this folder from the files of its jobs. If the study is not complete,
one seed of it runs in a temporary copy of the project, and each of its jobs stands for all jobs of
its rule.

* Core time: the wall seconds of each job (its `benchmark:` file) times its threads, and the CPU
  time of every Snakemake that ran jobs of the study.
* Useful time: seconds in training steps, validation, embedding and ranking. The rest is interpreter
  start, imports, reading and writing, data, reports, the mirror and orchestration.

`measure` reserves all cores but computes with one; one is counted. A training that was killed and
resumed is left out, because its file covers the last part only.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from sfsc.settings.experiment import load_params

LIMITS = {"useful_share": 0.9}
SOURCES = ("Snakefile", "params.yaml", "workflow", "profiles", "sfsc")
TRAINING = ("train", "ablate", "vary")
"""First words of the names of rules that train."""
NOT_COUNTED = frozenset({"fetch_omniglot", "fetch_grocery", "fetch_fruits360", "fetch_weights"})
"""The time of a download depends on the network."""


class Job(NamedTuple):
    """A finished job. Paths are relative to the project's folder."""

    rule: str
    log: Path
    output: Path
    """One of the job's output files."""
    threads: int


class Cost(NamedTuple):
    """The cost of all jobs of one kind."""

    jobs: float = 0.0
    core_seconds: float = 0.0
    useful_seconds: float = 0.0

    def plus(self, core_seconds: float, useful_seconds: float, weight: float) -> "Cost":
        """Return the cost with one more job, counted `weight` times."""
        return Cost(
            self.jobs + weight,
            self.core_seconds + weight * core_seconds,
            self.useful_seconds + weight * useful_seconds,
        )


def snakemake(root: Path, configfiles: Sequence[str], *arguments: str, **settings: str) -> str:
    """Run Snakemake in a folder and return its output; exit with its errors if it fails."""
    environment = os.environ | settings
    overlays = ["--configfile", *configfiles] if configfiles else []
    command = [sys.executable, "-m", "snakemake", *arguments, *overlays, "--", "all"]
    result = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    if result.returncode:
        sys.exit(result.stderr)
    return result.stdout


def list_files(root: Path, configfiles: Sequence[str]) -> list[dict[str, str]]:
    """Return Snakemake's summary of each file of a study.

    Args:
        root: The project's folder.
        configfiles: Overlays of `params.yaml`.
    """
    summary = snakemake(root, configfiles, "--detailed-summary")
    files = csv.DictReader(summary.splitlines(), delimiter="\t")
    return [file for file in files if file["rule"] not in NOT_COUNTED]


def jobs_of(files: Iterable[Mapping[str, str]]) -> list[Job]:
    """Return the jobs that made the files of a finished study."""
    by_log = {file["log-file(s)"]: file for file in files}
    return [
        Job(
            file["rule"],
            Path(log),
            Path(file["output_file"]),
            int(next(iter(re.findall(r"--threads (\d+)", file["shellcmd"])), 1)),
        )
        for log, file in by_log.items()
    ]


def read_useful_seconds(log: Path) -> float:
    """Return the seconds that a job's log reports for embedding and ranking, 0 if none."""
    found = re.findall(
        r"^embedding and ranking took (\d+\.\d+) s$", log.read_text(encoding="utf-8"), re.MULTILINE
    )
    return sum(map(float, found))


def measure_job(root: Path, job: Job) -> tuple[str, float, float] | None:
    """Return kind, core seconds and useful seconds of a job; None if it was resumed."""
    with (root / job.log).with_suffix(".tsv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file, delimiter="\t")
    kind, seconds = job.rule.partition("_")[0], float(row["s"])
    if kind not in {*TRAINING, "assemble"}:
        return kind, seconds * job.threads, read_useful_seconds(root / job.log)
    run = json.loads((root / job.output.parent / "run.json").read_text(encoding="utf-8"))
    if kind == "assemble":
        return kind, seconds * job.threads, run["useful_seconds"]
    is_whole = seconds >= run["wall_seconds"]
    return ("train", seconds * job.threads, run["useful_seconds"]) if is_whole else None


def add_up(root: Path, jobs: Sequence[Job], weights: Mapping[str, float]) -> dict[str, Cost]:
    """Return the cost of a finished study's jobs by kind.

    Args:
        root: The project's folder.
        jobs: All jobs of the study.
        weights: For each rule, how many jobs one of its jobs stands for.
    """
    kinds: dict[str, Cost] = {}
    for job in jobs:
        if measured := measure_job(root, job):
            kind, core, useful = measured
            kinds[kind] = kinds.get(kind, Cost()).plus(core, useful, weights[job.rule])
    notes = root / "logs" / job.log.parts[1] / "snakemake.jsonl"
    seconds = sum(
        json.loads(line)["cpu_seconds"] for line in notes.read_text(encoding="utf-8").splitlines()
    )
    per_job = seconds / len(jobs)
    return kinds | {"snakemake": Cost(core_seconds=per_job * sum(weights[j.rule] for j in jobs))}


def run_sample(root: Path, configfiles: Sequence[str], copy: Path) -> list[dict[str, str]]:
    """Run one seed of a study in a copy of the project and return its files.

    Args:
        root: The project's folder.
        configfiles: Overlays of `params.yaml`.
        copy: An empty folder.
    """
    for name in SOURCES:
        source = root / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, copy / name)
    if (root / "data" / "raw").exists():
        shutil.copytree(root / "data" / "raw", copy / "data" / "raw")
    params = load_params([root / "params.yaml", *(root / name for name in configfiles)])
    seeds = list(params.variation_seeds[:1])
    overlays = [shutil.copy2(root / name, copy) for name in configfiles]
    (copy / "one_seed.yaml").write_text(
        yaml.safe_dump({"seeds": seeds, "variation_seeds": seeds}), encoding="utf-8"
    )
    names = [*(Path(overlay).name for overlay in overlays), "one_seed.yaml"]
    # The sample is not a result, so it gets its own store.
    snakemake(copy, names, "--cores", "all", MLFLOW_TRACKING_URI="sqlite:///mlflow.db")
    return list_files(copy, names)


def measure(root: Path, configfiles: Sequence[str] = ()) -> dict[str, object]:
    """Return the useful share, and the cost of each kind of job.

    Args:
        root: The project's folder.
        configfiles: Overlays of `params.yaml`.
    """
    files = list_files(root, configfiles)
    is_finished = all(
        file["plan"] == "no update" and (root / file["log-file(s)"]).with_suffix(".tsv").is_file()
        for file in files
    )
    if is_finished:
        kinds = add_up(root, jobs_of(files), dict.fromkeys((file["rule"] for file in files), 1.0))
    else:
        with tempfile.TemporaryDirectory() as folder:
            sample = run_sample(root, configfiles, Path(folder))
            whole, part = (Counter(file["rule"] for file in of) for of in (files, sample))
            weights = {rule: whole[rule] / part[rule] for rule in part}
            kinds = add_up(Path(folder), jobs_of(sample), weights)
    core_seconds = sum(cost.core_seconds for cost in kinds.values())
    useful_seconds = sum(cost.useful_seconds for cost in kinds.values())
    return {
        "useful_share": useful_seconds / core_seconds,
        "core_seconds": core_seconds,
        "useful_seconds": useful_seconds,
        "measured": "finished study" if is_finished else "one seed of the study",
        "kinds": {kind: cost._asdict() for kind, cost in kinds.items()},
    }


def report(result: Mapping[str, object], kinds: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield the lines to print."""
    yield f"{'jobs':12} {'number':>7} {'core s':>9} {'useful s':>9} {'rest s':>9}"
    for kind, cost in kinds.items():
        rest = cost["core_seconds"] - cost["useful_seconds"]
        yield (
            f"{kind:12} {cost['jobs']:7.0f} {cost['core_seconds']:9.1f} "
            f"{cost['useful_seconds']:9.1f} {rest:9.1f}"
        )
    yield f"useful_share {result['useful_share']:.4f}  (limit {LIMITS['useful_share']})"
    yield f"measured     {result['measured']}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--configfile", nargs="+", default=[], help="overlays of params.yaml")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = measure(Path.cwd(), options.configfile)
    if options.json:
        print(json.dumps(result | {"limits": LIMITS}, indent=1))
    else:
        print("\n".join(report(result, result["kinds"])))


if __name__ == "__main__":
    main()
