"""The real pipeline in a folder of its own: a copy of the sources, a study of seven trainings."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from sfsc.provenance import digest_of
from sfsc.settings.reading import merge, read_tree

from snakemake_forks import FORKS, run_snakemake

ROOT = Path(__file__).parents[1]
DVC_SOURCES = ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore")
SOURCES = ("Snakefile", "params.yaml", "workflow", "profiles", "studies", "sfsc")
STUDY_FOLDERS = ("data/prepared/default", "results/default", "reports/default")
DEFAULTS = read_tree([ROOT / "params.yaml"])
STUDY = {
    "study": "tiny",
    "seeds": [0],
    "variation_seeds": [0],
    "compare": ["unified", "bct", "bct_s", "sfsc"],
    "data": {"synthetic": {"train_identities": 24, "test_identities": 8}},
    "network": {"widths": [0.25, 1.0], "embedding_dim": 16},
    "train": {"epochs": 3, "identities_per_batch": 8, "validate_every": 1, "conflicts_every": 2},
    "methods": {"sfsc": {"loss": {"terms": {"compatible": {"weight": 1.0}}}}},
    # One run more in each; those of params.yaml are dropped.
    "ablation": {
        **dict.fromkeys(DEFAULTS["ablation"]),
        "granularity": {
            "methods": ["sfsc"], "vary": "aggregation.granularity", "values": ["whole"]
        },
    },
    "robustness": {
        **dict.fromkeys(DEFAULTS["robustness"]),
        "kl_weight": {
            "methods": ["sfsc"], "vary": "loss.terms.compatible.kl.weight", "values": [0.01]
        },
    },
}  # fmt: skip

TWO_TRAININGS = {
    "study": "default", "compare": ["bct_s", "sfsc"], "ablation": {}, "robustness": {}
}  # fmt: skip

CORE_MINUTES = r'(?<="more_core_minutes": )[\d.]+|[\d.]+(?= core-minutes)'
"""What a training took, in claims.json."""


class Workspace:
    """A folder with the project's sources in which the pipeline runs.

    Args:
        folder: Where; made if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.overlay = "study.yaml"
        self.study = yaml.safe_load(yaml.safe_dump(STUDY))

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Copy the sources and nothing that was made from them."""
        folder.mkdir(exist_ok=True)
        ignore = shutil.ignore_patterns("__pycache__")
        for name in SOURCES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=ignore)
            else:
                shutil.copy2(source, folder / name)
        return cls(folder)

    @classmethod
    def make_smoke(cls, folder: Path) -> "Workspace":
        """Copy the sources, for the smoke study instead."""
        workspace = cls.make(folder)
        workspace.study = read_tree([ROOT / "studies" / "smoke.yaml"])
        return workspace

    def copy(self, folder: Path) -> Self:
        """Return a workspace of its own with the same files and modification times."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return type(self)(folder)

    def arguments(self, *arguments: str) -> list[str]:
        """Return the arguments of `snakemake` for the workspace's study."""
        study = self.folder / self.overlay
        study.write_text(yaml.safe_dump(self.study))
        return ["--cores", "2", "--configfile", self.overlay, *arguments]

    def command(self, *arguments: str) -> list[str]:
        """Return the command of `snakemake` for the workspace's study."""
        return [sys.executable, "-m", "snakemake", *self.arguments(*arguments)]

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the jobs' environment: none of the user's settings of the tools."""
        tools = ("MLFLOW_", "SNAKEMAKE_", "PYTHONPATH")
        return {k: v for k, v in os.environ.items() if not k.startswith(tools)} | variables

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake and return its exit code and output, errors included."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def stage(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run `sfsc <stage>` with arguments and return its exit code and output."""
        return subprocess.run(
            [sys.executable, "-m", "sfsc.cli", *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def planned(self, *arguments: str, **variables: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run lists.

        The dry run is a fork of a process that has imported Snakemake and nothing of this project:
        a second less than an interpreter of its own.
        """
        output = self.folder / "planned.txt"
        dry_run = self.arguments("--dry-run", *arguments, "--", "all")
        process = FORKS.Process(
            target=run_snakemake, args=(dry_run, self.folder, self.environment(**variables), output)
        )
        process.start()
        process.join()
        text = output.read_text()
        assert process.exitcode == 0, text
        process.close()
        table = text.partition("Job stats:")[2].partition("\n\n")[0]
        jobs = dict(re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE))
        return {rule: int(n) for rule, n in jobs.items() if rule not in {"total", "all"}}

    def run_and_kill(self, *arguments: str, when: Callable[[], bool]) -> None:
        """Start Snakemake and kill it with all its jobs (SIGKILL) as soon as `when` holds."""
        process = self.start(*arguments)
        try:
            deadline = time.monotonic() + 120
            while not when() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            assert process.poll() is None, "nothing was left to kill"
        finally:
            self.kill_group(process)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start Snakemake as the leader of a session of its own, in which its jobs are, too."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @staticmethod
    def kill_group(process: subprocess.Popen[bytes]) -> None:
        """Kill a process that leads its session, and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def finish(self) -> None:
        """Run the documented command to its end; it needs no other before it."""
        result = self.run("--", "all")
        assert result.returncode == 0, result.stdout
        assert self.planned() == {}

    def digests(self) -> dict[str, str]:
        """Return the digests of the study's tables, and its verdicts without measured times."""
        reports = self.folder / "reports" / self.study["study"]
        digests = {file.name: digest_of(file) for file in sorted((reports / "tables").iterdir())}
        claims = (reports / "claims.json").read_text()
        return digests | {"claims.json": re.sub(CORE_MINUTES, "", claims)}

    def drop_variations(self) -> None:
        """Leave the compared rows alone in the study."""
        for group in ("ablation", "robustness"):
            self.study[group] = dict.fromkeys(self.study[group])

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that must be in a file."""
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


class Repository(Workspace):
    """A workspace that is under git and DVC, whose default study is two trainings.

    As `dvc repro` runs `snakemake all`, the study is in params.yaml itself.
    """

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Copy the sources, DVC's files among them, and commit all."""
        repository = super().make(folder)
        (folder / ".dvc").mkdir()
        for name in DVC_SOURCES:
            shutil.copy2(ROOT / name, folder / name)
        repository.write_params(merge(DEFAULTS, STUDY) | TWO_TRAININGS)
        repository.output("git", "init", "--quiet", "--initial-branch=main")
        repository.commit()
        return repository

    def clone(self, folder: Path) -> Self:
        """Return a fresh clone: what git has, and nothing else."""
        self.output("git", "clone", "--quiet", str(self.folder), str(folder))
        return type(self)(folder)

    def commit(self) -> None:
        """Commit everything that git does not ignore."""
        self.output("git", "add", "--all")
        self.output("git", "commit", "--quiet", "--message=All")

    def publish(self) -> None:
        """Commit, and push to a folder beside this one, the default remote from now on."""
        remote = self.folder.with_name("remote")
        self.output("dvc", "remote", "add", "--default", "folder", str(remote))
        self.commit()
        self.output("dvc", "push")

    def arguments(self, *arguments: str) -> list[str]:
        """Return the arguments of `snakemake` for the default study."""
        return ["--cores", "2", *arguments]

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment of git, DVC and the jobs: none of the user's settings of them."""
        names = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
        private = str(self.folder / ".git" / "dvc")
        own = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{name}": "tests" for name in names},
            **{f"DVC_{name}": private for name in ("GLOBAL_CONFIG_DIR", "SYSTEM_CONFIG_DIR")},
            "DVC_SITE_CACHE_DIR": private,
        }
        return super().environment(**own | variables)

    def call(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder and return its exit code and what it wrote."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, *command: str, **variables: str) -> str:
        """Return what a command, which must succeed, writes to its standard output."""
        result = self.call(*command, **variables)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def params(self) -> dict[str, Any]:
        """Return what params.yaml says."""
        return read_tree([self.folder / "params.yaml"])

    def write_params(self, params: dict[str, Any]) -> None:
        """Write params.yaml."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def weigh(self, weight: float) -> None:
        """Change one parameter of SFSC: `methods.sfsc.loss.terms.compatible.weight`."""
        params = self.params()
        params["methods"]["sfsc"]["loss"]["terms"]["compatible"]["weight"] = weight
        self.write_params(params)

    def files(self, *folders: str) -> dict[str, str]:
        """Return the digests of all files below the folders; of the default study's, if none.

        Left out is what speaks of this machine's MLflow store.
        """
        of_this_machine = {"mlflow.json", "mlflow.json.lock", "track.json"}
        found = [
            path
            for folder in folders or STUDY_FOLDERS
            for path in (self.folder / folder).rglob("*")
            if path.is_file() and path.name not in of_this_machine
        ]
        return {str(path.relative_to(self.folder)): digest_of(path) for path in found}
