"""Cost of one SFSC step against training the same sub-models one by one as plain dense networks.

    python -m benchmarks.step [--backbone resnet18] [--precision bf16] [--threads 2] [--json]

* `step_over_dense`: time of a step divided by the sum of M dense steps on the same batch, median
  over paired rounds. Both sides minimise the recipe's base loss and triplet loss, SFSC its
  compatible loss besides. The dense networks share and aggregate nothing: a step cannot be faster.
  On a GPU both sides replay recorded kernels (CUDA graphs); with `--eager` neither does.
* `step_over_eager_dense`: on a GPU the same, but with dense steps whose kernels are launched one by
  one, as PyTorch usually runs them.
* `extra_memory_over_gradients`: peak memory of a step minus that of a dense step of the full
  network, in units of the full network's gradients, from torch's own allocation records.
* `share_of_matrix_rate`: operations per second (2 per MAC; forward once, backward twice, for all
  sub-models) divided by those of one large matrix product.

Both sides run channels last, the fastest format for these convolutions, on the GPU if there is one.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.printing import print_result
from sfsc.compute import best_device, generator_for, keep_freed_memory
from sfsc.losses.terms.triplet import batch_hard_triplet_loss
from sfsc.networks.build import EmbeddingNetwork, channels_last
from sfsc.networks.cost import cost
from sfsc.networks.extract import extract
from sfsc.settings import parts
from sfsc.settings.experiment import load_params
from sfsc.settings.jobs import TrainJob
from sfsc.training.build import build_aggregator, build_criterion, build_optimizer
from sfsc.training.model import IdentityModel
from sfsc.training.precision import DTYPES, autocast
from sfsc.training.records import read_values, step_values
from sfsc.training.replay import Replay, ReplayedGradients
from sfsc.training.step import Compute, apply_update, compute_gradients

BACKBONES = parts.names("networks.backbones")
IDENTITIES = 153
LIMITS = {"step_over_dense": 1.15, "extra_memory_over_gradients": 2.0}
LARGE_LIMITS = LIMITS | {"step_over_dense": 1.10}
SMALL, LARGE = (32, 32), (256, 128)
"""Height and width in pixels of the small studies' images, and of pedestrian images."""
FOR_LARGE = ("resnet50", "resnext50", "vit_small")
"""Backbones measured on large images; a round takes a minute on a CPU."""
CPU = torch.device("cpu")
Step = Callable[[], object]


def sfsc_job(backbone: str, device: torch.device, precision: str | None = None) -> TrainJob:
    """Return an SFSC training of a backbone; the default precision is bf16 on a GPU."""
    job = load_params([Path("params.yaml")]).resolve("sfsc", dataset="synthetic", seed=0)
    settings = parts.load("networks.backbones", backbone).Settings()
    precision = precision or ("bf16" if device.type == "cuda" else "float32")
    return job.model_copy(
        update={
            "network": job.network.model_copy(update={"backbone": settings}),
            "train": job.train.model_copy(
                update={
                    "precision": precision,
                    "device": device.type,
                    "cuda_graphs": device.type == "cuda",
                }
            ),
        }
    )


def without_cuda_graphs(job: TrainJob) -> TrainJob:
    """Return the same job with its kernels launched one by one."""
    return job.model_copy(update={"train": job.train.model_copy(update={"cuda_graphs": False})})


def gradients_of(job: TrainJob, model: IdentityModel) -> Compute:
    """Return the gradients' function as the training loop has it."""
    compute: Compute = partial(compute_gradients, model, criterion=build_criterion(job.loss))
    if model.classifier.is_cuda and job.train.cuda_graphs:
        return ReplayedGradients(compute, model)
    return compute


def switchable_step(job: TrainJob, model: IdentityModel, images: Tensor, labels: Tensor) -> Step:
    """Return one SFSC step as the training loop runs it, its records included."""
    aggregator, compute = build_aggregator(job), gradients_of(job, model)
    optimizer = build_optimizer(model, job.train)
    generator = generator_for("benchmark")

    def step() -> None:
        gradients = compute(images, labels, progress=1.0)
        values = step_values(gradients)
        apply_update(
            model,
            gradients.jacobian,
            aggregator=aggregator,
            optimizer=optimizer,
            gradient_clip=job.train.gradient_clip,
            generator=generator,
            is_finite=torch.isfinite(values["loss"]).all(),
        )
        read_values(values)

    return step


