"""Networks trained one per width become one run that everything behind it reads like any other."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from prepared_sets import make_set, write_set
from safetensors.torch import load_file, save_file

from sfsc.data.prepared import file_digest
from sfsc.errors import ResultError
from sfsc.networks.build import EmbeddingNetwork, load_network
from sfsc.provenance import write_fingerprint
from sfsc.settings.jobs import TrainJob
from sfsc.settings.sections import Augmentation, Network
from sfsc.training.assemble import assemble

from sections import loss_section, train_section

WIDTHS = (0.25, 0.5, 1.0)
DIM, IDENTITIES, STEPS = 8, 3, 4

NETWORK = {"backbone": "small_resnet", "embedding_dim": DIM, "pooling": "average"}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A prepared set of a few images."""
    (tmp_path / "data").mkdir()
    return write_set(tmp_path / "data", make_set())


@pytest.fixture
def networks(tmp_path: Path, data_dir: Path) -> list[Path]:
    """Finished trainings, the last one of another run."""
    folders = [tmp_path / "bct" / "seed0" / f"width{width:g}" for width in WIDTHS[:-1]]
    folders.append(tmp_path / "independent" / "seed0" / "width1")
    for folder, width in zip(folders, WIDTHS, strict=True):
        write_training(folder, width, file_digest(data_dir / "manifest.csv"))
    return folders


def write_training(folder: Path, width: float, data_digest: str) -> None:
    """Write the result files of one network with random weights."""
    folder.mkdir(parents=True)
    settings = NETWORK | {"image_channels": 3}
    network = EmbeddingNetwork(**settings, widths=(width,))
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors["classifier"] = torch.full((IDENTITIES, DIM), width)
    save_file(tensors, folder / "model.safetensors")
    run = {
        "widths": [width], "seed": 0, "data_digest": data_digest, "epochs": 2, "steps": STEPS,
        "train_identities": IDENTITIES, "train_images": 6, "macs": [int(100 * width)],
        "parameters": [int(10 * width)], "wall_seconds": 1.5, "git_clean": True,
        "network": {"kind": "switchable", **settings, "widths": [width]},
        "image_size": [16, 16], "environment": {"gpu": f"of width {width}"},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    rows = [
        (step, 0, metric, switch, -1, "", width)
        for step in range(STEPS)
        for metric, switch in (("learning_rate", -1), ("loss", 0))
    ]
    columns = ["step", "epoch", "metric", "switch", "other", "layer", "value"]
    types = {
        "step": "int32", "metric": "category", "switch": "int8", "layer": "category",
        "value": "float32",
    }  # fmt: skip
    pd.DataFrame(rows, columns=columns).astype(types).to_parquet(folder / "training.parquet")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The fingerprint file of the run."""
    job = TrainJob(
        dataset="synthetic",
        method="bct",
        seed=0,
        reference="independent",
        network=Network(**NETWORK, widths=WIDTHS, pretrained=None),
        loss=loss_section(submodels=None, terms={"compatible": None, "influence": {}}),
        aggregation=None,
        train=train_section(),
        augmentation=Augmentation(),
    )
    path = tmp_path / "bct" / "seed0" / "config" / "assemble.json"
    return write_fingerprint(path, job.model_dump(mode="json"), modules=["sfsc.files"])


def join(config: Path, networks: list[Path], data_dir: Path) -> Path:
    """Assemble the run and return its folder."""
    output = config.parent.parent
    assemble(config, networks, data_dir=data_dir, output_dir=output, threads=1)
    return output


def test_each_switch_is_its_network(config, networks, data_dir):
    """The run embeds an image exactly as the network of the switch does."""
    run = load_network(join(config, networks, data_dir))
    assert run.widths == WIDTHS
    images = torch.randn(2, 3, 16, 16)
    for switch, folder in enumerate(networks):
        torch.testing.assert_close(
            run(images, switch).embedding,
            load_network(folder)(images, 0).embedding,
            rtol=0,
            atol=0,
        )


def test_the_classifiers_come_along(config, networks, data_dir):
    """Each network's own classifier is kept, under its number."""
    tensors = load_file(join(config, networks, data_dir) / "model.safetensors")
    found = [tensors[f"classifiers.{i}"][0, 0].item() for i in range(3)]
    assert found == list(WIDTHS)


def test_the_record_is_that_of_a_run(config, networks, data_dir):
    """Costs are listed by sub-model, times added up, the whole matrix validated.

    The machine is that of the full network's training, not the one that joins them.
    """
    run = json.loads((join(config, networks, data_dir) / "run.json").read_text())
    assert (run["method"], run["seed"], run["widths"]) == ("bct", 0, list(WIDTHS))
    assert run["networks"] == [
        "bct/seed0/width0.25", "bct/seed0/width0.5", "independent/seed0/width1"
    ]  # fmt: skip
    assert (run["macs"], run["parameters"]) == ([25, 50, 100], [2, 5, 10])
    assert (run["wall_seconds"], run["steps"], run["epochs"]) == (4.5, STEPS, 2)
    assert run["settings"]["network"]["widths"] == list(WIDTHS)
    assert run["environment"] == {"gpu": "of width 1.0"}
    (validation,) = run["validation"]
    assert validation["epoch"] == 2
    assert [len(row) for row in validation["map"]] == [3, 3, 3]
    assert {"config_digest", "code_digest", "data_digest", "git_revision"} <= run.keys()


def test_a_run_is_clean_only_if_all_its_networks_are(config, networks, data_dir, monkeypatch):
    """One network from a changed tree is enough to say so."""
    monkeypatch.setattr("sfsc.training.assemble.is_tree_clean", lambda: True)
    assert json.loads((join(config, networks, data_dir) / "run.json").read_text())["git_clean"]
    path = networks[1] / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "git_clean": False}))
    run = json.loads((join(config, networks, data_dir) / "run.json").read_text())
    assert not run["git_clean"]


