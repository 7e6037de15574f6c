"""How long the trainings of a study take, from a step measured here.

    python -m benchmarks.plan studies/paper.yaml [--rate 2e14] [--threads 2] [--json]

The number of trainings and steps follows from the parameters and the published sizes of the sets.
One step of the study's switchable network is measured on this machine, in the study's precision.
The time of any other step is proportional to its floating-point operations: two per
multiply-accumulate, of the forward and twice for the backward pass. `--rate` replaces the
measurement by another device's operations per second: `step_operations / step_seconds` of
`python -m benchmarks.step` there.

Evaluation, loading and Snakemake itself are not counted.
"""

import argparse
import json
import platform
import statistics
from pathlib import Path

import torch

from benchmarks.step import (
    random_batch,
    random_model,
    seconds,
    step_operations,
    switchable_step,
)
from sfsc.compute import best_device
from sfsc.data.samplers import epoch_length
from sfsc.settings.experiment import Params, load_params
from sfsc.settings.jobs import NetworkOfRun, TrainJob

TRAIN_IMAGES = {
    "market1501": 12_936, "msmt17": 32_621, "veri776": 37_746, "grocery": 2_781, "fruits360": 2_417,
    "omniglot": 2_780
}  # fmt: skip
"""Sizes of the training sets, validation identities included; MSMT17 is V1 with the validation
images merged."""
ROUNDS = 3


def networks(params: Params) -> set[tuple[NetworkOfRun, int]]:
    """Return every network that is trained on a data set, with its seed."""
    return {
        (part, seed)
        for run, seeds in params.runs().items()
        for seed in seeds
        for part in params.networks_of(run) or (NetworkOfRun(run, None),)
    }


def image_size(params: Params, dataset: str) -> tuple[int, int]:
    """Return height and width of a data set's images, pixels."""
    settings = params.prepare_job(dataset).settings.model_dump()
    side = settings.get("image_size")
    return settings.get("image_height", side), settings.get("image_width", side)


def training_images(params: Params, dataset: str) -> int:
    """Return the size of a training set, validation identities included."""
    if dataset != "synthetic":
        return TRAIN_IMAGES[dataset]
    drawn = params.prepare_job(dataset).settings.model_dump()
    return int(
        drawn["train_identities"] * drawn["cameras_per_identity"] * drawn["images_per_camera"]
    )


def steps_of(params: Params, job: TrainJob) -> int:
    """Return the steps of a training."""
    share = 1 - params.data.validation_fraction
    images = round(training_images(params, job.dataset) * share)
    train = job.train
    return train.epochs * epoch_length(
        images, identities=train.identities_per_batch, images=train.images_per_identity
    )


def measured_rate(job: TrainJob, size: tuple[int, int]) -> float:
    """Return floating-point operations per second of a step on this machine, median of rounds."""
    device = best_device()
    images, labels = random_batch(job, size)
    model = random_model(job)
    operations = step_operations(job, model.network.eval(), size)
    step = switchable_step(job, model.train().to(device), images.to(device), labels.to(device))
    seconds(step, device)
    return operations / statistics.median(seconds(step, device) for _ in range(ROUNDS))


def plan(params: Params, rate: float | None) -> dict[str, object]:
    """Return the number of trainings, steps and operations, and hours; the module says how."""
    operations: dict[str, float] = {}
    cached: dict[object, int] = {}
    n_trainings = n_steps = 0
    for dataset in params.datasets:
        size = image_size(params, dataset)
        for part, seed in networks(params):
            job = params.resolve(part.run, dataset=dataset, seed=seed, width=part.width)
            key = (job.network, size)
            if key not in cached:
                cached[key] = step_operations(job, random_model(job).network.eval(), size)
            steps = steps_of(params, job)
            operations[dataset] = operations.get(dataset, 0) + cached[key] * steps
            n_trainings, n_steps = n_trainings + 1, n_steps + steps
    first = params.datasets[0]
    job = params.resolve("sfsc", dataset=first, seed=params.seeds[0])
    device = best_device()
    is_gpu = device.type == "cuda"
    used = rate or measured_rate(job, image_size(params, first))
    return {
        "trainings": n_trainings,
        "steps": n_steps,
        "operations": sum(operations.values()),
        "operations_per_second": used,
        "measured_on": "given"
        if rate
        else torch.cuda.get_device_name(device)
        if is_gpu
        else f"{torch.get_num_threads()} threads of {platform.machine()}",
        "precision": job.train.precision,
        "hours": {name: count / used / 3600 for name, count in operations.items()},
        "days": sum(operations.values()) / used / 86400,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("--rate", type=float, help="operations per second of another device's step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    result = plan(load_params([Path("params.yaml"), options.study]), options.rate)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for key, value in result.items():
        print(f"{key:24} {value:.4g}" if isinstance(value, float) else f"{key:24} {value}")


if __name__ == "__main__":
    main()
