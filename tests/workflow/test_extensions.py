"""A new method, base loss, aggregator, backbone or data set is one file and one row."""

import json
import re

import pytest

from workspaces import Workspace

pytestmark = pytest.mark.slow

FILES = {
    "losses/bases/hinge.py": '''
from torch.nn import functional

from sfsc.losses.base import BaseLoss
from sfsc.settings.section import Part


class Settings(Part):
    """No settings."""


class Hinge(BaseLoss):
    """Multi-class hinge loss."""

    def logits(self, embedding, classifier):
        """Return `w . f`."""
        return functional.linear(embedding, classifier)

    def __call__(self, logits, labels):
        """Return the mean loss."""
        return functional.multi_margin_loss(logits, labels)


def build(settings):
    """Return the loss."""
    return Hinge()
''',
    "aggregation/aggregators/half.py": '''
import torch

from sfsc.aggregation.base import Aggregator
from sfsc.settings.section import Part


class Settings(Part):
    """No settings."""


class Half(Aggregator):
    """Half the sum."""

    def weights(self, jacobian, generator):
        """Return 1 / 2 for each row, in one group."""
        return {jacobian.shared_names: torch.full((1, 1, 1), 0.5)}


def build(settings):
    """Return the aggregator."""
    return Half()
''',
    "networks/backbones/tiny_resnet.py": '''
from sfsc.networks.resnet import ResNet
from sfsc.settings.section import Part


class Settings(Part):
    """No settings."""


def build(image_channels, widths):
    """Return a network of few channels."""
    return ResNet(
        image_channels,
        stem_channels=8,
        channels=(8, 8, 16, 16),
        blocks=(1, 1, 1, 1),
        large_stem=False,
        widths=widths,
    )
''',
    "data/sets/stripes.py": '''
import numpy as np
from pydantic import Field

from sfsc.settings.section import Part
from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import Manifest, Row, pixel_digest
from sfsc.data.prepared import PreparedSet

RAW = ("periods.txt",)
CAMERAS = 4


class Settings(Part):
    """Noisy stripes; an identity is a period."""

    identities: int = Field(ge=12)


def build(settings, raw_dir, *, validation_fraction, packed, threads):
    """Draw the set; the last identities are for the test, those before them for validation."""
    periods = (raw_dir / RAW[0]).read_text().split()
    counts = expected_counts(settings, validation_fraction=validation_fraction)
    n_train, n_validation = counts["train"].identities, counts["validation"].identities
    rng, images, rows = np.random.default_rng(0), [], []
    for identity in range(settings.identities):
        for camera in range(CAMERAS):
            wave = np.sin(np.arange(16) * (identity + 1) / float(periods[0]))
            noise = rng.normal(0, 9, (16, 16, 1))
            image = (128 + 60 * wave[None, :, None] + noise).astype(np.uint8)
            split = "train" if identity < n_train else "validation"
            if identity >= n_train + n_validation:
                split = "query" if camera == 0 else "gallery"
            path = f"{identity}/{camera}"
            rows.append(Row(path, identity, camera, split, pixel_digest(image)))
            images.append(image)
    return PreparedSet(Manifest.from_rows(rows), np.stack(images))


def expected_counts(settings, *, validation_fraction):
    """Return the size of each split: a third of the identities for the test."""
    test = settings.identities // 3
    held_out = round(validation_fraction * (settings.identities - test))
    train = settings.identities - test - held_out
    return {
        "train": SplitCount(train, train * CAMERAS),
        "validation": SplitCount(held_out, held_out * CAMERAS),
        "query": SplitCount(test, test),
        "gallery": SplitCount(test, test * (CAMERAS - 1)),
    }
''',
}
METHOD = {"mine": {"networks": "switchable", "loss": {"terms": {"triplet": {}}}}}
AUGMENTATION = {"flip": True}


def write_files(workspace: Workspace, *names: str) -> None:
    """Write new parts of the package."""
    for name in names:
        (workspace.folder / "sfsc" / name).write_text(f'"""A part."""\n{FILES[name]}')


@pytest.fixture
def plain(workspace: Workspace) -> Workspace:
    """A workspace whose study compares two rows and varies nothing."""
    workspace.drop_variations()
    workspace.study["compare"] = ["bct_s", "sfsc"]
    return workspace


def test_a_method_is_a_row(plain: Workspace):
    """A row that is no variant of another is trained and compared."""
    plain.study["methods"] |= METHOD
    plain.study["compare"] += ["mine"]
    jobs = plain.planned()
    assert (jobs["train_method"], jobs["evaluate"]) == (1, 3)


