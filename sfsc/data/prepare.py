"""The stage `sfsc prepare`: build a data set, check it, and only then move it into place."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from sfsc.data.contact_sheet import write_contact_sheet
from sfsc.data.integrity import check_counts, count_splits
from sfsc.data.prepared import (
    CONTACT_SHEET,
    FILES,
    IMAGES,
    JOURNAL,
    MANIFEST,
    SUMMARY,
    PreparedSet,
    file_digest,
)
from sfsc.data.words import camera_of, credit_of, sentences_of
from sfsc.files import move_into_place
from sfsc.settings import parts
from sfsc.settings.jobs import PrepareJob


def prepare(job: PrepareJob, raw_dir: Path, output_dir: Path, *, threads: int = 1) -> None:
    """Write a prepared set (see `sfsc.data.prepared`).

    The set is written to a folder beside `output_dir`, opened again, checked and moved into place,
    its summary last. So `output_dir` holds a whole checked set, or one without a summary, which
    every stage refuses.

    Args:
        job: The data set and its settings.
        raw_dir: Folder with the raw files of each data set (`data/raw`).
        output_dir: Folder of the prepared set. Other files in it are left alone.
        threads: Number of processes or threads that render or decode.

    Raises:
        ConfigError: If the settings are not valid.
        DataError: If an archive or an image is damaged or the set fails a check.
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
    if not isinstance(prepared.images, np.memmap):  # `pack_images` has written them otherwise
        np.save(folder / IMAGES, prepared.images)
    name = job.settings.name
    sheet = folder / CONTACT_SHEET
    write_contact_sheet(prepared, sheet, title=name, sentences=sentences_of(name))
    summary = {
        "dataset": name,
        "settings": job.settings.model_dump(mode="json", exclude={"name"}),
        "validation_fraction": job.validation_fraction,
        "credit": credit_of(name),
        "camera": camera_of(name),
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
    """Yield a folder beside `output_dir`; remove it at the end.

    After a kill or an error it stays if it holds packed images, which the next run keeps.
    """
    folder = output_dir.with_name(f".{output_dir.name}.partial")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except Exception:
        if not (folder / JOURNAL).exists():
            shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def _publish(folder: Path, output_dir: Path) -> None:
    output_dir.mkdir(exist_ok=True)
    (output_dir / SUMMARY).unlink(missing_ok=True)  # the old set is not whole any more
    for name in FILES:
        move_into_place(folder / name, output_dir / name)
