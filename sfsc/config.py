"""The typed form of `params.yaml`: one model per section, all mistakes reported at once.

The only importer of pydantic and yaml. A stage never sees the whole `Params`: the workflow writes
the slice that a job depends on to a file beside its results, and `load_slice` reads it back as one
of the `...Job` models below.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sfsc.errors import ConfigError

DatasetName = Literal["synthetic", "omniglot"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]


class Section(BaseModel):
    """A section of `params.yaml`: immutable, unknown keys refused, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


S = TypeVar("S", bound=Section)


class Synthetic(Section):
    """The procedural re-identification set (DESIGN.md 4)."""

    seed: int = Field(ge=0)
    """The set is a function of this section alone."""
    train_identities: int = Field(ge=8, le=10_000)
    """Identities of the training split, those held out for validation included."""
    test_identities: int = Field(ge=4, le=10_000)
    """Identities of query and gallery."""
    cameras: int = Field(ge=6, le=24)
    """Cameras of the set."""
    cameras_per_identity: int = Field(ge=2)
    """Cameras that see an identity."""
    images_per_camera: int = Field(ge=2, le=100)
    """Images of an identity in each camera that sees it."""
    image_size: int = Field(ge=16, le=256)
    """Side of the square images, pixels."""

    @model_validator(mode="after")
    def _check_cameras(self) -> Self:
        if self.cameras_per_identity > self.cameras:
            msg = (
                "`cameras_per_identity` must not exceed `cameras`. Found "
                f"`cameras_per_identity = {self.cameras_per_identity}`, `cameras = {self.cameras}`."
            )
            raise ValueError(msg)
        return self


class Omniglot(Section):
    """Handwritten characters: a character is an identity, its drawer the camera (DESIGN.md 4)."""

    image_size: int = Field(ge=16, le=105)
    """Side of the square images, pixels (105 in the archives)."""
    query_drawers: int = Field(ge=1, le=19)
    """Of the 20 drawers of a test character, those whose drawings are queries."""


class Data(Section):
    """What the prepared sets are made from."""

    validation_fraction: float = Field(gt=0.0, lt=0.5)
    """Share of the training identities held out for validation."""
    synthetic: Synthetic
    omniglot: Omniglot


class Network(Section):
    """The switchable network (DESIGN.md 2.1)."""

    backbone: Literal["small_resnet", "resnet18"]
    widths: tuple[float, ...] = Field(min_length=1, max_length=8)
    """r_1 < ... < r_M, each in (0, 1]."""
    embedding_dim: int = Field(ge=2, le=4096)
    """D."""

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        ascending = all(a < b for a, b in zip(self.widths, self.widths[1:], strict=False))
        if not ascending or not 0.0 < self.widths[0] <= self.widths[-1] <= 1.0:
            msg = f"`widths` must be ascending and lie in (0, 1]. Found {list(self.widths)}."
            raise ValueError(msg)
        return self


class Loss(Section):
    """The losses of the sub-models (DESIGN.md 2.2)."""

    label_smoothing: float = Field(ge=0.0, lt=1.0)
    """Share of the target mass spread evenly over all identities."""
    triplet_weight: NonNegative
    """Weight of the batch-hard triplet loss on the embedding before the neck; 0 turns it off."""
    triplet_margin: NonNegative
    """Margin of the triplet loss, Euclidean distance."""
    compatible_weight: NonNegative
    """Weight of the evidential compatible loss; 0 turns it off."""
    compatible_on: Literal["submodels", "all"]
    """Which sub-models have the compatible loss: all but the full one, or all."""
    evidence: Literal["softplus", "exp", "relu"]
    """Evidence function e(z)."""
    kl_weight: NonNegative
    """Final weight of the KL term."""
    kl_ramp: Share
    """Share of the training over which the KL weight rises linearly from 0."""
    classifier_gradient: Literal["full", "all"]
    """Whose losses move the shared classifier."""


class Aggregation(Section):
    """How the sub-models' gradients become one update (DESIGN.md 2.3)."""

    aggregator: Literal["sum", "mean", "projection"]
    granularity: Literal["nested", "whole", "layer", "kernel"]
    """Of the projection: what an inner product and its subtraction run over."""
    reduction: Literal["sum", "mean"]
    """Of the projection: how the projected gradients become one."""


