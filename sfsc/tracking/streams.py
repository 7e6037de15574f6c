"""The record streams of trainings in progress, for a process that reads along."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STREAM = Path("checkpoints/stream.jsonl")
"""Path in the folder of a training, until the training has finished."""


def find_streams(study_dir: Path) -> Iterator[Path]:
    """Yield the streams of a study's unfinished trainings.

    Args:
        study_dir: `results/<study>`; need not exist yet.
    """
    for stream in sorted(study_dir.glob(f"*/*/seed*/**/{STREAM}")):
        if not (stream.parents[1] / "run.json").exists():
            yield stream


def key_of(stream: Path, study_dir: Path) -> str:
    """Return the identity of a training: `<study>/<dataset>/<run>/seed<k>[/width<w>]`.

    >>> key_of(Path("results/s/d/r/seed0/checkpoints/stream.jsonl"), Path("results/s"))
    's/d/r/seed0'
    """
    return stream.parents[1].relative_to(study_dir.parent).as_posix()


def identity_of(stream: Path) -> str | None:
    """Return an identity that a resumed training keeps and a changed one does not.

    It is the digest of the settings and of the first record, which depends on data and code.

    Args:
        stream: The file.

    Returns:
        16 hexadecimal digits; None if there is no complete record, or no longer a stream.
    """
    try:
        with stream.open("rb") as file:
            first = file.readline()
        config = (stream.parents[1] / "config" / "train.json").read_bytes()
    except FileNotFoundError:  # the training has just finished
        return None
    return hashlib.sha256(config + first).hexdigest()[:16] if first.endswith(b"\n") else None


def read_new(stream: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """Return the complete records after an offset, and the offset of their end.

    An incomplete record is left for the next call. A stream that a resumed training has truncated
    is read again from its start.

    Args:
        stream: The file.
        offset: Bytes read before.
    """
    try:
        with stream.open("rb") as file:
            start = offset if offset <= stream.stat().st_size else 0
            file.seek(start)
            content = file.read()
    except FileNotFoundError:  # the training has just finished
        return [], offset
    end = content.rfind(b"\n") + 1
    try:
        return [json.loads(line) for line in content[:end].splitlines()], start + end
    except ValueError:  # the stream was truncated and grew: the offset is inside a record
        return read_new(stream, 0) if start else ([], 0)
