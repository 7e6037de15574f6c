"""The typed sections of `params.yaml`, and the slices of it that jobs depend on.

A stage never sees the whole `sfsc.params.Params`: the workflow writes the slice that a job depends
on to a file beside its results, and `load_slice` reads it back as one of the `...Job` models below.
Only this module and `sfsc.params` import pydantic.
"""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sfsc import parts
from sfsc.errors import ConfigError


def _is_part(kind: parts.Kind) -> Callable[[str], str]:
    """Return the check that a value names a part: a file of that kind's package."""

    def check(name: str) -> str:
        known = parts.names(kind)
        if name not in known:
            rule = "Input should be {known}, a file of sfsc/{folder}"
            values = {"known": " or ".join(known), "folder": kind.replace(".", "/")}
            raise PydanticCustomError("part", rule, values)
        return name

    return check


DatasetName = Annotated[str, AfterValidator(_is_part("data.sets"))]
BackboneName = Annotated[str, AfterValidator(_is_part("networks.backbones"))]
BaseLossName = Annotated[str, AfterValidator(_is_part("losses.base_losses"))]
AggregatorName = Annotated[str, AfterValidator(_is_part("aggregation.aggregators"))]
StudyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
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


class ImageFiles(Section):
    """A set of image files on the user's disk."""

    image_height: int = Field(ge=16, le=1024)
    """Height that the images are resized to, pixels."""
    image_width: int = Field(ge=16, le=1024)
    """Width that the images are resized to, pixels."""


class PublishedImages(ImageFiles):
    """A published set of image files, which must be whole."""

    counts: Literal["published", "any"] = "published"
    """Checked unless it is said otherwise: `any` takes a part of the set, say a miniature, and the
    log and the summary tell."""


