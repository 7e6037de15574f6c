"""What a GPU computes against what the CPU does. Skipped where there is none."""

import json
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

from sfsc.aggregation.build import build_aggregator
from sfsc.cli import main
from sfsc.config import Aggregation, Augmentation, Loss, TrainJob
from sfsc.data.augmentation import build_augmentation
from sfsc.data.prepared import PreparedSet
from sfsc.determinism import generator_for, make_deterministic
from sfsc.losses.base_losses.softmax import build as softmax
from sfsc.networks.build import EmbeddingNetwork, channels_last, load_network
from sfsc.networks.recompute import recompute_activations
from sfsc.provenance import write_fingerprint
from sfsc.retrieval.embed import extract_embeddings
from sfsc.retrieval.gpu import GalleryOnGPU
from sfsc.retrieval.ranking import Labels, find_relevant, positive_ranks
from sfsc.retrieval.reranking import find_nearest
from sfsc.training.model import IdentityModel
from sfsc.training.replay import ReplayedGradients
from sfsc.training.step import apply_update, compute_gradients

from sections import loss_section

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
CPU, GPU = torch.device("cpu"), torch.device("cuda")
RECIPES = {
    "softmax": loss_section(),
    "influence": loss_section(influence_weight=1.0, classifier_gradient="all"),
    "asymmetric": loss_section(asymmetric_weight=1.0, asymmetric_detach=False),
    "triplet": loss_section(
        asymmetric="triplet", asymmetric_weight=1.0, asymmetric_detach=False, evidence="exp"
    ),
    "contrastive": loss_section(
        asymmetric="contrastive", asymmetric_weight=1.0, compatible_on="all", evidence="relu"
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
    """Of one step, on the CPU."""

    rows: list[Tensor]
    """The gradient of each sub-model, flat."""
    update: Tensor
    losses: Tensor


def build_model(device: torch.device, backbone: str, precision: str, loss: Loss) -> IdentityModel:
    """Return a model that is the same on each device."""
    torch.manual_seed(0)
    network = EmbeddingNetwork(backbone, widths=(0.5, 1.0), embedding_dim=16, image_channels=3)
    model = IdentityModel(
        network, embedding_dim=16, identities=8, base_loss=softmax(loss), precision=precision
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
        model, images, labels, loss=loss, kl_weight=1e-3,
        loss_scale=2.0**8 if precision == "fp16" else None,
    )  # fmt: skip
    section = Aggregation(aggregator=aggregator, granularity="nested", reduction="sum")
    update = build_aggregator(section)(gradients.jacobian, generator_for(0))
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
    section = Aggregation(aggregator=aggregator, granularity="nested", reduction="mean")
    aggregate, optimizer = build_aggregator(section), torch.optim.Adam(model.parameters(), 1e-3)
    compute = partial(compute_gradients, model, loss=loss)
    if is_replayed:
        compute = ReplayedGradients(compute, model)
    labels, states = torch.arange(16).to(GPU) // 2, []
    for number in range(3):
        images = torch.randn(16, 3, 32, 32).to(GPU)
        scale = 2.0 ** (8 + number) if precision == "fp16" else None
        gradients = compute(images, labels, kl_weight=1e-3 * number, loss_scale=scale)
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
    """Of weights and running statistics, for new batches, weights of losses and scales."""
    eager, replayed = (
        states_of_a_training(recipe, precision, aggregator, is_replayed=is_replayed)
        for is_replayed in (False, True)
    )
    for state, expected in zip(replayed, eager, strict=True):
        assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert not torch.equal(eager[0]["classifier"], eager[1]["classifier"])


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


def stage_files(run: Path, data_dir: Path, folder: Path, is_large: Callable[[], None]) -> bytes:
    """Embed and evaluate a run; return what was evaluated."""
    folder.mkdir()
    embeddings = folder / "embeddings.safetensors"
    data = ["--data", str(data_dir)]
    assert main(["embed", "--run", str(run), *data, "--output", str(embeddings),
                 "--threads", "1"]) == 0  # fmt: skip
    is_large()
    section = {"average_precision": "step", "ranks": [1, 5], "reranking": None}
    config = folder / "evaluate.json"
    config.write_text(json.dumps({"config": section, "code": ""}))
    outputs = ["--output", str(folder / "test.json"), "--queries", str(folder / "q.safetensors")]
    arguments = ["--config", str(config), "--embeddings", str(embeddings), *data, *outputs]
    assert main(["evaluate", *arguments]) == 0
    return (folder / "test.json").read_bytes() + (folder / "q.safetensors").read_bytes()


def test_a_run_is_embedded_and_evaluated(
    gpu_job: TrainJob, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Embeddings are those of the CPU up to rounding; the files of evaluation are the CPU's."""
    from sfsc.retrieval import evaluate

    run = train(gpu_job, data_dir, tmp_path / "run")
    prepared = PreparedSet.open(data_dir)
    by_cpu = stage_files(run, data_dir, tmp_path / "cpu", lambda: None)
    by_gpu = stage_files(
        run, data_dir, tmp_path / "gpu", lambda: monkeypatch.setattr(evaluate, "WORTH_A_GPU", 1)
    )
    assert by_cpu == by_gpu
    found = load_file(tmp_path / "gpu" / "embeddings.safetensors")
    for split in ("query", "gallery"):
        expected = extract_embeddings(
            load_network(run), prepared.images, prepared.manifest.rows(split)
        )
        assert np.abs(found[split] - expected).max() < 1e-5


def test_ranks_and_neighbours_are_those_of_the_cpu():
    """Of a thousand queries and many copies."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((9_000, 256)).astype(np.float32)
    vectors[2_000:4_000] = vectors[1_000:3_000]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query, gallery = vectors[:1_000], vectors[1_000:]
    query_labels, gallery_labels = (
        Labels(generator.integers(-1, 200, n), generator.integers(0, 6, n)) for n in (1_000, 8_000)
    )
    relevance = find_relevant(query_labels, gallery_labels)
    on_gpu = GalleryOnGPU(gallery, GPU)
    expected = positive_ranks(query, gallery, relevance)
    assert np.array_equal(on_gpu(query, relevance).values, expected.values)
    found = find_nearest(gallery, gallery, 20, is_same=True, cosines=lambda _: on_gpu)
    assert np.array_equal(found.images, find_nearest(gallery, gallery, 20, is_same=True).images)
