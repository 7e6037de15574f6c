"""A tiny prepared set and the settings of a training of seconds."""

from pathlib import Path

import pytest

from sfsc.data.prepare import prepare
from sfsc.data.sets.synthetic import Settings as Synthetic
from sfsc.settings.jobs import PrepareJob, TrainJob
from sfsc.settings.sections import Augmentation, Network

from sections import loss_section, train_section


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared synthetic set of 16 training and 4 test identities."""
    settings = Synthetic(
        seed=0,
        train_identities=16,
        test_identities=4,
        cameras=6,
        cameras_per_identity=4,
        images_per_camera=2,
        image_size=16,
    )
    job = PrepareJob(validation_fraction=0.25, settings=settings)
    folder = tmp_path_factory.mktemp("data") / "synthetic"
    prepare(job, raw_dir=folder, output_dir=folder)
    return folder


@pytest.fixture
def job() -> TrainJob:
    """SFSC on two widths for four epochs of six steps."""
    return TrainJob(
        dataset="synthetic",
        method="sfsc",
        seed=0,
        reference=None,
        network=Network(
            backbone="small_resnet",
            widths=(0.25, 1.0),
            embedding_dim=16,
            pooling="average",
            pretrained=None,
        ),
        loss=loss_section(terms={"triplet": None}),
        aggregation={"name": "projection", "granularity": "nested", "reduction": "sum"},
        train=train_section(
            epochs=4,
            identities_per_batch=4,
            images_per_identity=4,
            learning_rate=0.05,
            gradient_clip=5.0,
            validate_every=2,
            conflicts_every=2,
        ),
        augmentation=Augmentation(
            flip=True,
            rotation=10,
            translation=0.1,
            scale=(0.9, 1.1),
            shear=5,
            pad=2,
            colour=0.2,
            erasing=0.3,
        ),
    )