def test_records_are_numbered_by_sub_model(config, networks, data_dir):
    """Each network's rows have its switch; what is of the step is there once."""
    frame = pd.read_parquet(join(config, networks, data_dir) / "training.parquet")
    assert frame["step"].is_monotonic_increasing
    assert (frame["metric"] == "learning_rate").sum() == STEPS
    losses = frame[frame["metric"] == "loss"]
    assert len(losses) == 3 * STEPS
    assert losses.groupby("switch")["value"].mean().to_dict() == dict(enumerate(WIDTHS))
    assert frame.dtypes.astype(str).to_dict() | {
        "metric": "category", "layer": "category", "switch": "int8", "value": "float32",
    } == frame.dtypes.astype(str).to_dict()  # fmt: skip


def refusal(config: Path, networks: list[Path], data_dir: Path) -> str:
    """Return the sentence with which assembling is refused; nothing may be left."""
    with pytest.raises(ResultError) as raised:
        join(config, networks, data_dir)
    assert {path.name for path in config.parent.parent.iterdir() if path.is_file()} == set()
    return str(raised.value)


def test_networks_in_another_order_are_refused(config, networks, data_dir):
    """Sub-model i must be the network of width i."""
    found = [networks[1], networks[0], networks[2]]
    assert refusal(config, found, data_dir) == (
        "Run `bct` must be made of networks of widths 0.25, 0.5, 1, all with backbone "
        "small_resnet, 8 dimensions, seed 0 and trained on the given prepared set. "
        f"Found {', '.join(map(str, found))}."
    )


@pytest.mark.parametrize(
    "change",
    [
        {"data_digest": "0" * 64},
        {"seed": 1},
        {"network": NETWORK | {"backbone": "resnet18"}},
        {"network": NETWORK | {"embedding_dim": 9}},
        {"network": NETWORK | {"pooling": "gem"}},
    ],
    ids=["data", "seed", "backbone", "dimension", "pooling"],
)
def test_a_network_that_does_not_fit_is_refused(config, networks, data_dir, change):
    """All must have seen the same data and be of one kind, the reference included."""
    path = networks[-1] / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert refusal(config, networks, data_dir).startswith("Run `bct` must be made of networks")


def test_a_missing_training_is_named(config, networks, data_dir):
    """A network that is not finished has no record."""
    path = networks[0] / "run.json"
    path.unlink()
    assert refusal(config, networks, data_dir).startswith(
        f"{path} must be the record of a finished training. Found: "
    )
