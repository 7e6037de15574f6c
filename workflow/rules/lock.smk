# One study, one Snakemake: the one that makes a study owns it until it ends, and a second one is refused. The system
# releases the locks of a process however it ends, so whoever gets a lock knows that no other process has it.
#   .snakemake/study-<name>   held by the Snakemake that makes the study
#   .snakemake/alive          held, shared, by every Snakemake that makes any study here
import fcntl
import sys
from pathlib import Path

from sfsc.files import lock

# Closed, and thus released, when the process ends.
HELD = []


def own_study():
    """Own the study until this process ends; end it with a sentence if another Snakemake does."""
    try:
        HELD.append(lock(Path(f".snakemake/study-{PARAMS.study}")))
    except BlockingIOError as error:
        sys.exit(
            f"Only one Snakemake may make study `{PARAMS.study}` in this folder at a time. Found {error}. "
            "Wait until it ends, or stop it; a dry run (-n) is possible meanwhile."
        )
    remove_stale_locks()


def remove_stale_locks():
    """Remove the locks that Snakemake itself left when it was killed, if no other Snakemake is alive.

    It would refuse to start because of them.
    """
    alive = Path(".snakemake/alive").open("a")
    HELD.append(alive)
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for stale in Path(".snakemake/locks").glob("*.lock"):
            stale.unlink(missing_ok=True)
    except BlockingIOError:
        pass
    fcntl.flock(alive, fcntl.LOCK_SH)


def check_folder_is_writable():
    """End with a sentence if Snakemake could not even keep the records of a dry run."""
    if not os.access(".", os.W_OK):
        sys.exit(
            "Snakemake must be able to keep records in the project's folder, also for a dry run. Found "
            f"{os.getcwd()}, which is read-only. Copy the project to a folder that can be written."
        )


if workflow.is_main_process:
    check_folder_is_writable()
