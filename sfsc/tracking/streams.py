"""The record streams of trainings in progress, as a process beside them reads them."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STREAM = Path("checkpoints/stream.jsonl")
"""In the folder of a training, until the training is over."""


def find_streams(study_dir: Path) -> Iterator[Path]:
    """Yield the streams of the trainings of a study that are not over.

    Args:
        study_dir: `results/<study>`; may not be there yet.
    """
    for stream in sorted(study_dir.glob(f"*/*/seed*/**/{STREAM}")):
        if not (stream.parents[1] / "run.json").exists():
            yield stream


def key_of(stream: Path, study_dir: Path) -> str:
    """Return the identity of a training: `<study>/<dataset>/<run>/seed<k>[/width<w>]`."""
    return stream.parents[1].relative_to(study_dir.parent).as_posix()


def identity_of(stream: Path) -> str | None:
    """Return what tells a training that goes on from one that begins anew, differently.

    It is a digest of the settings and of the first record, which depends on data and code, too.
    None if there is no whole record yet, or no stream any more.

    Args:
        stream: The file.
    """
    try:
        with stream.open("rb") as file:
            first = file.readline()
        config = (stream.parents[1] / "config" / "train.json").read_bytes()
    except FileNotFoundError:  # the training has just ended
        return None
    return hashlib.sha256(config + first).hexdigest()[:16] if first.endswith(b"\n") else None


def read_new(stream: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """Return the whole records of a stream behind an offset, and the offset behind them.

    A stream that is shorter than the offset was cut back by a resumed training and is read anew; a
    record that is not written to its end is left for the next time.

    Args:
        stream: The file.
        offset: Bytes that are known.
    """
    try:
        with stream.open("rb") as file:
            start = offset if offset <= stream.stat().st_size else 0
            file.seek(start)
            content = file.read()
    except FileNotFoundError:  # the training has just ended
        return [], offset
    end = content.rfind(b"\n") + 1
    try:
        return [json.loads(line) for line in content[:end].splitlines()], start + end
    except ValueError:  # the offset is inside a record of a stream that was cut back and grew
        return read_new(stream, 0) if start else ([], 0)
