"""Starts the processes of one training with torchrun's launcher, without the launcher's reports."""

import logging
import sys
import uuid
from collections.abc import Sequence
from signal import SIGTERM
from tempfile import TemporaryDirectory

from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch


def launch(count: int, command: Sequence[str]) -> None:
    """Run a command in several processes on this machine, as torchrun does, until it ends.

    Args:
        count: Number of processes.
        command: Program and arguments; it reports its own errors.

    Raises:
        SystemExit: If one of them fails; the others are then stopped.
    """
    logging.disable(logging.ERROR)  # the launcher repeats what a process has reported
    program, *arguments = command
    try:
        with TemporaryDirectory(prefix="sfsc-") as folder:
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=count,
                run_id=str(uuid.uuid4()),
                rdzv_backend="c10d",
                rdzv_endpoint="localhost:0",
                max_restarts=0,
                logs_specs=DefaultLogsSpecs(log_dir=folder),
            )
            elastic_launch(config, program)(*arguments)
    except ChildFailedError as error:
        failures = list(error.failures.items())
        # The launcher itself stops the others with SIGTERM.
        killed = [(rank, f) for rank, f in failures if f.exitcode < 0 and f.exitcode != -SIGTERM]
        if killed or all(failure.exitcode < 0 for _, failure in failures):
            rank, failure = (killed or failures)[0]
            sys.exit(
                f"All {count} processes of a training must stay alive. Found process {rank} "
                f"killed by {failure.signal_name()}; start it again to resume after the last "
                "checkpoint."
            )
        sys.exit(1)
    except SignalException as error:
        sys.exit(128 + error.sigval)
