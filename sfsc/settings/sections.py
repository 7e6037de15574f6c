"""The sections that describe one training: network, loss, aggregation, optimisation, data."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from sfsc.settings.section import (
    BackbonePart,
    BaseLossPart,
    DataSetPart,
    NonNegative,
    Positive,
    RerankingPart,
    Section,
    Share,
    TermPart,
    named,
)


class Data(Section):
    """The prepared sets: a row for each data set, with the settings that its file defines."""

    # The name of a set is a key of `data`, beside the field below.
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, DataSetPart] = Field(init=False)

    validation_fraction: float = Field(gt=0.0, lt=0.5)
    """Share of the training identities held out for validation."""

    @model_validator(mode="before")
    @classmethod
    def _name_sets(cls, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        return {key: tree[key] for key in tree if key in cls.model_fields} | named(
            {key: tree[key] for key in tree if key not in cls.model_fields}
        )

    @property
    def sets(self) -> dict[str, DataSetPart]:
        """The settings of each data set, by name."""
        return self.__pydantic_extra__


class Network(Section):
    """The network of every method (DESIGN.md 2.1)."""

    backbone: BackbonePart
    """A file of sfsc/networks/backbones: its name, or a mapping with its name and settings."""
    widths: tuple[float, ...] = Field(min_length=1, max_length=8)
    """Crop ratios r_1 < ... < r_M, each in (0, 1]; in `params.yaml` the last is 1."""
    embedding_dim: int = Field(ge=2, le=4096)
    """D, the same for every sub-model."""
    pooling: Literal["average", "gem"]
    """Pooling of the last feature map. `gem` is the generalised mean; each sub-model has its own
    exponent."""
    pretrained: str | None
    """File of weights to start the backbone from: a state dict, perhaps in a checkpoint, as .pth or
    .safetensors. Those of convolutional networks are matched by order and shape, those of
    transformers by timm's names. null starts from random weights."""

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        ascending = all(a < b for a, b in zip(self.widths, self.widths[1:], strict=False))
        if not ascending or not 0.0 < self.widths[0] <= self.widths[-1] <= 1.0:
            raise ValueError(
                f"`widths` must be ascending and lie in (0, 1]. Found {list(self.widths)}."
            )
        return self

    def architecture(self) -> dict[str, Any]:
        """Return the arguments of `sfsc.networks.build.EmbeddingNetwork` beside the channels."""
        values = self.model_dump(mode="json", include={"widths", "embedding_dim", "pooling"})
        settings = self.backbone.model_dump(mode="json", exclude={"name"})
        named = {"backbone_settings": settings} if settings else {}
        return {"backbone": self.backbone.name, **values, **named}


class Submodels(Section):
    """What differs for the sub-models of a switchable network, the full one excepted."""

    base_weight: NonNegative = 1.0
    """Weight of their base loss; the full model's is 1."""
    classifier_gradient: Literal["full", "all"] = "full"
    """Whose losses move the shared classifier: only the full model's, or all sub-models'."""
    priority: Literal["equal", "uncertainty"] = "equal"
    """`uncertainty` weights the gradient of every sub-model, the full one's too, by its mean
    uncertainty on the batch over the mean of all sub-models."""


class Loss(Section):
    """The losses of the sub-models (DESIGN.md 2.2, 2.4)."""

    base: BaseLossPart
    """Base loss: a file of sfsc/losses/bases, its name or a mapping with its name and settings."""
    terms: Annotated[dict[str, TermPart], BeforeValidator(named)] = Field(default_factory=dict)
    """Further losses, by name: files of sfsc/losses/terms. A term that is absent or null does not
    exist."""
    submodels: Submodels | None = Field(default_factory=Submodels)
    """Null in the slice of a network with one width, which has no sub-models."""


