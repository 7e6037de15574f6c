# A Snakemake that was killed leaves its lock behind, and the next one would refuse to start. Whoever works here holds
# a file that the system frees with the process, however it ends; so a lock that nobody holds is stale and is removed.
import fcntl
from pathlib import Path


def remove_stale_lock():
    """Return the held file, None if another Snakemake is at work: its lock is then as it should be."""
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


# A job on a cluster's node starts a Snakemake, too, of the one that submitted it: that one's lock is not its own.
HELD = remove_stale_lock() if workflow.is_main_process else None
