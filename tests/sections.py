"""Settings for tests."""

from typing import Any

from sfsc.aggregation.base import Aggregator
from sfsc.settings import parts
from sfsc.settings.sections import Loss, Train

TERMS: dict[str, Any] = {
    "triplet": {"weight": 1.0, "margin": 0.3},
    "compatible": {
        "weight": 1.0,
        "evidence": "softplus",
        "kl": {"weight": 1e-3, "ramp": 0.5},
    },
}
"""The terms of `loss_section`."""


def loss_section(*, terms: dict[str, Any] | None = None, **changes: object) -> Loss:
    """Return a loss section with a triplet and a compatible loss; `terms` overlays these."""
    values = {
        "base": {"name": "softmax", "label_smoothing": 0.1},
        "terms": TERMS | (terms or {}),
        "submodels": {"base_weight": 1.0, "classifier_gradient": "full"},
    }
    return Loss(**values | changes)


def train_section(**changes: object) -> Train:
    """Return a train section."""
    values = {
        "epochs": 2,
        "identities_per_batch": 4,
        "images_per_identity": 2,
        "optimizer": "sgd",
        "learning_rate": 1.0,
        "weight_decay": 0.0,
        "schedule": "cosine",
        "warmup": 0.1,
        "gradient_clip": 0.0,
        "validate_every": 1,
        "checkpoint_every": 1,
        "conflicts_every": 1,
        "device": "cpu",
        "precision": "float32",
        "processes": 1,
        "gradient_checkpointing": False,
    }
    return Train(**values | changes)


def aggregator(name: str, *, granularity: str = "nested", reduction: str = "sum") -> Aggregator:
    """Return an aggregator; `sum` and `mean` have no settings."""
    part = parts.load("aggregation.aggregators", name)
    values = {"granularity": granularity, "reduction": reduction}
    known = {key: value for key, value in values.items() if key in part.Settings.model_fields}
    built: Aggregator = part.build(part.Settings(**known))
    return built
