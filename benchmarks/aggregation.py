"""Cost of projecting the gradients of nested sub-models, compared with the step and other code.

    python -m benchmarks.aggregation [--backbone resnet50] [--threads 2] [--json]

All aggregate the same gradients, those of one SFSC step on random images. Times are medians:

* `share_of_step`: time of the aggregation, Gramians included, divided by that of the whole step.
* `speedup_over_torchjd`: time of TorchJD's PCGrad divided by ours, from zero-padded Jacobians,
  which are there before the clock starts, to the parameters' gradients (`jac_to_grad`).
* `speedup_over_torchjd_gramians`: the same with its `optimize_gramian_computation`, which does not
  join the Jacobians. It has no limit: on a CPU it can be faster than ours.
* `memory_over_torchjd`: our peak memory beyond the gradients divided by TorchJD's without that
  option, which includes the zero-padded Jacobians.
* `speedup_over_pairwise`: time of algorithm 1 of Yu et al. (arXiv 2001.06782) as published, on flat
  zero-padded vectors, divided by ours. Its inner products, too, run over the intersection of two
  sub-models' blocks: both must return the same update.
"""

import argparse
import statistics
from collections.abc import Sequence

import torch
from torch import Tensor
from torchjd.aggregation import PCGrad
from torchjd.autojac import jac_to_grad

from benchmarks.printing import print_result
from benchmarks.step import (
    BACKBONES,
    Step,
    gradients_of,
    peak_bytes,
    random_batch,
    random_model,
    seconds,
    sfsc_job,
    switchable_step,
)
from sfsc.aggregation.aggregators.projection import Projection, projection_orders
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.compute import best_device, generator_for, keep_freed_memory
from sfsc.networks.switchable import leading_block
from sfsc.settings.jobs import TrainJob

LIMITS = {
    "share_of_step": 0.05,
    "speedup_over_torchjd": 2.0,
    "memory_over_torchjd": 0.5,
    "speedup_over_pairwise": 10.0,
}
TOLERANCE = 1e-4
"""Largest difference of two updates over the norm of one, in float32."""


def padded(jacobian: NestedJacobian) -> list[Tensor]:
    """Return for each shared parameter the rows, zero-padded, (M, *shape)."""
    jacobians = []
    for name in jacobian.shared_names:
        gradients = [row[name] for row in jacobian.rows]
        rows = gradients[-1].new_zeros((len(gradients), *gradients[-1].shape))
        for row, gradient in zip(rows, gradients, strict=True):
            leading_block(row, gradient.shape).copy_(gradient)
        jacobians.append(rows)
    return jacobians


def stack(jacobian: NestedJacobian) -> Tensor:
    """Return the rows on the shared parameters, zero-padded and flat, (M, N)."""
    return torch.cat([rows.flatten(start_dim=1) for rows in padded(jacobian)], dim=1)


def by_torchjd(jacobians: Sequence[Tensor], *, optimize: bool) -> list[Tensor]:
    """Return TorchJD's gradients of parameters with these Jacobians.

    Args:
        jacobians: (M, *shape) for each parameter.
        optimize: TorchJD's `optimize_gramian_computation`.
    """
    parameters = [torch.empty_like(rows[0], requires_grad=True) for rows in jacobians]
    for parameter, rows in zip(parameters, jacobians, strict=True):
        parameter.jac = rows  # type: ignore[attr-defined]  # where TorchJD's `backward` leaves it
    jac_to_grad(parameters, PCGrad(), optimize_gramian_computation=optimize)
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def masks(jacobian: NestedJacobian) -> Tensor:
    """Return which weights each sub-model owns, laid out as in `stack`."""
    ones = [{name: torch.ones_like(t) for name, t in row.items()} for row in jacobian.rows]
    return stack(NestedJacobian(ones))


