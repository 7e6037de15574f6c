"""The stage `sfsc prepare`: make a data set, check it, and only then put it in its place."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from sfsc.settings import parts
from sfsc.settings.jobs import PrepareJob
from sfsc.data.contact_sheet import write_contact_sheet
from sfsc.data.integrity import check_counts, count_splits
from sfsc.data.packed import MappedImages
from sfsc.data.prepared import (
    CONTACT_SHEET,
    FILES,
    IMAGES,
    MANIFEST,
    SUMMARY,
    PreparedSet,
    file_digest,
)
from sfsc.files import move_into_place


def prepare(job: PrepareJob, raw_dir: Path, output_dir: Path, *, threads: int = 1) -> None:
    """Make a prepared set (see `sfsc.data.prepared`).

    The set is written to a folder beside `output_dir`, opened again, checked, and moved into place
    file by file, its summary last: what lies in `output_dir` is a whole checked set or has no
    summary and is refused.

    Args:
        job: Which set and how.
        raw_dir: Folder with a folder of raw files per data set (`data/raw`).
        output_dir: Folder of the prepared set; other files in it are left alone.
        threads: Number of processes or threads that render or decode.

    Raises:
        ConfigError: If the settings are not those of the data set.
        DataError: If an archive or an image is damaged or the set breaks a contract; nothing is
            left behind. A killed run leaves the image files it packed; the next one goes on there.
    """
    with _workshop(output_dir) as folder:
        _write(_build(job, raw_dir, folder / IMAGES, threads), job, folder)
        PreparedSet.open(folder).check()
        _publish(folder, output_dir)


def _build(job: PrepareJob, raw_dir: Path, packed: Path, threads: int) -> PreparedSet:
    settings = job.settings
    data_set = parts.load("data.sets", settings.name)
    fraction = job.validation_fraction
    prepared: PreparedSet = data_set.build(
        settings,
        raw_dir / settings.name,
        validation_fraction=fraction,
        packed=packed,
        threads=threads,
    )
    expected = data_set.expected_counts(settings, validation_fraction=fraction)
    check_counts(prepared.manifest, expected)
    return prepared


def _write(prepared: PreparedSet, job: PrepareJob, folder: Path) -> None:
    prepared.manifest.save(folder / MANIFEST)
    if not isinstance(prepared.images, MappedImages):  # a set of image files has written them
        np.save(folder / IMAGES, prepared.images)
    write_contact_sheet(prepared, folder / CONTACT_SHEET, title=job.settings.name)
    summary = {
        "dataset": job.settings.name,
        "settings": job.settings.model_dump(mode="json", exclude={"name"}),
        "validation_fraction": job.validation_fraction,
        "image_shape": list(prepared.images.shape[1:]),
        "cameras": len(np.unique(prepared.manifest.camera)),
        "splits": {
            split: asdict(count) for split, count in count_splits(prepared.manifest).items()
        },
        "manifest_sha256": file_digest(folder / MANIFEST),
        "images_sha256": file_digest(folder / IMAGES),
    }
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _workshop(output_dir: Path) -> Iterator[Path]:
    """Yield a folder beside `output_dir`, removed at the end and on an error.

    A run that is killed leaves it, and with it the images that are packed: the next one finds them.
    """
    folder = output_dir.with_name(f".{output_dir.name}.partial")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except Exception:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def _publish(folder: Path, output_dir: Path) -> None:
    output_dir.mkdir(exist_ok=True)
    (output_dir / SUMMARY).unlink(missing_ok=True)  # from here to the end the old set is not whole
    for name in FILES:
        move_into_place(folder / name, output_dir / name)
