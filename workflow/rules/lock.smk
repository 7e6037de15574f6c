# A killed Snakemake leaves its lock, and the next one would refuse to start. A running Snakemake therefore also holds a
# file lock, which the system releases when the process ends. Without such a holder, Snakemake's lock is stale: remove
# it.
import fcntl
from pathlib import Path


def remove_stale_lock():
    """Return the held file; None if another Snakemake is running, whose lock must stay."""
    folder = Path(".snakemake")
    folder.mkdir(exist_ok=True)
    holder = (folder / "alive").open("w")
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    for lock in folder.glob("locks/*.lock"):
        lock.unlink(missing_ok=True)
    return holder


# A job on a cluster node starts a Snakemake as well. The lock there belongs to the one that submitted the job.
HELD = remove_stale_lock() if workflow.is_main_process else None