def test_a_one_to_one_method_is_a_row(plain: Workspace):
    """A row with one network per width and a reference is trained and assembled."""
    row = {
        "networks": "each",
        "reference": "independent",
        "loss": {"terms": {"influence": {"weight": 0.5}}},
    }
    plain.study["methods"] |= {"mine": row}
    plain.study["compare"] += ["mine"]
    jobs = plain.planned()
    assert (jobs["train_independent"], jobs["train_method"], jobs["assemble_method"]) == (1, 1, 1)


@pytest.mark.parametrize("kind", ["ablation", "robustness"])
def test_a_variation_is_a_row(kind: str, plain: Workspace):
    """A new ablation or robustness study needs no rule; runs of one network per width neither."""
    plain.study[kind]["smoothing"] = {
        "methods": ["sfsc", "independent"], "vary": "loss.base.label_smoothing", "values": [0.0]
    }  # fmt: skip
    jobs = plain.planned()
    assert (jobs["train_variation"], jobs["assemble_variation"], jobs["evaluate"]) == (3, 1, 4)


@pytest.mark.parametrize(
    ("file", "study", "rule"),
    [
        ("losses/bases/hinge.py", {"base": "hinge"}, "vary_base_loss"),
        ("aggregation/aggregators/half.py", {"name": "half"}, "ablate_aggregator"),
        ("networks/backbones/tiny_resnet.py", {"backbone": "tiny_resnet"}, "vary_architecture"),
    ],
)
def test_a_part_is_a_file_and_a_name(file: str, study: dict[str, str], rule: str, plain: Workspace):
    """A base loss, aggregator or backbone can be named as soon as its file is there."""
    ((key, name),) = study.items()
    section = {"base": "loss", "name": "aggregation", "backbone": "network"}[key]
    group, _, variation = rule.partition("_")
    kind = {"vary": "robustness", "ablate": "ablation"}[group]
    plain.study[kind][variation] = {"methods": ["sfsc"], "conditions": {name: {section: study}}}
    result = plain.run("--dry-run", "--", "all")
    assert result.returncode == 1
    assert f"Found `'{name}'`." in result.stdout
    write_files(plain, file)
    jobs = plain.planned()
    assert (jobs[rule], jobs["evaluate"]) == (1, 3)


def test_a_figure_is_a_file(plain: Workspace):
    """It is drawn after the others, by the same job."""
    part = plain.folder / "sfsc" / "reporting" / "figures" / "mine.py"
    part.write_text('"""A figure."""\n')
    target = "reports/tiny/figures/synthetic_mine.svg"
    result = plain.run("--dry-run", "--printshellcmds", "--", target)
    assert result.returncode == 0, result.stdout
    (command,) = re.findall(r"sfsc figures --names (.+?) --config", result.stdout)
    assert command.split()[-2:] == ["retrieval", "mine"]


def test_a_data_set_is_a_file_and_two_rows(plain: Workspace):
    """Its own section is validated by its own class; its raw files must be there."""
    write_files(plain, "data/sets/stripes.py")
    plain.study["datasets"] = ["synthetic", "stripes"]
    plain.study["data"] |= {"stripes": {"identities": 4}}
    plain.study["augmentation"] = {"stripes": AUGMENTATION}
    result = plain.run("--dry-run", "--", "all")
    assert result.returncode == 1
    assert (
        "`data.stripes.identities` should be greater than or equal to 12. Found `4`."
        in result.stdout
    )
    plain.study["data"]["stripes"]["identities"] = 24
    assert "data/raw/stripes/periods.txt" in plain.run("--dry-run", "--", "all").stdout
    write_raw(plain)
    jobs = plain.planned()
    assert (jobs["prepare_synthetic"], jobs["prepare_data_set"], jobs["evaluate"]) == (1, 1, 4)


def write_raw(workspace: Workspace) -> None:
    """Write the raw file of the new data set."""
    raw = workspace.folder / "data/raw/stripes/periods.txt"
    raw.parent.mkdir(parents=True)
    raw.write_text("2.5\n")


def test_all_of_them_run(plain: Workspace):
    """The new method on the new backbone, loss and aggregator is trained and tested on the set."""
    write_files(plain, *FILES)
    write_raw(plain)
    plain.study |= {
        "datasets": ["stripes"],
        "compare": ["mine"],
        "augmentation": {"stripes": AUGMENTATION},
    }
    plain.study["data"] |= {"stripes": {"identities": 24}}
    plain.study["methods"] |= METHOD
    plain.study["network"]["backbone"] = "tiny_resnet"
    plain.study["loss"] = {"base": "hinge"}
    plain.study["aggregation"] = "half"
    target = "results/tiny/stripes/mine/seed0/cross_test.json"
    result = plain.run("--", target)
    assert result.returncode == 0, result.stdout
    test = json.loads((plain.folder / target).read_text())
    assert (test["dataset"], test["method"], test["n_query"]) == ("stripes", "mine", 8)
