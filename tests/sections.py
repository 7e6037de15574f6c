"""Sections of the configuration for tests."""

from sfsc.config import Loss, Train


def loss_section(**changes: object) -> Loss:
    """Return a loss section with everything on."""
    values = {
        "base": "softmax",
        "scale": 16.0,
        "margin": 0.2,
        "label_smoothing": 0.1,
        "triplet_weight": 1.0,
        "triplet_margin": 0.3,
        "submodel_base_weight": 1.0,
        "influence_weight": 0.0,
        "asymmetric": "regression",
        "asymmetric_weight": 0.0,
        "asymmetric_margin": 0.3,
        "asymmetric_detach": True,
        "compatible_weight": 1.0,
        "compatible_on": "submodels",
        "evidence": "softplus",
        "kl_weight": 1e-3,
        "kl_ramp": 0.5,
        "classifier_gradient": "full",
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
        "milestones": (0.5, 0.75),
        "warmup": 0.1,
        "gradient_clip": 0.0,
        "validate_every": 1,
        "checkpoint_every": 1,
        "conflicts_every": 1,
        "device": "cpu",
        "precision": "float32",
        "processes": 1,
        "gradient_checkpointing": False,
        "cuda_graphs": False,
    }
    return Train(**values | changes)
