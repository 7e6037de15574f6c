"""The base class of every section of `params.yaml`, and the types of its values."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, model_validator
from pydantic_core import PydanticCustomError

from sfsc.settings import parts

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
StudyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]


class Section(BaseModel):
    """A section of `params.yaml`: immutable, strictly typed, unknown keys refused, numbers finite.

    A list of YAML is a tuple here.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _read_lists(cls, tree: Any) -> Any:
        return _tuples(tree) if isinstance(tree, dict) else tree


def _tuples(value: Any) -> Any:
    """Return a tree with its lists as tuples."""
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


class Part(Section):
    """The settings of a part: the `name` of its file, and what that file lets a user set."""

    name: str
    """The part, a file of its package; by default the file that defines the class."""

    @model_validator(mode="before")
    @classmethod
    def _name_after_file(cls, tree: Any) -> Any:
        file = cls.__module__.rpartition(".")[2]
        return {"name": file} | tree if isinstance(tree, dict) else tree


class TermSettings(Part):
    """The settings that every loss term has."""

    needs: ClassVar[Literal["nothing", "submodels", "target"]] = "nothing"
    """What the term acts on: any network, the sub-models of a switchable network, or a network that
    there is another one to be compatible with. A row without it must not have the term."""

    weight: Positive = 1.0
    """Weight of the term in a sub-model's objective."""


class PartKind:
    """Reads the settings of a part of one kind; `fields` of a section carry it as metadata.

    In YAML a part is a mapping with its `name`, or its bare name if all its settings have their
    defaults.
    """

    def __init__(self, kind: parts.Kind) -> None:
        self.kind = kind

    def __call__(self, value: Any) -> Any:
        """Return the part's settings, of the type that its file defines."""
        if isinstance(value, Part):
            return value
        tree = {"name": value} if isinstance(value, str) else value
        if not isinstance(tree, dict) or "name" not in tree:
            raise PydanticCustomError(
                "part", "Input should be a name, or a mapping with the key `name`"
            )
        known = parts.names(self.kind)
        if tree["name"] not in known:
            raise PydanticCustomError(
                "part_name",
                "Input should be {known}, a file of sfsc/{folder}",
                {"known": " or ".join(known), "folder": self.kind.replace(".", "/")},
            )
        return parts.load(self.kind, tree["name"]).Settings.model_validate(tree)


def named(tree: Any) -> Any:
    """Return a mapping of parts by name with each name written into the part's own mapping.

    A part that is null is left out, so that an overlay can drop it.

    >>> named({"triplet": {"margin": 0.3}, "compatible": None})
    {'triplet': {'name': 'triplet', 'margin': 0.3}}
    """
    if not isinstance(tree, dict):
        return tree
    return {
        key: {"name": key} | value if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None
    }


_BASE_LOSS = PartKind("losses.bases")
_TERM = PartKind("losses.terms")
_AGGREGATOR = PartKind("aggregation.aggregators")
_BACKBONE = PartKind("networks.backbones")
_DATA_SET = PartKind("data.sets")
_RERANKING = PartKind("retrieval.rerankings")

BaseLossPart = Annotated[SerializeAsAny[Part], BeforeValidator(_BASE_LOSS), _BASE_LOSS]
TermPart = Annotated[SerializeAsAny[TermSettings], BeforeValidator(_TERM), _TERM]
AggregatorPart = Annotated[SerializeAsAny[Part], BeforeValidator(_AGGREGATOR), _AGGREGATOR]
BackbonePart = Annotated[SerializeAsAny[Part], BeforeValidator(_BACKBONE), _BACKBONE]
DataSetPart = Annotated[SerializeAsAny[Part], BeforeValidator(_DATA_SET), _DATA_SET]
RerankingPart = Annotated[SerializeAsAny[Part], BeforeValidator(_RERANKING), _RERANKING]
