"""What a GPU computes against what the CPU does. Skipped where there is none."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor

from sfsc.cli import main
from sfsc.compute import generator_for, make_deterministic
from sfsc.data.augmentation import build_augmentation
from sfsc.data.prepared import PreparedSet
from sfsc.networks.build import EmbeddingNetwork, channels_last, load_network
from sfsc.networks.recompute import recompute_activations
from sfsc.provenance import write_fingerprint
from sfsc.retrieval.embed import extract_embeddings
from sfsc.retrieval.matrix import evaluate_matrix
from sfsc.retrieval.nearest import find_nearest
from sfsc.retrieval.ranking import cosine_scores, rank_positives
from sfsc.retrieval.relevance import Labels, find_relevant
from sfsc.retrieval.rerankings.k_reciprocal import Settings, build
from sfsc.settings.jobs import TrainJob
from sfsc.settings.sections import Augmentation, Loss
from sfsc.training.build import build_criterion, build_optimizer
from sfsc.training.model import IdentityModel
from sfsc.training.records import read_values, step_values
from sfsc.training.replay import ReplayedGradients
from sfsc.training.step import apply_update, compute_gradients

import sections
from sections import loss_section, train_section

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
CPU, GPU = torch.device("cpu"), torch.device("cuda")
RECIPES = {
    "softmax": loss_section(),
    "influence": loss_section(terms={"influence": {}}),
    "asymmetric": loss_section(terms={"asymmetric": {}}),
    "triplet": loss_section(
        terms={"asymmetric": {"kind": "triplet", "margin": 0.3}, "compatible": {"evidence": "exp"}}
    ),
    "contrastive": loss_section(
        terms={
            "asymmetric": {"kind": "contrastive", "margin": 0.3},
            "compatible": {"evidence": "relu"},
        }
    ),
}
AUGMENTATION = Augmentation(
    flip=True, rotation=0, translation=0, scale=(1, 1), shear=0, pad=3, colour=0.2, erasing=0.5
)


@pytest.fixture(autouse=True)
def _as_a_stage():
    """A stage's determinism: not all of a GPU's operators have it."""
    make_deterministic(1, GPU)


@dataclass(frozen=True)
class Outcome:
    """What one step computed, copied to the CPU."""

    rows: list[Tensor]
    """The gradient of each sub-model, flat."""
    update: Tensor
    losses: Tensor


def build_model(device: torch.device, backbone: str, precision: str, loss: Loss) -> IdentityModel:
    """Return a model that is the same on each device."""
    torch.manual_seed(0)
    network = EmbeddingNetwork(backbone, widths=(0.5, 1.0), embedding_dim=16, image_channels=3)
    model = IdentityModel(
        network,
        embedding_dim=16,
        identities=8,
        base_loss=build_criterion(loss).base_loss,
        precision=precision,
    )
    return channels_last(model).to(device).train()


def step_on(
    device: torch.device,
    backbone: str = "small_resnet",
    precision: str = "float32",
    *,
    recipe: str = "softmax",
    aggregator: str = "projection",
    is_recomputed: bool = False,
) -> Outcome:
    """Return what comes of a fixed model and batch."""
    loss, model = RECIPES[recipe], build_model(device, backbone, precision, RECIPES[recipe])
    images, labels = torch.randn(16, 3, 64, 32).to(device), torch.arange(16).to(device) // 2
    if is_recomputed:
        recompute_activations(model.network.backbone)
    gradients = compute_gradients(
        model, images, labels, criterion=build_criterion(loss), progress=0.5,
        loss_scale=2.0**8 if precision == "fp16" else None,
    )  # fmt: skip
    update = sections.aggregator(aggregator, granularity="nested", reduction="sum")(
        gradients.jacobian, generator_for(0)
    )
    losses = torch.stack([objective.total for objective in gradients.objectives])
    return Outcome([flat(row) for row in gradients.jacobian.rows], flat(update), losses.cpu())


def flat(named: dict[str, Tensor]) -> Tensor:
    """Return tensors as one vector of the CPU."""
    return torch.cat([named[name].cpu().flatten() for name in sorted(named)])


def distance(a: Tensor, b: Tensor) -> float:
    """Return the distance of two vectors over the norm of the second."""
    assert torch.isfinite(a).all()
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("recipe", RECIPES)
def test_float32_is_that_of_the_cpu(recipe: str):
    """Gradients and update up to rounding, which decides some activations near zero."""
    ours, theirs = (step_on(device, recipe=recipe) for device in (GPU, CPU))
    for a, b in zip([*ours.rows, ours.update], [*theirs.rows, theirs.update], strict=True):
        assert distance(a, b) < 5e-3


@pytest.mark.parametrize("aggregator", ["sum", "mean", "upgrad", "mgda", "cagrad"])
def test_each_aggregator_takes_gradients_of_a_gpu(aggregator: str):
    """The update of the CPU."""
    ours, theirs = (step_on(device, aggregator=aggregator) for device in (GPU, CPU))
    assert distance(ours.update, theirs.update) < 1e-3


# The transformer's positions are interpolated, whose gradient is no function of its input's bits.
@pytest.mark.filterwarnings("ignore:upsample_bicubic2d_aa_backward:UserWarning")
@pytest.mark.parametrize("backbone", ["resnet50", "mobilenet_v2", "resnext50", "vit_small"])
def test_each_backbone_trains_on_a_gpu(backbone: str):
    """Untrained deep networks enlarge rounding errors, those of 16 bits beyond comparison."""
    expected, ours = step_on(CPU, backbone), step_on(GPU, backbone)
    for a, b in zip(ours.rows, expected.rows, strict=True):
        assert distance(a, b) < 0.1
    assert distance(ours.losses, expected.losses) < 1e-3
    for precision in ("bf16", "fp16"):
        kept = step_on(GPU, backbone, precision)
        assert distance(kept.losses, expected.losses) < 0.1
        recomputed = step_on(GPU, backbone, precision, is_recomputed=True)
        for a, b in zip(recomputed.rows, kept.rows, strict=True):
            assert distance(a, b) < 1e-3


def states_of_a_training(
    recipe: str, precision: str, aggregator: str, *, is_replayed: bool
) -> list[dict[str, Tensor]]:
    """Return the state behind each of three steps on batches of their own."""
    loss = RECIPES[recipe]
    model = build_model(GPU, "small_resnet", precision, loss)
    aggregate, optimizer = (
        sections.aggregator(aggregator, granularity="nested", reduction="mean"),
        torch.optim.Adam(model.parameters(), 1e-3),
    )
    compute = partial(compute_gradients, model, criterion=build_criterion(loss))
    if is_replayed:
        compute = ReplayedGradients(compute, model)
    labels, states = torch.arange(16).to(GPU) // 2, []
    for number in range(3):
        images = torch.randn(16, 3, 32, 32).to(GPU)
        scale = 2.0 ** (8 + number) if precision == "fp16" else None
        gradients = compute(images, labels, progress=0.2 * number, loss_scale=scale)
        apply_update(
            model, gradients.jacobian, aggregator=aggregate, optimizer=optimizer,
            gradient_clip=1.0, generator=generator_for(number),
        )  # fmt: skip
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    return states


@pytest.mark.parametrize(
    ("precision", "aggregator"),
    [("float32", "projection"), ("bf16", "projection"), ("fp16", "upgrad"), ("bf16", "mean")],
)
@pytest.mark.parametrize("recipe", RECIPES)
def test_replayed_kernels_compute_the_same_bits(recipe: str, precision: str, aggregator: str):
    """Weights and running statistics agree, also with new batches, loss weights and loss scales."""
    eager, replayed = (
        states_of_a_training(recipe, precision, aggregator, is_replayed=is_replayed)
        for is_replayed in (False, True)
    )
    for state, expected in zip(replayed, eager, strict=True):
        assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert not torch.equal(eager[0]["classifier"], eager[1]["classifier"])


@pytest.fixture
def ready(request: pytest.FixtureRequest) -> tuple[IdentityModel, Callable[..., object]]:
    """A model and its next step with an optimizer, all kernels of which have been recorded."""
    model = build_model(GPU, "small_resnet", "bf16", RECIPES["softmax"])
    criterion = build_criterion(RECIPES["softmax"])
    compute = ReplayedGradients(partial(compute_gradients, model, criterion=criterion), model)
    images, labels = torch.randn(16, 3, 32, 32).to(GPU), torch.arange(16).to(GPU) // 2
    optimizer = build_optimizer(model, train_section(optimizer=request.param))
    aggregate = sections.aggregator("projection", reduction="mean")

    def step(*, is_finite: Tensor | None = None) -> dict[str, Tensor]:
        gradients = compute(images, labels, progress=0.5)
        values = step_values(gradients)
        apply_update(
            model, gradients.jacobian, aggregator=aggregate, optimizer=optimizer,
            gradient_clip=1.0, generator=generator_for(0), is_finite=is_finite,
        )  # fmt: skip
        return values

    step(is_finite=torch.tensor(data=True, device=GPU))
    return model, step


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype:UserWarning")
@pytest.mark.parametrize("ready", ["sgd", "adam"], indirect=True)
def test_a_step_waits_for_the_gpu_once(ready: tuple[IdentityModel, Callable[..., object]]):
    """Only what it records is read; torch refuses all other waiting here."""
    model, step = ready
    before = model.classifier.clone()
    is_finite = torch.tensor(data=True, device=GPU)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        values = step(is_finite=is_finite)
        with pytest.raises(RuntimeError, match="synchronizing"):
            read_values(values)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert not torch.equal(model.classifier, before)


@pytest.mark.parametrize("ready", ["sgd", "adam"], indirect=True)
def test_a_step_that_is_not_finite_changes_no_weight(
    ready: tuple[IdentityModel, Callable[..., object]],
):
    """The kernels of the optimizer see it on the GPU."""
    model, step = ready
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    step(is_finite=torch.tensor(data=False, device=GPU))
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


@pytest.fixture
def gpu_job(job: TrainJob) -> TrainJob:
    """Four epochs on the GPU in bf16, images changed by slices."""
    changes = {"device": "cuda", "precision": "bf16", "cuda_graphs": True}
    train = job.train.model_copy(update=changes)
    return job.model_copy(update={"train": train, "augmentation": AUGMENTATION})


def train(job: TrainJob, data_dir: Path, folder: Path) -> Path:
    """Train as the command does."""
    config = write_fingerprint(
        folder / "config" / "train.json", job.model_dump(mode="json"), modules=["sfsc.training.run"]
    )
    paths = {"--config": config, "--data": data_dir, "--output": folder}
    arguments = [str(word) for pair in paths.items() for word in pair]
    assert main(["train", *arguments, "--threads", "1"]) == 0
    return folder


@pytest.mark.parametrize("precision", ["bf16", "fp16", "float32"])
def test_a_training_runs_and_repeats_its_bits(
    precision: str, gpu_job: TrainJob, data_dir: Path, tmp_path: Path
):
    """Loss falls; a seed gives the same weights and records, with CUDA graphs and without."""
    first, second = (
        train(
            gpu_job.model_copy(update={"train": gpu_job.train.model_copy(
                update={"precision": precision, "cuda_graphs": cuda_graphs})}),
            data_dir,
            tmp_path / str(cuda_graphs),
        )
        for cuda_graphs in (True, False)
    )  # fmt: skip
    for name in ("model.safetensors", "training.parquet"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    records = pd.read_parquet(first / "training.parquet")
    losses = records[(records.metric == "loss") & (records.switch == 1)].groupby("epoch").value
    assert losses.mean().iloc[-1] < losses.mean().iloc[0]
    assert json.loads((first / "run.json").read_text())["settings"]["train"]["device"] == "cuda"


def test_one_process_of_torchrun_computes_the_same_bits(
    gpu_job: TrainJob, data_dir: Path, tmp_path: Path
):
    """Its gradients pass through a collective of nccl. The record names the GPU."""
    alone, launched = train(gpu_job, data_dir, tmp_path / "alone"), tmp_path / "launched"
    config = alone / "config" / "train.json"
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    command = [*torchrun, "-m", "sfsc.cli", "train", "--config", config, "--data", data_dir]
    subprocess.run(
        [sys.executable, *map(str, command), "--output", str(launched), "--threads", "1"],
        check=True,
    )
    for name in ("model.safetensors", "training.parquet"):
        assert (alone / name).read_bytes() == (launched / name).read_bytes()
    record = json.loads((launched / "run.json").read_text())
    assert record["environment"]["gpu"] == torch.cuda.get_device_name()


def test_an_interrupted_training_goes_on_with_the_same_bits(
    gpu_job: TrainJob, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Checkpoints bring back weights and momentum to the GPU."""
    from sfsc.training import run

    whole, killed = train(gpu_job, data_dir, tmp_path / "whole"), tmp_path / "killed"
    save = run.save_checkpoint

    def save_and_stop(*arguments: object) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "save_checkpoint", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(gpu_job, data_dir, killed)
    train(gpu_job, data_dir, killed)
    for name in ("model.safetensors", "training.parquet"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()


@pytest.mark.parametrize("changes", [{}, {"rotation": 10.0}], ids=["sliced", "affine"])
def test_a_batch_is_changed_on_the_gpu(changes: dict[str, float]):
    """The same draws make the same images, and they stay there."""
    augment = build_augmentation((24, 24), **{**AUGMENTATION.model_dump(), **changes})
    packed = torch.randint(0, 256, (16, 24, 24, 3), dtype=torch.uint8)
    changed = []
    for device in (CPU, GPU):
        torch.manual_seed(1)
        changed.append(augment(packed.to(device)))
    assert changed[1].device.type == "cuda"
    assert torch.allclose(changed[1].cpu(), changed[0], atol=1e-3)


def test_a_run_is_evaluated(gpu_job: TrainJob, data_dir: Path, tmp_path: Path):
    """Embeddings are those of the CPU up to rounding; their tests are the CPU's to the bit."""
    run = train(gpu_job, data_dir, tmp_path / "run")
    prepared = PreparedSet.open(data_dir)
    section = {"average_precision": "step", "ranks": [1, 5], "reranking": None}
    config = tmp_path / "evaluate.json"
    config.write_text(json.dumps({"config": section, "code": ""}))
    arguments = ["--config", str(config), "--run", str(run), "--data", str(data_dir)]
    assert main(["evaluate", *arguments, "--output", str(tmp_path), "--threads", "1"]) == 0
    found = load_file(tmp_path / "embeddings.safetensors")
    rows = {split: prepared.manifest.rows(split) for split in ("query", "gallery")}
    for split, of_split in rows.items():
        expected = extract_embeddings(load_network(run), prepared.images, of_split)
        assert np.abs(found[split] - expected).max() < 1e-5
    labels = [
        Labels(prepared.manifest.identity[of_split], prepared.manifest.camera[of_split])
        for of_split in rows.values()
    ]
    by_cpu = evaluate_matrix(found["query"], found["gallery"], *labels, ranks=(1, 5))
    queries = load_file(tmp_path / "query_metrics.safetensors")
    assert queries.pop("identity").tolist() == by_cpu.query_identity.tolist()
    assert queries.keys() == by_cpu.queries.keys()
    assert all(np.array_equal(queries[name], by_cpu.queries[name]) for name in queries)


def test_ranks_and_neighbours_are_those_of_the_cpu():
    """A thousand queries have the same ranks, although many gallery images are copies."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((9_000, 256)).astype(np.float32)
    vectors[2_000:4_000] = vectors[1_000:3_000]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query, gallery = vectors[:1_000], vectors[1_000:]
    query_labels, gallery_labels = (
        Labels(generator.integers(-1, 200, n), generator.integers(0, 6, n)) for n in (1_000, 8_000)
    )
    relevance = find_relevant(query_labels, gallery_labels)
    on_cpu = [torch.from_numpy(of) for of in (query, gallery)]
    on_gpu = [of.to(GPU) for of in on_cpu]
    by_cpu, by_gpu = (rank_positives(cosine_scores(*of), relevance) for of in (on_cpu, on_gpu))
    assert np.array_equal(by_cpu.values, by_gpu.values)
    nearest = [find_nearest(of[1], of[1], 20, is_same=True) for of in (on_cpu, on_gpu)]
    assert np.array_equal(nearest[0].images, nearest[1].images)
    assert np.array_equal(nearest[0].scores, nearest[1].scores)


def test_a_dead_network_is_ranked_as_on_the_cpu():
    """All scores are ties: every comparison is an exact one."""
    vectors = torch.full((600, 64), 0.125)
    labels = [Labels(np.arange(n) % 7, np.arange(n) % 3) for n in (100, 500)]
    relevance = find_relevant(*labels)
    by_cpu, by_gpu = (
        rank_positives(cosine_scores(of[:100], of[100:]), relevance)
        for of in (vectors, vectors.to(GPU))
    )
    assert np.array_equal(by_cpu.values, by_gpu.values)


def test_a_re_ranked_test_is_that_of_the_cpu():
    """Neighbours, encodings and ranks."""
    vectors = torch.nn.functional.normalize(torch.randn(700, 32), dim=1).numpy()
    labels = [Labels(np.arange(n) % 20, np.arange(n) % 3) for n in (100, 600)]
    found = [
        evaluate_matrix(
            vectors[None, :100], vectors[None, 100:], *labels, index=build(Settings()), device=of
        ).queries["map_step"]
        for of in (CPU, GPU)
    ]
    assert np.array_equal(*found)
