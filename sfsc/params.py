"""The whole of `params.yaml`: sections, rows of methods, variations, and what runs they make.

Every mistake is reported at once. A run is a row of `methods` or, in an ablation, a robustness
study or a search, `<row>@<variation>=<condition>`; what it is trained with follows from here alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, field_validator, model_validator

from sfsc.config import (
    Aggregation,
    Augmentation,
    Condition,
    Data,
    DatasetName,
    Evaluate,
    Loss,
    MeasureJob,
    Name,
    Network,
    Part,
    PrepareJob,
    Section,
    StudyJob,
    StudyName,
    Train,
    TrainJob,
    nearest,
    validate,
)  # fmt: skip
from sfsc.errors import ConfigError
from sfsc.idle_settings import without_idle_settings


class Overlay(Section):
    """What differs from the sections of the same name."""

    network: dict[str, Any] = Field(default_factory=dict)
    """Keys of `network`."""
    loss: dict[str, Any] = Field(default_factory=dict)
    """Keys of `loss`."""
    aggregation: dict[str, Any] = Field(default_factory=dict)
    """Keys of `aggregation`."""


class Method(Overlay):
    """A row of `methods` (DESIGN.md 2.4)."""

    variant_of: Name | None = None
    """The row that this one starts from; a variant is trained by that row's rule."""
    networks: Literal["switchable", "each"] | None = None
    """One switchable network (the default), or each width a network of its own."""
    networks_of: Name | None = None
    """Made of the networks of that row, which has one for each width; nothing is trained."""
    reference: Name | None = None
    """The row whose full network is trained first, frozen, and takes the full network's place."""
    switches: Literal["all", "smallest", "largest"] | None = None
    """Which of `network.widths` the method's network or networks have."""


class Variation(Section):
    """Runs that differ from rows of `methods` in one respect: an ablation, a robustness study."""

    methods: tuple[Name, ...] = Field(min_length=1)
    """The rows that are varied."""
    vary: str | None = None
    """A key, say `loss.kl_weight`."""
    values: tuple[Any, ...] = ()
    """Of that key."""
    conditions: dict[str, Overlay] = Field(default_factory=dict)
    """Or what differs, by the condition's name."""

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        if bool(self.vary and self.values) == bool(self.conditions):
            raise ValueError("A variation must have either `vary` and `values` or `conditions`.")
        if self.vary and self.vary.partition(".")[0] not in {"network", "loss", "aggregation"}:
            raise ValueError(
                "`vary` must be a key of network, loss or aggregation, say loss.kl_weight. Found "
                f"'{self.vary}'."
            )
        for name in self.conditions:
            if not set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-."):
                raise ValueError(
                    "A condition names folders and must consist of a-z, 0-9, '_', '-' and '.'. "
                    f"Found '{name}'."
                )
        return self

    def overlays(self) -> dict[str, Overlay]:
        """Return what each condition lays over the sections, by the condition's name."""
        if not self.vary:
            return self.conditions
        section, _, key = self.vary.partition(".")
        return {_as_name(v): Overlay.model_validate({section: {key: v}}) for v in self.values}


