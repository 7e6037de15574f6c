"""How fast a training gets its batches, and how much memory a large data set takes.

    python -m benchmarks.loading [--backbone resnet50] [--threads 2] [--json]

The batches are P x K batches of 64 images of 256 x 128 pixels, read from the packed file and
augmented by flip, pad and crop, colour jitter and random erasing, on the GPU if there is one.
Medians over batches:

* `images_per_second`
* `over_step_consumption`: `images_per_second` over the images that an SFSC step of four sub-models
  consumes in a second on this machine.
* `peak_resident_gib`: peak memory of a process that checks all digests of a set of MSMT17's size
  and reads batches of 20,000 random images of it. The set is a sparse file: it takes no disk.

For comparison, on the same batches: `speedup_over_kornia` (the same changes by kornia's modules)
and `speedup_over_decoding` (JPEG files that Pillow decodes for each batch, on as many threads, as
is usual in re-identification, before the same changes). `images_per_processor_second` counts the
time of this process only.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.memory import status_bytes
from benchmarks.printing import print_result
from benchmarks.step import (
    BACKBONES,
    random_batch,
    random_model,
    seconds,
    sfsc_job,
    switchable_step,
)
from sfsc.compute import best_device, keep_freed_memory
from sfsc.data.augmentation import apply_modules, build_augmentation
from sfsc.data.integrity import check_digests
from sfsc.data.manifest import Manifest, Row, pixel_digest
from sfsc.data.packed import open_images, read_images
from sfsc.data.samplers import pk_batches
from sfsc.settings.jobs import TrainJob

LIMITS = {"images_per_second": 5000.0, "over_step_consumption": 2.0, "peak_resident_gib": 4.0}
"""The last one is an upper limit, the others are lower limits."""
SIZE = (256, 128)
IMAGES = 4000
"""Images of the timed set: 0.4 GB, more than the cache of any processor."""
MSMT17 = 126_441
RANDOM_IMAGES = 20_000
ROUNDS = 4
"""Number of steps; the first ones are slow."""
IDENTITIES_PER_BATCH, IMAGES_PER_IDENTITY = 16, 4
IMAGES_OF_IDENTITY = 20
Rows = NDArray[np.int64]
build_changes = partial(build_augmentation, SIZE, flip=True, pad=10, colour=0.2, erasing=0.5)
"""Returns the changes that are timed."""


def batches(images: int) -> Iterator[Rows]:
    """Yield batches of images without end, as a training draws them."""
    labels = torch.arange(images) // IMAGES_OF_IDENTITY
    generator = torch.Generator().manual_seed(0)
    while True:
        for batch in pk_batches(
            labels,
            identities=IDENTITIES_PER_BATCH,
            images=IMAGES_PER_IDENTITY,
            generator=generator,
        ):
            yield batch.numpy()


def write_packed(path: Path, images: int) -> None:
    """Write a packed file of noise."""
    generator = np.random.default_rng(0)
    packed = np.lib.format.open_memmap(path, "w+", np.uint8, (images, *SIZE, 3))
    for image in packed:
        image[:] = generator.integers(0, 256, image.shape, dtype=np.uint8)


def write_jpegs(folder: Path, images: int) -> list[Path]:
    """Write smooth images of the packed size, which are fast to decode and need no resizing."""
    generator = np.random.default_rng(0)
    paths = [folder / f"{number}.jpg" for number in range(images)]
    for path in paths:
        coarse = Image.fromarray(generator.integers(0, 256, (16, 8, 3), dtype=np.uint8))
        coarse.resize(SIZE[::-1], Image.Resampling.BICUBIC).save(path)
    return paths


def from_packed(
    images: NDArray[np.uint8], augmentation: Callable[[Tensor], Tensor], device: torch.device
) -> Callable[[Rows], Tensor]:
    """Return a function that makes a batch as the training loop does."""
    return lambda rows: augmentation(torch.from_numpy(read_images(images, rows)).to(device))


def from_jpegs(
    paths: list[Path],
    augmentation: Callable[[Tensor], Tensor],
    pool: ThreadPoolExecutor,
    device: torch.device,
) -> Callable[[Rows], Tensor]:
    """Return a function that decodes a batch and then changes it."""

    def decode(row: int) -> NDArray[np.uint8]:
        with Image.open(paths[row % len(paths)]) as picture:
            resized = picture.convert("RGB").resize(SIZE[::-1], Image.Resampling.BILINEAR)
        return np.asarray(resized)

    def make(rows: Rows) -> Tensor:
        decoded = np.stack(list(pool.map(decode, rows.tolist())))
        return augmentation(torch.from_numpy(decoded).to(device))

    return make


def measure_times(
    make: Callable[[Rows], Tensor], order: Iterator[Rows], rounds: int
) -> tuple[float, float]:
    """Return the median wall-clock and processor seconds of a batch."""
    wall, processor = [], []
    for _ in range(3):
        make(next(order))
    for _ in range(rounds):
        rows, began, worked = next(order), time.perf_counter(), time.process_time()
        make(rows)[0, 0, 0, 0].item()  # waits for a GPU
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - worked)
    return statistics.median(wall), statistics.median(processor)


def measure_loading(folder: Path, *, images: int, rounds: int) -> dict[str, float]:
    """Return the images per second of the training, and its speed-up over the two alternatives."""
    write_packed(folder / "images.npy", images)
    packed, order = open_images(folder / "images.npy"), batches(images)
    device, augmentation = best_device(), build_changes()
    by_kornia = from_packed(packed, partial(apply_modules, *augmentation.args), device)
    paths = write_jpegs(folder, images // 10)
    wall, processor = measure_times(from_packed(packed, augmentation, device), order, rounds)
    kornia, _ = measure_times(by_kornia, order, max(3, rounds // 10))
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        decoding = from_jpegs(paths, augmentation, pool, device)
        decoded, _ = measure_times(decoding, order, max(3, rounds // 10))
    batch = IDENTITIES_PER_BATCH * IMAGES_PER_IDENTITY
    return {
        "images_per_second": batch / wall,
        "images_per_processor_second": batch / processor,
        "speedup_over_kornia": kornia / wall,
        "speedup_over_decoding": decoded / wall,
    }


def measure_consumption(job: TrainJob, *, image_size: tuple[int, int]) -> float:
    """Return the images per second that the fastest of some training steps consumes."""
    images, labels = random_batch(job, image_size)
    device = best_device()
    model = random_model(job).to(device)
    step = switchable_step(job, model, images.to(device), labels.to(device))
    return len(images) / min(seconds(step, device) for _ in range(ROUNDS))


def measure_memory(path: Path, *, images: int, random_images: int) -> dict[str, float]:
    """Return the peak memory of this process, which must be a fresh one.

    Args:
        path: A sparse file, written here.
        images: Number of images of the set.
        random_images: Number of images that are read in batches.
    """
    np.lib.format.open_memmap(path, "w+", np.uint8, (images, *SIZE, 3))
    opened = open_images(path)
    digest = pixel_digest(np.zeros((*SIZE, 3), np.uint8))
    rows = (Row(f"{number}.jpg", number, 0, "train", digest) for number in range(images))
    check_digests(Manifest.from_rows(rows), opened)
    make = from_packed(opened, build_changes(), torch.device("cpu"))
    order = batches(images)
    for _ in range(random_images // (IDENTITIES_PER_BATCH * IMAGES_PER_IDENTITY)):
        make(next(order))
    return {"peak_resident_gib": status_bytes("VmHWM") / 2**30}


def measure_memory_apart(threads: int) -> dict[str, float]:
    """Return `measure_memory()` of a fresh process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.loading",
        "--memory-only",
        "--threads",
        f"{threads}",
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backbone", choices=BACKBONES, default="resnet50", help="of the step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--rounds", type=int, default=100, help="batches; a tenth for the alternatives"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--memory-only", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        if options.memory_only:
            path = Path(name) / "images.npy"
            print(json.dumps(measure_memory(path, images=MSMT17, random_images=RANDOM_IMAGES)))
            return
        result = measure_loading(Path(name), images=IMAGES, rounds=options.rounds)
    job = sfsc_job(options.backbone, best_device())
    consumed = measure_consumption(job, image_size=SIZE)
    result |= {
        "over_step_consumption": result["images_per_second"] / consumed,
        "step_images_per_second": consumed,
        **measure_memory_apart(options.threads),
    }
    print_result(result, LIMITS, as_json=options.json)


if __name__ == "__main__":
    main()
