"""Snakemake in a fork of a process that has imported it, a second less than one of its own.

Nothing of the project is imported here: the fork must import what lies in its own folder.
"""

import multiprocessing
import os
import sys
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli"])


def run_snakemake(
    arguments: list[str], folder: Path, environment: dict[str, str], output: Path
) -> None:
    """Run Snakemake in this process, as `python -m snakemake` would in the folder; then exit."""
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    from snakemake import cli

    cli.main(arguments)
