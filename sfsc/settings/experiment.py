"""The whole of `params.yaml`: which runs a study has, and what each is trained with.

A run is a row of `methods` or, in an ablation, a robustness study or a search,
`<row>@<variation>=<condition>`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from sfsc.errors import ConfigError
from sfsc.settings import consistency
from sfsc.settings.jobs import (
    Condition,
    MeasureJob,
    NetworkOfRun,
    PrepareJob,
    StudyJob,
    TrainJob,
)
from sfsc.settings.mending import all_problems
from sfsc.settings.problems import refusal, validate
from sfsc.settings.reading import merge, read_tree
from sfsc.settings.rows import SECTIONS, Method, Overlay, Variation
from sfsc.settings.section import AggregatorPart, Name, Section, StudyName
from sfsc.settings.sections import Augmentation, Data, Evaluate, Loss, Network, Train


class Params(Section):
    """The whole of `params.yaml`, overlays applied."""

    study: StudyName
    """Names `results/<study>/` and `reports/<study>/`."""
    datasets: tuple[Name, ...] = Field(min_length=1)
    """The data sets of the study: rows of `data`."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    """One training per seed, method and data set."""
    variation_seeds: tuple[int, ...] = Field(min_length=1)
    """The seeds of ablations, robustness studies and searches; some of `seeds`."""
    compare: tuple[Name, ...] = Field(min_length=1)
    """The rows of `methods` in the main comparison."""
    ablation: dict[Name, Variation]
    """`ablation`: what the parts of a method are worth."""
    robustness: dict[Name, Variation]
    """`robustness`: whether a result holds under other settings."""
    search: dict[Name, Variation]
    """`search`: candidates among which the validation identities decide. A study either searches or
    compares."""
    chosen_by: tuple[StudyName, ...]
    """The searches that decided on the settings: tables say where hyper-parameters come from."""
    data: Data
    """A change prepares the set again, and everything that depends on it."""
    network: Network
    """For every method; a row of `methods` may change it for itself. A change trains again."""
    loss: Loss
    """For every method; a row of `methods` may change it for itself. A change trains again."""
    aggregation: AggregatorPart
    """How the gradients of a switchable network's sub-models become one update (DESIGN.md 2.3): a
    file of sfsc/aggregation/aggregators. A change trains switchable networks again."""
    train: Train
    """A change trains everything again."""
    augmentation: dict[Name, Augmentation]
    """By data set. A change trains again on that set."""
    evaluate: Evaluate
    """A change tests the trained networks again."""
    methods: dict[Name, Method]
    """What can be compared, ablated and varied. A change of a row trains it and its variants."""

    @field_validator("ablation", "robustness", "search", mode="before")
    @classmethod
    def _drop_null(cls, rows: Any) -> Any:
        """A study drops a variation of `params.yaml` by setting it to null."""
        if not isinstance(rows, dict):
            return rows
        return {name: row for name, row in rows.items() if row is not None}

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if problems := list(dict.fromkeys(consistency.problems(self))):
            raise ValueError("\n".join(problems))
        return self

    @property
    def variations(self) -> dict[str, Variation]:
        """All ablations, robustness studies and searches."""
        return {**self.ablation, **self.robustness, **self.search}

    def of_row(self, method: str, key: str) -> str | None:
        """Return a field of a row or, where it is not set, of the row that it is a variant of."""
        row = self.methods[method]
        rows = [row, self.methods[row.variant_of]] if row.variant_of else [row]
        values: list[str | None] = [getattr(r, key) for r in rows]
        return next(filter(None, values), None)

    def is_switchable(self, run: str) -> bool:
        """Return whether a run is one network with several sub-models."""
        method = run.partition("@")[0]
        has_own = self.of_row(method, "networks") == "each" or self.of_row(method, "networks_of")
        return not has_own and len(self._sections(run)["network"]["widths"]) > 1

    def condition_runs(self) -> dict[str, list[tuple[str, str, str]]]:
        """Return (method, condition, run) of each condition, by variation."""
        return {
            name: [
                (method, condition, f"{method}@{name}={condition}")
                for condition in variation.overlays()
                for method in variation.methods
            ]
            for name, variation in self.variations.items()
        }

    @cached_property
    def _conditions(self) -> dict[str, tuple[Condition, ...]]:
        """The conditions of each variation; one that equals another run shares its folder.

        A candidate of a search keeps its own, so that a choice does not rename the candidates.
        """
        varied = [method for v in self.variations.values() for method in v.methods]
        names = dict.fromkeys([*self.compare, *varied])
        known = {self._identity(name): name for name in reversed(names)}
        return {
            variation: tuple(
                Condition(
                    method=method,
                    condition=condition,
                    run=run
                    if variation in self.search
                    else known.setdefault(self._identity(run), run),
                    seeds=self.variations[variation].seeds,
                )
                for method, condition, run in conditions
            )
            for variation, conditions in self.condition_runs().items()
        }

    def _identity(self, run: str) -> str:
        """Return what tells a run's trainings from another's."""
        job = self.resolve(run, dataset=self.datasets[0], seed=self.seeds[0])
        method = run.partition("@")[0]
        networks = [self.of_row(method, key) for key in ("networks", "networks_of")]
        return json.dumps([job.model_dump(mode="json", exclude={"method"}), networks])

    def study_job(self) -> StudyJob:
        """Return the slice that the reporting stages depend on."""
        values: dict[str, Any] = self.model_dump(
            include={"study", "datasets", "compare", "seeds", "variation_seeds"}
        )
        for group in ("ablation", "robustness", "search"):
            values[group] = {name: self._conditions[name] for name in getattr(self, group)}
        return StudyJob(**values)

    def runs(self) -> dict[str, tuple[int, ...]]:
        """Return every run of the study and its seeds."""
        return self.study_job().runs()

    def networks_of(self, run: str) -> tuple[NetworkOfRun, ...]:
        """Return the networks of a run that has one for each width, ascending; else none."""
        method = run.partition("@")[0]
        widths = self._sections(run)["network"]["widths"]
        if source := self.of_row(method, "networks_of"):
            return tuple(network for network in self.networks_of(source) if network.width in widths)
        if self.of_row(method, "networks") != "each":
            return ()
        reference = self.of_row(method, "reference")
        full = NetworkOfRun(reference or run, widths[-1])
        return (*(NetworkOfRun(run, width) for width in widths[:-1]), full)

    def rule_of(self, run: str) -> str:
        """Return what trains a run: its row, the row that it is a variant of, or its variation."""
        method, _, condition = run.partition("@")
        if condition:
            return condition.partition("=")[0]
        return self.methods[method].variant_of or method

    def overlays(self, run: str) -> list[Overlay]:
        """Return what a run lays over the sections: its rows, then its condition."""
        method, _, condition = run.partition("@")
        row = self.methods[method]
        overlays: list[Overlay] = [self.methods[row.variant_of], row] if row.variant_of else [row]
        if source := self.of_row(method, "networks_of"):
            overlays = [*self.overlays(source), *overlays]
        if condition:
            variation, _, name = condition.partition("=")
            change = self.variations[variation].overlays()[name]
            overlays += [change, *filter(None, [change.rows.get(method)])]
        return overlays

    def _sections(self, run: str) -> dict[str, Any]:
        """Return the sections network, loss, aggregation and train of a run, as plain values."""
        sections = self.model_dump(include=set(SECTIONS))
        for overlay in self.overlays(run):
            sections = merge(sections, overlay.sections())
        widths = tuple(sections["network"]["widths"])
        switches = self.of_row(run.partition("@")[0], "switches") or "all"
        kept = {"all": widths, "smallest": widths[:1], "largest": widths[-1:]}[switches]
        sections["network"]["widths"] = kept
        return sections

    def resolve(self, run: str, *, dataset: str, seed: int, width: float | None = None) -> TrainJob:
        """Return the complete settings of one training.

        Args:
            run: A row of `methods`, or `<row>@<variation>=<condition>`.
            dataset: A data set of the study.
            seed: A seed of the study.
            width: The width, in a run that has one network for each.

        Raises:
            ConfigError: If the row's values are not valid in the sections that they overlay.
        """
        sections = self._sections(run)
        if width is not None:
            sections["network"]["widths"] = (width,)
        if not self.is_switchable(run):
            sections["loss"] = sections["loss"] | {"submodels": None}
            sections["aggregation"] = None
        job = {
            "dataset": dataset, "method": run, "seed": seed, **sections,
            "reference": self.of_row(run.partition("@")[0], "reference"),
            "augmentation": self.augmentation[dataset],
        }  # fmt: skip
        method, _, condition = run.partition("@")
        prefix = f"{condition.replace('=', '.')}." if condition else f"methods.{method}."
        return validate(TrainJob, job, source=prefix.rstrip("."), prefix=prefix)

    def prepare_job(self, dataset: str) -> PrepareJob:
        """Return the slice that preparing a data set depends on."""
        return PrepareJob(
            validation_fraction=self.data.validation_fraction, settings=self.data.sets[dataset]
        )

    def measure_job(self, dataset: str) -> MeasureJob:
        """Return the slice that measuring the cost of sub-models depends on.

        It names the first compared row that is switchable or, where none is, the first row. The
        weights that a training starts from change no cost and are left out.
        """
        row = next((r for r in self.compare if not self.networks_of(r)), self.compare[0])
        network = self.resolve(row, dataset=dataset, seed=self.seeds[0]).network
        network = network.model_copy(update={"pretrained": None})
        return MeasureJob(dataset=dataset, method=row, network=network)


def load_params(paths: Sequence[Path]) -> Params:
    """Read `params.yaml` and the overlays after it.

    Args:
        paths: The file and its overlays; later files win, key by key.

    Raises:
        ConfigError: If a file is unreadable or a value is not allowed; all problems in one message.
    """
    source = ", ".join(map(str, paths))
    return parse_params(read_tree(paths), source=source, fallback=lambda: read_tree(paths[:1]))


def parse_params(
    tree: Mapping[str, Any],
    *,
    source: str = "params.yaml",
    fallback: Callable[[], Mapping[str, Any]] = dict,
) -> Params:
    """Validate a tree of parameters.

    Args:
        tree: The merged content of `params.yaml` and its overlays.
        source: Where it is from, for messages.
        fallback: Reads `params.yaml` alone, to look for the mistakes that others hide.

    Raises:
        ConfigError: If a value is not allowed; all problems in one message.
    """
    missing = Params.model_fields.keys() - tree.keys()
    if len(missing) > len(Params.model_fields) // 2:
        raise ConfigError(
            f"{source} must hold all sections of `params.yaml`; a study is an overlay and is read "
            f"after it, as in `sfsc check params.yaml studies/<name>.yaml`. Found no "
            f"{', '.join(f'`{key}`' for key in Params.model_fields if key in missing)}."
        )
    try:
        return Params.model_validate(tree)
    except ValidationError:
        raise refusal(source, all_problems(Params, tree, fallback())) from None
