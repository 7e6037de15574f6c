"""The slices of the settings that jobs get, complete and with nothing left to look up.

A stage never sees the whole of `params.yaml`: the workflow writes the slice that a job depends on
to a file beside its results, and `load_slice` reads it back.
"""

import json
from pathlib import Path
from typing import NamedTuple, TypeVar

from sfsc.errors import ConfigError
from sfsc.settings import parts
from sfsc.settings.problems import validate
from sfsc.settings.section import AggregatorPart, DataSetPart, Section
from sfsc.settings.sections import Augmentation, Loss, Network, Train

S = TypeVar("S", bound=Section)


class PrepareJob(Section):
    """What preparing one data set depends on."""

    validation_fraction: float
    settings: DataSetPart
    """The settings of the data set; their `name` is the set's."""


class TrainJob(Section):
    """What one training depends on."""

    dataset: str
    method: str
    """Name of the run."""
    seed: int
    reference: str | None
    """The run whose full network is the frozen reference, if there is one."""
    network: Network
    loss: Loss
    aggregation: AggregatorPart | None
    """Null if the network has one width: there is one gradient and nothing to aggregate."""
    train: Train
    augmentation: Augmentation

    def modules(self) -> list[str]:
        """Return the modules of the parts that the training consists of."""
        named = [
            parts.module_name("networks.backbones", self.network.backbone.name),
            parts.module_name("losses.bases", self.loss.base.name),
            *(parts.module_name("losses.terms", name) for name in self.loss.terms),
        ]
        if self.aggregation is not None:
            named.append(parts.module_name("aggregation.aggregators", self.aggregation.name))
        return named


class MeasureJob(Section):
    """What measuring the cost of sub-models on one data set depends on."""

    dataset: str
    method: str
    """The compared row whose network is measured."""
    network: Network


class NetworkOfRun(NamedTuple):
    """A network of a run that has one network for each width."""

    run: str
    """The run that trains it."""
    width: float | None
    """Its width; None for the one switchable network of a run."""


class Condition(Section):
    """A run of a variation."""

    method: str
    """The row that is varied."""
    condition: str
    """The name of the condition."""
    run: str
    """The run's folder; that of another run with equal settings, if there is one."""
    seeds: tuple[int, ...] = ()
    """The seeds of its variation, if it has its own. A run that several share has them all."""


class StudyJob(Section):
    """What the reporting stages depend on: the runs of a study and what they mean."""

    study: str
    datasets: tuple[str, ...]
    compare: tuple[str, ...]
    seeds: tuple[int, ...]
    variation_seeds: tuple[int, ...]
    ablation: dict[str, tuple[Condition, ...]]
    robustness: dict[str, tuple[Condition, ...]]
    search: dict[str, tuple[Condition, ...]]

    def variations(self) -> dict[str, tuple[Condition, ...]]:
        """Return the conditions of all ablations, robustness studies and searches."""
        return {**self.ablation, **self.robustness, **self.search}

    def runs(self) -> dict[str, tuple[int, ...]]:
        """Return every run and its seeds: the compared rows, then what variations add."""
        seeds = {run: set(self.seeds) for run in self.compare}
        for conditions in self.variations().values():
            for condition in conditions:
                own = condition.seeds or self.variation_seeds
                seeds.setdefault(condition.run, set()).update(own)
        return {run: tuple(sorted(found)) for run, found in seeds.items()}


def load_slice(model: type[S], path: Path) -> S:
    """Read a job's slice of the settings from its fingerprint file.

    Args:
        model: The `...Job` model or section that the slice must be.
        path: A file written by `sfsc.provenance.write_fingerprint`.

    Raises:
        ConfigError: If the file is unreadable or not such a slice.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} must be a fingerprint file written by the workflow. Found: {error}"
        ) from error
    return validate(model, tree, source=str(path))