class Data(Section):
    """What the prepared sets are made from: one more key for each further file of sfsc/data/sets.

    Such a key's section is the class `Settings` of that file.
    """

    model_config = ConfigDict(extra="allow")

    validation_fraction: float = Field(gt=0.0, lt=0.5)
    """Share of the training identities held out for validation."""
    synthetic: Synthetic
    """Made by the project, in seconds."""
    omniglot: Omniglot
    """Real data, 3 MB, downloaded when it is first needed."""

    @model_validator(mode="before")
    @classmethod
    def _read_further_sets(cls, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        further = {key: value for key, value in tree.items() if key not in cls.model_fields}
        unknown = further.keys() - set(parts.names("data.sets"))
        if unknown:
            key, known = min(map(str, unknown)), [*cls.model_fields, *parts.names("data.sets")]
            raise ValueError(f"`{key}` is not a known key.{nearest(key, known)}")
        problems: list[str] = []
        for key, value in further.items():
            section: type[Section] = parts.load("data.sets", key).Settings
            try:
                further[key] = validate(section, value, source=key, prefix=f"{key}.")
            except ConfigError as error:
                problems += [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]
        if problems:
            raise ValueError("\n".join(problems))
        return tree | further

    def settings(self, dataset: str) -> Section | None:
        """Return the section of a data set, None if there is none."""
        section: Section | None = getattr(self, dataset, None)
        return section


class Network(Section):
    """The switchable network (DESIGN.md 2.1)."""

    backbone: BackboneName
    """A file of sfsc/networks/backbones."""
    widths: tuple[float, ...] = Field(min_length=1, max_length=8)
    """Crop ratios r_1 < ... < r_M, each in (0, 1]; in `params.yaml` the last is 1."""
    embedding_dim: int = Field(ge=2, le=4096)
    """D, the same for every sub-model."""
    pooling: Literal["average", "gem"]
    """Of the last feature map; gem is the generalised mean, its exponent private to a sub-model."""
    pretrained: str | None
    """File with the backbone's weights to start from: a state dict of torchvision or timm, .pth or
    .safetensors; null starts from random weights."""

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        ascending = all(a < b for a, b in zip(self.widths, self.widths[1:], strict=False))
        if not ascending or not 0.0 < self.widths[0] <= self.widths[-1] <= 1.0:
            msg = f"`widths` must be ascending and lie in (0, 1]. Found {list(self.widths)}."
            raise ValueError(msg)
        return self


class Loss(Section):
    """The losses of the sub-models (DESIGN.md 2.2, 2.4)."""

    base: BaseLossName
    """Base loss: softmax cross-entropy, or one with a margin on the cosine."""
    scale: Positive
    """Of the cosine in base losses with a margin."""
    margin: NonNegative
    """Of base losses with a margin: radians in `arcface`, a cosine in the others."""
    label_smoothing: float = Field(ge=0.0, lt=1.0)
    """Share of the target mass spread evenly over all identities."""
    triplet_weight: NonNegative
    """Weight of the batch-hard triplet loss on the embedding before the neck; 0 turns it off."""
    triplet_margin: NonNegative
    """Margin of the triplet loss, Euclidean distance."""
    submodel_base_weight: NonNegative
    """Weight of the base loss of every sub-model of a switchable network but the full one."""
    influence_weight: NonNegative
    """Weight of the base loss through the frozen reference's classifier; 0 turns it off."""
    asymmetric: Literal["regression", "contrastive", "triplet"]
    """Asymmetric loss towards the embeddings of the reference or of the full sub-model."""
    asymmetric_weight: NonNegative
    """Weight of the asymmetric loss; 0 turns it off."""
    asymmetric_margin: NonNegative
    """Of `contrastive` and `triplet`: Euclidean distance of unit vectors."""
    asymmetric_detach: bool
    """Whether the asymmetric loss leaves the full sub-model alone that others are drawn to."""
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

    aggregator: AggregatorName
    """A file of sfsc/aggregation/aggregators."""
    granularity: Literal["nested", "whole", "layer", "kernel"]
    """What the inner products run over."""
    reduction: Literal["sum", "mean"]
    """Of the projection and of TorchJD's aggregators: how the gradients that they make become one;
    mean is over the sub-models that own a weight."""

    @model_validator(mode="after")
    def _check_granularity(self) -> Self:
        if self.granularity == "kernel" and self.aggregator in {"upgrad", "mgda", "cagrad"}:
            raise ValueError(
                "`granularity: kernel` would solve a program for each output channel and must not "
                f"be used with TorchJD's aggregators. Found `aggregator = {self.aggregator}`."
            )
        return self


class Train(Section):
    """Optimisation: the same for every method of a study."""

    epochs: int = Field(ge=1)
    """Passes over the training identities."""
    identities_per_batch: int = Field(ge=2)
    """P of the P x K sampler."""
    images_per_identity: int = Field(ge=2)
    """K of the P x K sampler."""
    optimizer: Literal["sgd", "adam"]
    """SGD has Nesterov momentum 0.9."""
    learning_rate: Positive
    """Peak learning rate."""
    weight_decay: NonNegative
    """L2 penalty on all parameters."""
    schedule: Literal["cosine", "step"]
    """How the learning rate falls after the warm-up."""
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
    device: Literal["cpu", "cuda"]
    """What trains; a training does not fall back to another."""
    precision: Literal["float32", "bf16", "fp16"]
    """Of the network's activations; weights, losses, gradients, aggregation are float32."""
    processes: int = Field(ge=1)
    """Processes that share each batch, one per GPU; each normalises and mines its share alone."""
    gradient_checkpointing: bool
    """Compute a block's activations again for its gradients instead of keeping them."""
    cuda_graphs: bool
    """On a GPU, launch a step's kernels together; false for losses that wait for a value there."""

    @model_validator(mode="after")
    def _check_processes(self) -> Self:
        if self.identities_per_batch % self.processes:
            msg = (
                "`identities_per_batch` must be a multiple of `processes`. Found "
                f"{self.identities_per_batch} and {self.processes}."
            )
            raise ValueError(msg)
        return self


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
    pad: int = Field(ge=0, le=128)
    """Black pixels on each side, before a random crop of the image's size."""
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


class Reranking(Section):
    """K-reciprocal re-ranking (Zhong et al., CVPR 2017), see sfsc/retrieval/reranking.py."""

    k1: int = Field(ge=1)
    """Neighbours that may be reciprocal; 20 in the paper."""
    k2: int = Field(ge=1)
    """Images over which an encoding is averaged, itself included; 6 in the paper, 1 = off."""
    original_weight: Share
    """Of the original distance beside the Jaccard distance: the paper's lambda, 0.3 there."""

    @model_validator(mode="after")
    def _check_neighbours(self) -> Self:
        if self.k2 > self.k1:
            msg = f"`k2` must not be above `k1`. Found k1 {self.k1} and k2 {self.k2}."
            raise ValueError(msg)
        return self


class Evaluate(Section):
    """Retrieval metrics (DESIGN.md 3)."""

    average_precision: Literal["step", "trapezoidal"]
    """The definition behind the summaries and tables; both are computed."""
    ranks: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    """Ranks of the cumulative match characteristic."""
    reranking: Reranking | None = None
    """Re-ranks the gallery of every test by k-reciprocal neighbours; null = off. Never of the
    validation."""

    @model_validator(mode="after")
    def _check_ranks(self) -> Self:
        if 1 not in self.ranks:
            msg = f"`ranks` must contain 1, which the tables show. Found {list(self.ranks)}."
            raise ValueError(msg)
        return self


class PrepareJob(Section):
    """The slice that preparing one data set depends on."""

    dataset: DatasetName
    validation_fraction: float
    settings: dict[str, Any]
    """Of the data set's section."""


class TrainJob(Section):
    """The slice that one training depends on: everything resolved, nothing left to look up."""

    dataset: DatasetName
    method: str
    """Name of the run."""
    seed: int
    reference: str | None
    """The run whose full network is the frozen reference, if there is one."""
    network: Network
    loss: Loss
    aggregation: Aggregation
    train: Train
    augmentation: Augmentation

    def modules(self) -> list[str]:
        """Return the modules of the parts that the training is made of."""
        return [
            parts.module_name("networks.backbones", self.network.backbone),
            parts.module_name("losses.base_losses", self.loss.base),
            parts.module_name("aggregation.aggregators", self.aggregation.aggregator),
        ]


class MeasureJob(Section):
    """The slice that measuring sub-models on the images of one data set depends on."""

    dataset: DatasetName
    method: str
    """The compared row whose network is measured."""
    network: Network


class Part(NamedTuple):
    """A network of a run that has one for each width."""

    run: str
    """The run that trains it."""
    width: float


class Condition(Section):
    """A run of a variation."""

    method: str
    """The row that is varied."""
    condition: str
    run: str
    """Its folder: that of another run, if the settings are the same."""


class StudyJob(Section):
    """The slice that the reporting stages depend on: which runs a study has, and what they mean."""

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
        runs = dict.fromkeys(self.compare, self.seeds)
        for conditions in self.variations().values():
            for condition in conditions:
                runs.setdefault(condition.run, self.variation_seeds)
        return runs


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
    return validate(model, tree, source=str(path))


def validate(model: type[S], tree: Mapping[str, Any], *, source: str, prefix: str = "") -> S:
    """Return a tree as a section.

    Args:
        model: The section.
        tree: Its content.
        source: Where it is from, for the message.
        prefix: Of the keys in the message.

    Raises:
        ConfigError: If a value is not allowed; all problems in one message.
    """
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
    location = list(problem["loc"])
    if location[1:] and location[-1] == "[key]" and problem["type"] != "extra_forbidden":
        location.pop()  # pydantic's mark of a name that is not allowed
    key = prefix + ".".join(map(str, location)) if location else ""
    if problem["type"] == "value_error":
        return [
            f"{key}: {line}" if key else line for line in str(problem["ctx"]["error"]).splitlines()
        ]
    if problem["type"] == "extra_forbidden":
        near = nearest(str(location[-1]), _known_keys(model, location[:-1]))
        return [f"`{key}` is not a known key.{near}"]
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


def nearest(word: str | None, known: Sequence[str] | Mapping[str, Any]) -> str:
    """Return the question whether the nearest known word was meant; empty if none is near."""
    match = difflib.get_close_matches(str(word), list(known), n=1)
    return f" Did you mean '{match[0]}'?" if match else ""