class Train(Section):
    """Optimisation, the same for every method of a study."""

    epochs: int = Field(ge=1)
    """Passes over the training identities."""
    identities_per_batch: int = Field(ge=2, le=65536)
    """P of the P x K sampler."""
    images_per_identity: int = Field(ge=2, le=4096)
    """K of the P x K sampler."""
    optimizer: Literal["sgd", "adam"]
    """`sgd` has Nesterov momentum 0.9."""
    learning_rate: Positive
    """Peak learning rate."""
    weight_decay: NonNegative
    """L2 penalty on all parameters."""
    schedule: Literal["cosine", "step"]
    """How the learning rate falls after the warm-up."""
    milestones: tuple[Share, ...] | None = None
    """Shares of the training at which schedule `step` divides the learning rate by 10; null for
    `cosine`."""
    warmup: float = Field(ge=0.0, lt=1.0)
    """Share of the training over which the learning rate rises linearly."""
    average_decay: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the moving average of the weights that a step keeps; 0 = off. Validation judges the
    average, and a training leaves it."""
    gradient_clip: NonNegative
    """Largest norm of the update; 0 turns clipping off."""
    validate_every: int = Field(ge=1)
    """Epochs between validations; the last epoch is always validated."""
    checkpoint_every: int = Field(ge=1)
    """Epochs between checkpoints."""
    conflicts_every: int = Field(ge=1)
    """Steps between records of the pairwise cosines."""
    device: Literal["cpu", "cuda"]
    """Where to train. A missing GPU is an error."""
    precision: Literal["float32", "bf16", "fp16"]
    """Type of the network's activations. Weights, losses, gradients and their aggregation are
    float32."""
    processes: int = Field(ge=1)
    """Processes that share each batch, one per GPU. Each normalises its share and mines triplets in
    it."""
    gradient_checkpointing: bool
    """Compute a block's activations again for its gradients instead of keeping them."""
    cuda_graphs: bool = False
    """Record a step's GPU kernels once and launch them together. Not for losses that wait for a
    value of the GPU."""

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        if (self.schedule == "step") != (self.milestones is not None):
            raise ValueError(
                "`milestones` must be set with `schedule: step` and null with `schedule: cosine`. "
                f"Found `schedule = {self.schedule}`, `milestones = {self.milestones}`."
            )
        return self

    @model_validator(mode="after")
    def _check_graphs(self) -> Self:
        if self.cuda_graphs and self.device == "cpu":
            raise ValueError(
                "`cuda_graphs` must be false with `device: cpu`. Found `cuda_graphs = true`."
            )
        return self

    @model_validator(mode="after")
    def _check_processes(self) -> Self:
        if self.identities_per_batch % self.processes:
            raise ValueError(
                "`identities_per_batch` must be a multiple of `processes`. Found "
                f"{self.identities_per_batch} and {self.processes}."
            )
        return self


class Augmentation(Section):
    """Random changes of a training image, drawn anew for each image of each batch."""

    flip: bool = False
    """Mirror horizontally with probability 0.5."""
    rotation: float = Field(default=0.0, ge=0.0, le=180.0)
    """Degrees, uniform in [-rotation, rotation]."""
    translation: Share = 0.0
    """Share of the image side, uniform in both directions."""
    scale: tuple[Positive, Positive] = (1.0, 1.0)
    """Range of the zoom, uniform."""
    shear: float = Field(default=0.0, ge=0.0, lt=90.0)
    """Degrees, uniform in [-shear, shear]."""
    pad: int = Field(default=0, ge=0, le=128)
    """Black pixels on each side, before a random crop of the image's size."""
    colour: Share = 0.0
    """Largest relative jitter of brightness, contrast and saturation."""
    erasing: Share = 0.0
    """Probability of random erasing."""

    @model_validator(mode="after")
    def _check_scale(self) -> Self:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"`scale` must be [smallest, largest]. Found {list(self.scale)}.")
        return self


class Evaluate(Section):
    """Retrieval metrics (DESIGN.md 3)."""

    average_precision: Literal["step", "trapezoidal"]
    """The definition that summaries and tables use; both are computed."""
    ranks: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    """Ranks of the cumulative match characteristic."""
    reranking: RerankingPart | None = None
    """Re-ranks the gallery of every test: a file of sfsc/retrieval/rerankings; null turns it off.
    Validation is never re-ranked."""

    @model_validator(mode="after")
    def _check_ranks(self) -> Self:
        if 1 not in self.ranks:
            raise ValueError(
                f"`ranks` must contain 1, which the tables show. Found {list(self.ranks)}."
            )
        return self