class Params(Section):
    """The whole of `params.yaml`, overlays applied."""

    study: StudyName
    """Names `results/<study>/` and `reports/<study>/`."""
    datasets: tuple[DatasetName, ...] = Field(min_length=1)
    """Files of sfsc/data/sets."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    """One training per seed, method and data set."""
    variation_seeds: tuple[int, ...] = Field(min_length=1)
    """The seeds of ablations, robustness studies and searches; some of `seeds`."""
    compare: tuple[Name, ...] = Field(min_length=1)
    """Rows of `methods`: the main comparison."""
    ablation: dict[Name, Variation]
    """`ablation`: what parts of a method are worth."""
    robustness: dict[Name, Variation]
    """`robustness`: whether a result holds under other settings."""
    search: dict[Name, Variation]
    """`search`: candidates among which the validation identities decide; a study searches or
    compares."""
    data: Data
    """A change prepares the set anew, and everything behind it."""
    network: Network
    """Of every method; a row of `methods` says what differs. A change trains again."""
    loss: Loss
    """Of every method; a row of `methods` says what differs. A change trains again."""
    aggregation: Aggregation
    """Of every method; a row of `methods` says what differs. A change trains again."""
    train: Train
    """A change trains everything again."""
    augmentation: dict[DatasetName, Augmentation]
    """By data set. A change trains again on that set."""
    evaluate: Evaluate
    """A change evaluates the embeddings at hand again."""
    methods: dict[Name, Method]
    """What can be compared, ablated and varied. A changed row trains itself and its variants."""

    @field_validator("ablation", "robustness", "search", mode="before")
    @classmethod
    def _drop_emptied(cls, rows: Any) -> Any:
        """A study drops a variation of `params.yaml` by setting it to null."""
        if not isinstance(rows, dict):
            return rows
        return {name: row for name, row in rows.items() if row is not None}

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        problems = list(self._reference_problems()) or list(self._row_problems())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _reference_problems(self) -> Iterator[str]:
        """Yield what is wrong between sections."""
        yield from self._list_problems()
        yield from self._data_problems()
        for name, row in self.methods.items():
            if row.variant_of and row.variant_of not in self._own_rows():
                near = nearest(row.variant_of, self._own_rows())
                yield (
                    f"`methods.{name}.variant_of` must name another row of `methods` that is no "
                    f"variant itself. Found '{row.variant_of}'.{near}"
                )
        if self.network.widths[-1] != 1.0:
            yield f"`network.widths` must end with 1.0. Found {list(self.network.widths)}."
        yield from self._variation_problems()

    def _list_problems(self) -> Iterator[str]:
        for key in ("datasets", "seeds", "variation_seeds", "compare"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                yield f"`{key}` must not repeat an entry. Found {list(values)}."
        if not set(self.variation_seeds) <= set(self.seeds):
            found = f"Found {list(self.variation_seeds)} and {list(self.seeds)}."
            yield f"`variation_seeds` must be some of `seeds`. {found}"
        for name in self.compare:
            if name not in self.methods:
                near = nearest(name, self.methods)
                yield f"`compare` must name rows of `methods`. Found '{name}'.{near}"

    def _data_problems(self) -> Iterator[str]:
        for name in self.datasets:
            if self.data.settings(name) is None:
                yield f"`data` must have a section for each data set. Found none for '{name}'."
            if name not in self.augmentation:
                rule = "`augmentation` must have a row for each data set of `datasets`."
                yield f"{rule} Found none for '{name}'."

    def _variation_problems(self) -> Iterator[str]:
        owners: dict[str, str] = {}
        for group in ("ablation", "robustness", "search"):
            for name, variation in getattr(self, group).items():
                if name in owners:
                    yield f"`{group}.{name}` must have a name of its own. Found `{owners[name]}`."
                owners[name] = f"{group}.{name}"
                for method in variation.methods:
                    if method not in self.methods:
                        near = nearest(method, self.methods)
                        rule = f"`{group}.{name}.methods` must name rows of `methods`."
                        yield f"{rule} Found '{method}'.{near}"

    def _row_problems(self) -> Iterator[str]:
        """Yield what is wrong in rows of `methods` and conditions, laid over the sections."""
        yield from self._borrowed_problems()
        conditions = [run for names in self._condition_names().values() for _, _, run in names]
        for name in [*self.methods, *conditions]:
            problems = list(self._network_problems(name)) if name in self.methods else []
            yield from problems
            if not problems:
                try:
                    self.resolve(name, dataset=self.datasets[0], seed=self.seeds[0])
                except ConfigError as error:
                    yield from (line.removeprefix("  - ") for line in str(error).splitlines()[1:])

    def _network_problems(self, method: str) -> Iterator[str]:
        """Yield which of `networks_of` and `reference` is no row with one network per width."""
        rows = [name for name in self.methods if self._of_row(name, "networks") == "each"]
        for key in ("networks_of", "reference"):
            other = self._of_row(method, key)
            if other and other not in rows:
                yield (
                    f"`methods.{method}.{key}` must name a row with `networks: each`. Found "
                    f"'{other}'.{nearest(other, rows)}"
                )

    def _borrowed_problems(self) -> Iterator[str]:
        """Yield which variations would change networks that a row has from another row."""
        for name, variation in self._variations.items():
            changes_network = any(overlay.network for overlay in variation.overlays().values())
            for method in variation.methods:
                if self._of_row(method, "networks_of"):
                    key, found = "networks_of", "settings"
                elif self._of_row(method, "reference") and changes_network:
                    key, found = "reference", "networks"
                else:
                    continue
                yield (
                    f"`{name}.methods` must not have rows with `{key}` where conditions change "
                    f"{found}: those are another row's. Found '{method}'."
                )

    def _own_rows(self) -> list[str]:
        return [name for name, row in self.methods.items() if not row.variant_of]

    def _rows(self, method: str) -> list[Method]:
        row = self.methods[method]
        return [self.methods[row.variant_of], row] if row.variant_of else [row]

    def _of_row(self, method: str, key: str) -> str | None:
        """Return a field of a row, of the row that it is a variant of if its own is not set."""
        values: list[str | None] = [getattr(row, key) for row in reversed(self._rows(method))]
        return next(filter(None, values), None)

    @property
    def _variations(self) -> dict[str, Variation]:
        return {**self.ablation, **self.robustness, **self.search}

    def _condition_names(self) -> dict[str, list[tuple[str, str, str]]]:
        """Return (method, condition, name) of each condition by variation."""
        return {
            name: [
                (method, condition, f"{method}@{name}={condition}")
                for condition in variation.overlays()
                for method in variation.methods
            ]
            for name, variation in self._variations.items()
        }

    @cached_property
    def _conditions(self) -> dict[str, tuple[Condition, ...]]:
        """The conditions of each variation; what was trained under another name keeps that one.

        A candidate of a search keeps its own, so that a choice does not rename its candidates.
        """
        names = dict.fromkeys(
            [*self.compare, *(m for v in self._variations.values() for m in v.methods)]
        )
        known = {self._settings(name): name for name in reversed(names)}
        return {
            variation: tuple(
                Condition(
                    method=method,
                    condition=condition,
                    run=run
                    if variation in self.search
                    else known.setdefault(self._settings(run), run),
                )
                for method, condition, run in conditions
            )
            for variation, conditions in self._condition_names().items()
        }

    def _settings(self, run: str) -> str:
        """Return what tells a run's trainings from another's."""
        job = self.resolve(run, dataset=self.datasets[0], seed=self.seeds[0])
        method = run.partition("@")[0]
        networks = [self._of_row(method, key) for key in ("networks", "networks_of")]
        return json.dumps([job.model_dump(mode="json", exclude={"method"}), networks])

    def study_job(self) -> StudyJob:
        """Return the slice that the reporting stages depend on."""
        groups = {
            group: {name: self._conditions[name] for name in getattr(self, group)}
            for group in ("ablation", "robustness", "search")
        }
        keys = {"study", "datasets", "compare", "seeds", "variation_seeds"}
        return StudyJob(**self.model_dump(include=keys), **groups)

    def runs(self) -> dict[str, tuple[int, ...]]:
        """Return every run of the study and its seeds."""
        return self.study_job().runs()

    def parts(self, run: str) -> tuple[Part, ...]:
        """Return the networks of a run that has one for each width, ascending; else none."""
        method = run.partition("@")[0]
        widths = self.resolve(run, dataset=self.datasets[0], seed=self.seeds[0]).network.widths
        if source := self._of_row(method, "networks_of"):
            return tuple(part for part in self.parts(source) if part.width in widths)
        if self._of_row(method, "networks") != "each":
            return ()
        reference = self._of_row(method, "reference")
        full = Part(reference, widths[-1]) if reference else Part(run, widths[-1])
        return (*(Part(run, width) for width in widths[:-1]), full)

    def rule_of(self, run: str) -> str:
        """Return what trains a run: the row that it is or is a variant of, or its variation."""
        method, _, condition = run.partition("@")
        if condition:
            return condition.partition("=")[0]
        return self.methods[method].variant_of or method

    def resolve(self, run: str, *, dataset: str, seed: int, width: float | None = None) -> TrainJob:
        """Return the complete settings of one training, idle ones at fixed values.

        Args:
            run: A row of `methods`, or `<row>@<variation>=<condition>`.
            dataset: A data set of the study.
            seed: A seed of the study.
            width: Of a run that has one network for each width: which.

        Raises:
            ConfigError: If the row's values are not valid in the sections that they overlay.
        """
        method, _, condition = run.partition("@")
        overlays: list[Overlay] = [*self._rows(method)]
        if condition:
            variation, _, name = condition.partition("=")
            overlays.append(self._variations[variation].overlays()[name])
        sections = {}
        for key in ("network", "loss", "aggregation"):
            sections[key] = getattr(self, key).model_dump()
            for overlay in overlays:
                sections[key] |= getattr(overlay, key)
        widths = tuple(sections["network"]["widths"])
        switches = self._of_row(method, "switches") or "all"
        kept = {"all": widths, "smallest": widths[:1], "largest": widths[-1:]}[switches]
        sections["network"]["widths"] = (width,) if width else kept
        job = {
            "dataset": dataset, "method": run, "seed": seed, **sections,
            "reference": self._of_row(method, "reference"),
            "train": self.train.model_dump(),
            "augmentation": self.augmentation[dataset].model_dump(),
        }  # fmt: skip
        prefix = f"{condition.replace('=', '.')}." if condition else f"methods.{method}."
        valid = validate(TrainJob, job, source=prefix.rstrip("."), prefix=prefix)
        has_networks = self._of_row(method, "networks_of") is not None
        is_alone = has_networks or self._of_row(method, "networks") == "each"
        return without_idle_settings(valid, is_alone=is_alone)

    def prepare_job(self, dataset: str) -> PrepareJob:
        """Return the slice that preparing `dataset` depends on."""
        section = self.data.settings(dataset)
        return PrepareJob(
            dataset=dataset,
            validation_fraction=self.data.validation_fraction,
            settings=section.model_dump(mode="json") if section else {},
        )

    def measure_job(self, dataset: str) -> MeasureJob:
        """Return the slice that measuring sub-models depends on.

        It names the first compared row that is switchable or, where none is, the first row. What
        weights a training starts from changes no cost and is left out.
        """
        row = next((name for name in self.compare if not self.parts(name)), self.compare[0])
        network = self.resolve(row, dataset=dataset, seed=self.seeds[0]).network
        network = network.model_copy(update={"pretrained": None})
        return MeasureJob(dataset=dataset, method=row, network=network)


def load_params(paths: Sequence[Path]) -> Params:
    """Read `params.yaml` and the overlays behind it.

    Args:
        paths: The file and its overlays; later files win, key by key.

    Raises:
        ConfigError: If a file is unreadable or a value is not allowed; all problems in one message.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        try:
            tree = yaml.safe_load(path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            msg = f"{path} must be a readable YAML file. Found: {' '.join(str(error).split())}"
            raise ConfigError(msg) from error
        if not isinstance(tree, dict):
            msg = f"{path} must hold a mapping of sections. Found a {type(tree).__name__}."
            raise ConfigError(msg)
        merged = merge(merged, tree)
    return parse_params(merged, source=", ".join(map(str, paths)))


def parse_params(tree: Mapping[str, Any], *, source: str = "params.yaml") -> Params:
    """Validate a loaded parameter tree.

    Args:
        tree: The merged content of `params.yaml` and its overlays.
        source: Where it is from, for messages.

    Raises:
        ConfigError: If a value is not allowed; all problems in one message.
    """
    return validate(Params, tree, source=source)


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `overlay`, mappings merged key by key.

    >>> merge({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
    {'a': {'x': 1, 'y': 3}}
    """
    both = dict(base)
    for key, value in overlay.items():
        old = both.get(key)
        both[key] = (
            merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return both


def _as_name(value: object) -> str:
    """Return a value as the name of a condition.

    >>> [_as_name(v) for v in (0.0005, "kernel", [0.5, 1.0], 64)]
    ['0.0005', 'kernel', '0.5-1', '64']
    """
    if isinstance(value, list | tuple):
        return "-".join(map(_as_name, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