class Train(Section):
    """Optimisation: the same for every method of a study."""

    epochs: int = Field(ge=1)
    identities_per_batch: int = Field(ge=2)
    """P of the P x K sampler."""
    images_per_identity: int = Field(ge=2)
    """K of the P x K sampler."""
    optimizer: Literal["sgd", "adam"]
    """SGD has Nesterov momentum 0.9."""
    learning_rate: Positive
    """Peak learning rate."""
    weight_decay: NonNegative
    schedule: Literal["cosine", "step"]
    milestones: tuple[Share, ...]
    """Shares of the training at which schedule `step` divides the learning rate by 10."""
    warmup: float = Field(ge=0.0, lt=1.0)
    """Share of the training over which the learning rate rises linearly."""
    gradient_clip: NonNegative
    """Largest norm of the update; 0 turns clipping off."""
    validate_every: int = Field(ge=1)
    """Epochs between validations; the last epoch is always validated."""
    checkpoint_every: int = Field(ge=1)
    """Epochs between checkpoints."""
    conflicts_every: int = Field(ge=1)
    """Steps between records of the pairwise cosines."""


class Augmentation(Section):
    """Random changes of a training image, drawn anew for each image of each batch."""

    flip: bool
    """Mirror horizontally with probability 0.5."""
    rotation: float = Field(ge=0.0, le=180.0)
    """Degrees, uniform in [-rotation, rotation]."""
    translation: Share
    """Share of the image side, uniform in both directions."""
    scale: tuple[Positive, Positive]
    """Range of the zoom, uniform."""
    shear: float = Field(ge=0.0, lt=90.0)
    """Degrees, uniform in [-shear, shear]."""
    colour: Share
    """Largest relative jitter of brightness, contrast and saturation."""
    erasing: Share
    """Probability of random erasing."""

    @model_validator(mode="after")
    def _check_scale(self) -> Self:
        if self.scale[0] > self.scale[1]:
            msg = f"`scale` must be [smallest, largest]. Found {list(self.scale)}."
            raise ValueError(msg)
        return self


class Evaluate(Section):
    """Retrieval metrics (DESIGN.md 3)."""

    average_precision: Literal["step", "trapezoidal"]
    """The definition behind the summaries and tables; both are computed."""
    ranks: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    """Ranks of the cumulative match characteristic."""

    @model_validator(mode="after")
    def _check_ranks(self) -> Self:
        if 1 not in self.ranks:
            msg = f"`ranks` must contain 1, which the tables show. Found {list(self.ranks)}."
            raise ValueError(msg)
        return self


class Method(Section):
    """A row of `methods`: what differs from the sections of the same name (DESIGN.md 2.4)."""

    variant_of: Name | None = None
    """The row that this one starts from; a variant is trained by that row's rule."""
    switches: Literal["all", "smallest", "largest"] | None = None
    """Which of `network.widths` the method's network has."""
    network: dict[str, Any] = {}
    loss: dict[str, Any] = {}
    aggregation: dict[str, Any] = {}


class PrepareJob(Section):
    """The slice that preparing one data set depends on."""

    dataset: DatasetName
    validation_fraction: float
    settings: Synthetic | Omniglot


class TrainJob(Section):
    """The slice that one training depends on: everything resolved, nothing left to look up."""

    dataset: DatasetName
    method: Name
    seed: int
    network: Network
    loss: Loss
    aggregation: Aggregation
    train: Train
    augmentation: Augmentation


