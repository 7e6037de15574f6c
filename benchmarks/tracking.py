"""Cost of a tracking server that hangs, for a training whose curves it should show.

    python -m benchmarks.tracking [--epochs 6] [--rounds 5] [--json]

`sfsc train` runs alone, then next to `sfsc track --follow` with a server that accepts connections
and never answers, in alternating rounds.

* `slowdown`: CPU time (user and system) of the training next to the follower over that of the
  training alone, median over paired rounds. Other programs do not affect it as they affect wall
  time, and the follower's own CPU time is not part of it.
* `follower_share`: CPU time of the follower over its wall time, its start excluded.
* `wall_slowdown`: as `slowdown`, in wall time; meaningful only on an idle machine.
"""

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.printing import print_result
from sfsc.data.prepare import prepare
from sfsc.provenance import write_fingerprint
from sfsc.settings.experiment import load_params

LIMITS = {"slowdown": 1.02}
SECONDS_BETWEEN_LOOKS = 1.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Used:
    """Time that a process used."""

    wall: float
    """Seconds."""
    processor: float
    """CPU seconds, user and system."""


class Trainings:
    """Trainings of SFSC on the procedural set, each in its own folder.

    Args:
        folder: An empty folder.
        epochs: Epochs of each training.
    """

    def __init__(self, folder: Path, epochs: int) -> None:
        self.folder, self.count = folder, 0
        params = load_params([Path("params.yaml")])
        self.data = folder / "data"
        prepare(params.prepare_job("synthetic"), raw_dir=self.data, output_dir=self.data)
        job = params.resolve("sfsc", dataset="synthetic", seed=0)
        self.job = job.model_copy(
            update={"train": job.train.model_copy(update={"epochs": epochs})}
        ).model_dump(mode="json")

    def run(self) -> Used:
        """Train and return the time used."""
        output = self.folder / f"results/study/synthetic/sfsc/seed{self.count}"
        self.count += 1
        config = write_fingerprint(
            output / "config" / "train.json", self.job, modules=["sfsc.training.run"]
        )
        arguments = ["--config", config, "--data", self.data, "--output", output]
        return used_by(["train", *map(str, arguments)])

    @contextlib.contextmanager
    def followed(self, uri: str) -> Iterator["Follower"]:
        """Follow the trainings of this folder."""
        arguments = ["--study", self.folder / "results/study", "--uri", uri]
        command = stage(["track", *map(str, arguments), "--follow", str(SECONDS_BETWEEN_LOOKS)])
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                yield Follower(process.pid)
            finally:
                process.kill()


class Follower:
    """CPU time and wall time of a follower.

    Args:
        pid: Process identifier.
    """

    def __init__(self, pid: int) -> None:
        self.stat = Path(f"/proc/{pid}/stat")
        self._wait_until_it_idles()
        self.start = time.monotonic(), self.processor()

    def processor(self) -> float:
        """Return the CPU seconds used so far."""
        fields = self.stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def share(self) -> float:
        """Return the share of a core used since the follower was ready."""
        wall, processor = self.start
        return (self.processor() - processor) / (time.monotonic() - wall)

    def _wait_until_it_idles(self) -> None:
        """Wait until its imports are done, which would compete with the training for caches."""
        before = -1.0
        while self.processor() - before > 0.05 * SECONDS_BETWEEN_LOOKS:
            before = self.processor()
            time.sleep(2 * SECONDS_BETWEEN_LOOKS)


def stage(arguments: list[str]) -> list[str]:
    """Return the command of a stage."""
    return [sys.executable, "-m", "sfsc.cli", *arguments]


def used_by(arguments: list[str]) -> Used:
    """Run a stage and return the time used."""
    start = time.perf_counter()
    process = subprocess.Popen(stage(arguments), stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"The stage must succeed. Found the exit code {process.returncode}.")
    return Used(time.perf_counter() - start, usage.ru_utime + usage.ru_stime)


@contextlib.contextmanager
def hung_server() -> Iterator[str]:
    """Yield the address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def measure(trainings: Trainings, rounds: int) -> dict[str, float]:
    """Return the ratios, and the times that they are made of."""
    alone, beside, shares = [], [], []
    for _ in range(rounds):
        alone.append(trainings.run())
        with hung_server() as uri, trainings.followed(uri) as follower:
            beside.append(trainings.run())
            shares.append(follower.share())
    median, pairs = statistics.median, list(zip(alone, beside, strict=True))
    return {
        "slowdown": median(b.processor / a.processor for a, b in pairs),
        "wall_slowdown": median(b.wall / a.wall for a, b in pairs),
        "follower_share": median(shares),
        "seconds_alone": median(u.wall for u in alone),
        "processor_seconds_alone": median(u.processor for u in alone),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=6, help="epochs of each training")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of trainings")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Trainings(Path(folder), options.epochs), options.rounds)
    print_result(result, LIMITS, as_json=options.json)


if __name__ == "__main__":
    main()