class Dense(nn.Module):
    """A sub-model as an unrelated plain network with a classifier of its own."""

    def __init__(self, model: IdentityModel, switch: int, embedding_dim: int) -> None:
        super().__init__()
        self.precision = model.precision
        self.network = extract(model.network, switch)
        self.classifier = nn.Linear(embedding_dim, IDENTITIES, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings (B, D) and logits (B, IDENTITIES)."""
        with autocast(images.device, self.precision):
            embedding = self.network(images)
        embedding = embedding.float()
        return embedding, self.classifier(embedding)


def dense_step(job: TrainJob, model: Dense, images: Tensor, labels: Tensor) -> Step:
    """Return one ordinary training step of a dense network."""
    optimizer = build_optimizer(model, job.train)
    parameters = list(model.parameters())

    triplet = job.loss.terms["triplet"]

    def differentiate() -> tuple[Tensor, ...]:
        embedding, logits = model(images)
        smoothing = job.loss.base.label_smoothing
        loss = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        hardest = batch_hard_triplet_loss(embedding, labels, margin=triplet.margin)
        return torch.autograd.grad(loss + triplet.weight * hardest, parameters)

    is_replayed = images.is_cuda and job.train.cuda_graphs
    compute = Replay(differentiate, model.buffers()) if is_replayed else differentiate

    def step() -> None:
        for parameter, gradient in zip(parameters, compute(), strict=True):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(model.parameters(), job.train.gradient_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def seconds(step: Step, device: torch.device = CPU) -> float:
    """Return the wall-clock time of one call."""
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def matrix_rate(device: torch.device, precision: str) -> float:
    """Return the operations per second of a large matrix product, 2 per MAC."""
    n = 8192 if device.type == "cuda" else 2048
    dtype = DTYPES.get(precision, torch.float32)
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))

    def product() -> object:
        return a @ b

    seconds(product, device)
    return 2 * n**3 / statistics.median(seconds(product, device) for _ in range(10))


def step_operations(job: TrainJob, network: EmbeddingNetwork, image_size: tuple[int, int]) -> int:
    """Return the operations of one step of all sub-models; the network is in evaluation mode."""
    switches = range(len(network.widths))
    macs = sum(cost(network, switch, (3, *image_size)).macs for switch in switches)
    return 2 * 3 * macs * job.train.identities_per_batch * job.train.images_per_identity


def peak_bytes(step: Step, device: torch.device = CPU) -> int:
    """Return the peak memory of a call, not counting what was allocated before it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        step()
    # The public events sum a function's allocations; only the raw ones are ordered by time.
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda e: e.start_ns())]
    if not changes:
        raise RuntimeError("The profiler must report allocations. Found none.")
    return max(itertools.accumulate(changes))


def random_batch(job: TrainJob, image_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return a batch of random images (B, 3, H, W), channels last, and its labels."""
    batch = job.train.identities_per_batch * job.train.images_per_identity
    images = torch.randn(batch, 3, *image_size).to(memory_format=torch.channels_last)
    return images, torch.arange(batch) // job.train.images_per_identity


def random_model(job: TrainJob) -> IdentityModel:
    """Return an untrained model for RGB images, channels last, in training mode."""
    network = EmbeddingNetwork(**job.network.architecture(), image_channels=3)
    model = IdentityModel(
        network,
        embedding_dim=job.network.embedding_dim,
        identities=IDENTITIES,
        base_loss=build_criterion(job.loss).base_loss,
        precision=job.train.precision,
    )
    return channels_last(model).train()


def measure(
    job: TrainJob, *, image_size: tuple[int, int], rounds: int, device: torch.device
) -> dict[str, float]:
    """Return the ratios and the times they are computed from."""
    torch.manual_seed(0)
    images, labels = random_batch(job, image_size)
    model = random_model(job)
    operations = step_operations(job, model.network.eval(), image_size)
    model.train().to(device)
    dense = [
        channels_last(Dense(model, switch, job.network.embedding_dim)).train().to(device)
        for switch in range(len(job.network.widths))
    ]
    images, labels = images.to(device), labels.to(device)
    one_by_one = without_cuda_graphs(job)
    plain_steps = [dense_step(one_by_one, network, images, labels) for network in dense]
    gradients = 4 * sum(parameter.numel() for parameter in dense[-1].parameters())
    eager_step = switchable_step(one_by_one, model, images, labels)
    eager_step()
    plain_steps[-1]()
    extra = peak_bytes(eager_step, device) - peak_bytes(plain_steps[-1], device)
    contestants = {"step": [switchable_step(job, model, images, labels)], "dense": plain_steps}
    if device.type == "cuda" and job.train.cuda_graphs:
        replayed = [dense_step(job, network, images, labels) for network in dense]
        contestants |= {"dense": replayed, "eager_dense": plain_steps}
    for steps in (*contestants.values(), *contestants.values()):
        for step in steps:
            step()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, steps in contestants.items():
            times[name].append(sum(seconds(step, device) for step in steps))
    step_seconds = statistics.median(times["step"])
    rate = matrix_rate(device, job.train.precision)
    ratios = {
        f"step_over_{name}": statistics.median(
            a / b for a, b in zip(times["step"], others, strict=True)
        )
        for name, others in times.items()
        if name != "step"
    }
    return {
        **ratios,
        "extra_memory_over_gradients": extra / gradients,
        **{f"{name}_seconds": statistics.median(values) for name, values in times.items()},
        "images_per_second": len(images) / step_seconds,
        "share_of_matrix_rate": operations / step_seconds / rate,
        "matrix_rate_per_second": rate,
        "step_operations": operations,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backbone", choices=BACKBONES, default="small_resnet")
    parser.add_argument("--image-size", type=int, nargs=2, help="pixels; default: the backbone's")
    parser.add_argument("--precision", choices=["float32", *DTYPES], help="default: bf16 on a GPU")
    parser.add_argument("--eager", action="store_true", help="on a GPU: no CUDA graphs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, help="paired rounds; default: 30, of large images 3")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as a training does
    device = best_device()
    job = sfsc_job(options.backbone, device, options.precision)
    job = without_cuda_graphs(job) if options.eager else job
    is_large = options.backbone in FOR_LARGE
    image_size = tuple(options.image_size or (LARGE if is_large else SMALL))
    limits = LARGE_LIMITS if image_size == LARGE else LIMITS
    rounds = options.rounds or (3 if image_size == LARGE else 30)
    result = measure(job, image_size=image_size, rounds=rounds, device=device)
    print_result(result, limits, as_json=options.json)


if __name__ == "__main__":
    main()