class Params(Section):
    """The whole of `params.yaml`, overlays applied."""

    study: Name
    datasets: tuple[DatasetName, ...] = Field(min_length=1)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    compare: tuple[Name, ...] = Field(min_length=1)
    """Rows of `methods` that the study trains."""
    data: Data
    network: Network
    loss: Loss
    aggregation: Aggregation
    train: Train
    augmentation: dict[DatasetName, Augmentation]
    evaluate: Evaluate
    methods: dict[Name, Method]

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        problems = list(self._reference_problems()) or list(self._row_problems())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _reference_problems(self) -> Iterator[str]:
        """Yield what is wrong between sections."""
        for key in ("datasets", "seeds", "compare"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                yield f"`{key}` must not repeat an entry. Found {list(values)}."
        for name in self.compare:
            if name not in self.methods:
                nearest = _nearest(name, self.methods)
                yield f"`compare` must name rows of `methods`. Found '{name}'.{nearest}"
        for name, row in self.methods.items():
            if row.variant_of and row.variant_of not in self._own_rows():
                nearest = _nearest(row.variant_of, self._own_rows())
                yield (
                    f"`methods.{name}.variant_of` must name another row of `methods` that is no "
                    f"variant itself. Found '{row.variant_of}'.{nearest}"
                )
        for name in self.datasets:
            if name not in self.augmentation:
                rule = "`augmentation` must have a row for each data set of `datasets`."
                yield f"{rule} Found none for '{name}'."
        if self.network.widths[-1] != 1.0:
            yield f"`network.widths` must end with 1.0. Found {list(self.network.widths)}."

    def _row_problems(self) -> Iterator[str]:
        """Yield what is wrong in the rows of `methods`, each laid over the sections."""
        for name in self.methods:
            try:
                self.resolve(name, dataset=self.datasets[0], seed=self.seeds[0])
            except ConfigError as error:
                yield from (line.removeprefix("  - ") for line in str(error).splitlines()[1:])

    def _own_rows(self) -> list[str]:
        return [name for name, row in self.methods.items() if not row.variant_of]

    def family(self, method: str) -> str:
        """Return the row whose rule trains `method`: itself or the one it is a variant of."""
        return self.methods[method].variant_of or method

    def resolve(self, method: str, *, dataset: DatasetName, seed: int) -> TrainJob:
        """Return the complete settings of one training.

        Args:
            method: A row of `methods`.
            dataset: A data set of the study.
            seed: A seed of the study.

        Raises:
            ConfigError: If the row's values are not valid in the sections that they overlay.
        """
        row = self.methods[method]
        rows = ([self.methods[row.variant_of]] if row.variant_of else []) + [row]
        switches = next((r.switches for r in reversed(rows) if r.switches), "all")
        sections = {}
        for key in ("network", "loss", "aggregation"):
            sections[key] = getattr(self, key).model_dump()
            for overlay in rows:
                sections[key] |= getattr(overlay, key)
        widths = tuple(sections["network"]["widths"])
        sections["network"]["widths"] = {
            "all": widths, "smallest": widths[:1], "largest": widths[-1:]
        }[switches]  # fmt: skip
        job = {
            "dataset": dataset, "method": method, "seed": seed, **sections,
            "train": self.train.model_dump(),
            "augmentation": self.augmentation[dataset].model_dump(),
        }  # fmt: skip
        return _validate(TrainJob, job, source=f"methods.{method}", prefix=f"methods.{method}.")

    def prepare_job(self, dataset: DatasetName) -> PrepareJob:
        """Return the slice that preparing `dataset` depends on."""
        settings: Synthetic | Omniglot = getattr(self.data, dataset)
        return PrepareJob(
            dataset=dataset, validation_fraction=self.data.validation_fraction, settings=settings
        )


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
    return _validate(Params, tree, source=source)


def load_slice(model: type[S], path: Path) -> S:
    """Read a job's slice of the configuration from its fingerprint file.

    Args:
        model: The `...Job` model or section that the slice must be.
        path: A file written by `sfsc.provenance.write_fingerprint`.

    Raises:
        ConfigError: If the file is unreadable or not such a slice.
    """
    try:
        tree = json.loads(path.read_text())["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} must be a fingerprint file written by the workflow. Found: {error}"
        raise ConfigError(msg) from error
    return _validate(model, tree, source=str(path))


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


def _validate(model: type[S], tree: Mapping[str, Any], *, source: str, prefix: str = "") -> S:
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        problems = [dict(problem) for problem in error.errors()]
        causes = [problem for problem in problems if not _is_echo(problem, problems)]
        lines = [line for problem in causes for line in _describe(model, problem, prefix)]
        count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
        msg = f"{source} is not valid ({count}):\n" + "\n".join(f"  - {line}" for line in lines)
        raise ConfigError(msg) from None


def _is_echo(problem: dict[str, Any], problems: Sequence[dict[str, Any]]) -> bool:
    """Whether a list is called too short only because an entry of it was refused."""
    location = problem["loc"]
    inside = (p for p in problems if len(p["loc"]) > len(location))
    return problem["type"] == "too_short" and any(
        p["loc"][: len(location)] == location for p in inside
    )


def _describe(model: type[Section], problem: dict[str, Any], prefix: str) -> list[str]:
    """One sentence per problem: key, what must hold, what was found, the nearest known key."""
    location = [part for part in problem["loc"] if part != "[key]"]
    key = prefix + ".".join(map(str, location)) if location else ""
    if problem["type"] == "value_error":
        return [
            f"{key}: {line}" if key else line for line in str(problem["ctx"]["error"]).splitlines()
        ]
    if problem["type"] == "extra_forbidden":
        nearest = _nearest(str(location[-1]), _known_keys(model, location[:-1]))
        return [f"`{key}` is not a known key.{nearest}"]
    if problem["type"] == "missing":
        return [f"`{key}` must be set. Found nothing."]
    if problem["type"] == "model_type":
        return [f"`{key}` should be a mapping of keys. Found `{problem['input']!r}`."]
    rule = problem["msg"].partition(" should ")[2].partition(" after validation")[0]
    return [f"`{key}` should {rule or problem['msg']}. Found `{problem['input']!r}`."]


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    fields = model.model_fields
    for part in location:
        annotation = fields[str(part)].annotation if str(part) in fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        fields = annotation.model_fields
    return list(fields)


def _nearest(word: str | None, known: Sequence[str] | Mapping[str, Any]) -> str:
    match = difflib.get_close_matches(str(word), list(known), n=1)
    return f" Did you mean '{match[0]}'?" if match else ""