def pairwise(rows: Tensor, owned: Tensor, orders: Tensor) -> Tensor:
    """Return the sum of the projected rows, (N,), computed pair by pair.

    Args:
        rows: (M, N).
        owned: (M, N), 1 where a sub-model owns a weight, else 0.
        orders: For each row the others in the order in which it meets them, (M, M - 1).
    """
    total = torch.zeros_like(rows[0])
    for i, others in enumerate(orders.tolist()):
        running = rows[i].clone()
        for j in others:
            meet = owned[i] * owned[j]
            other = rows[j] * meet
            inner = torch.dot(running * meet, other)
            if inner < 0:
                running -= inner / torch.dot(other, other) * other
        total += running
    return total


def measure(
    job: TrainJob, *, image_size: tuple[int, int], rounds: int, device: torch.device
) -> dict[str, float]:
    """Return the ratios and the times they are computed from.

    Args:
        job: An SFSC training.
        image_size: Height and width in pixels.
        rounds: Repetitions of each aggregation; the step gets a tenth of them, at least three.
        device: Where everything runs.
    """
    torch.manual_seed(0)
    images, labels = (tensor.to(device) for tensor in random_batch(job, image_size))
    model = random_model(job).to(device)
    compute = gradients_of(job, model)
    jacobian = compute(images, labels, progress=1.0).jacobian
    projection = Projection("nested", "sum")

    def ours() -> dict[str, Tensor]:
        vars(jacobian).pop("blocks", None)  # as for new gradients
        return projection(jacobian, generator_for("benchmark"))

    jacobians, rows, owned = padded(jacobian), stack(jacobian), masks(jacobian)
    orders = projection_orders(len(jacobian.rows), generator_for("benchmark"))
    update = ours()
    joined = torch.cat([update[name].flatten() for name in jacobian.shared_names])
    difference = (joined - pairwise(rows, owned, orders)).norm() / joined.norm()
    if not difference <= TOLERANCE:
        raise RuntimeError(
            f"Both implementations must return one update, up to {TOLERANCE} of its norm. Found "
            f"{difference:.2g}."
        )
    aggregations: dict[str, Step] = {
        "ours": ours,
        "torchjd": lambda: by_torchjd(jacobians, optimize=False),
        "torchjd_gramians": lambda: by_torchjd(jacobians, optimize=True),
        "pairwise": lambda: pairwise(rows, owned, orders),
    }
    times: dict[str, list[float]] = {name: [] for name in aggregations}
    for _ in range(rounds):
        for name, aggregation in aggregations.items():
            times[name].append(seconds(aggregation, device))
    median = {name: statistics.median(values) for name, values in times.items()}
    alone = NestedJacobian(jacobian.rows)  # not recorded: a recording keeps its memory
    memory = {
        "ours": peak_bytes(lambda: projection(alone, generator_for("benchmark")), device),
        "torchjd": peak_bytes(lambda: by_torchjd(padded(jacobian), optimize=False), device),
    }
    step = switchable_step(job, model, images, labels)
    seconds(step, device)
    step_seconds = statistics.median(seconds(step, device) for _ in range(max(3, rounds // 10)))
    return {
        "share_of_step": median["ours"] / step_seconds,
        "speedup_over_torchjd": median["torchjd"] / median["ours"],
        "speedup_over_torchjd_gramians": median["torchjd_gramians"] / median["ours"],
        "memory_over_torchjd": memory["ours"] / memory["torchjd"],
        "speedup_over_pairwise": median["pairwise"] / median["ours"],
        **{f"{name}_seconds": value for name, value in median.items()},
        "step_seconds": step_seconds,
        "shared_weights": float(rows.shape[1]),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backbone", choices=BACKBONES, default="resnet50")
    parser.add_argument("--image-size", type=int, nargs=2, default=(256, 128), help="pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20, help="repetitions")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as a training does
    device = best_device()
    result = measure(
        sfsc_job(options.backbone, device),
        image_size=tuple(options.image_size),
        rounds=options.rounds,
        device=device,
    )
    print_result(result, LIMITS, as_json=options.json)


if __name__ == "__main__":
    main()
