"""Rows of `params.yaml`: methods, and variations of them (DESIGN.md 2.4, 5)."""

import hashlib
import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sfsc.settings.problems import shown
from sfsc.settings.section import Name, Section

SECTIONS = ("network", "loss", "aggregation", "train")
"""The sections of `params.yaml` that a row or a condition may change."""


class Overlay(Section):
    """What differs from the sections of the same name."""

    network: dict[str, Any] = Field(default_factory=dict)
    """Keys of `network`."""
    loss: dict[str, Any] = Field(default_factory=dict)
    """Keys of `loss`. A term is added by its name and dropped by null."""
    aggregation: dict[str, Any] | str = Field(default_factory=dict)
    """Keys of `aggregation`, or the name of another aggregator."""

    def sections(self) -> dict[str, Any]:
        """Return the sections that the overlay changes."""
        own = (name for name in SECTIONS if name in type(self).model_fields)
        return {name: getattr(self, name) for name in own if getattr(self, name)}


class Change(Overlay):
    """What differs in a condition: the methods of a study train alike, its conditions may not."""

    train: dict[str, Any] = Field(default_factory=dict)
    """Keys of `train`, but for `device` and `processes`."""
    rows: dict[Name, Overlay] = Field(default_factory=dict)
    """What differs for one row besides, by its name: such as a weight that suits this condition."""

    @model_validator(mode="after")
    def _check_train(self) -> Self:
        if fixed := sorted({"device", "processes"} & self.train.keys()):
            raise ValueError(
                f"A condition must not change `train.{fixed[0]}`, which all trainings of a study "
                "share."
            )
        return self


class Method(Overlay):
    """A row of `methods` (DESIGN.md 2.4)."""

    variant_of: Name | None = None
    """The row that this one starts from; that row's rule trains the variant."""
    networks: Literal["switchable", "each"] | None = None
    """One switchable network (the default), or `each`: a network for each width."""
    networks_of: Name | None = None
    """A row with `networks: each` whose networks this row is made of; nothing is trained."""
    reference: Name | None = None
    """The row whose full network is trained first and frozen; it is this row's full network."""
    switches: Literal["all", "smallest", "largest"] | None = None
    """Which of `network.widths` the row's network or networks have."""


class Variation(Section):
    """Runs that differ from rows of `methods` in one respect: an ablation or robustness study."""

    methods: tuple[Name, ...] = Field(min_length=1)
    """The rows that are varied."""
    vary: str | None = None
    """A key of network, loss, aggregation or train, such as `loss.terms.compatible.weight`."""
    values: tuple[Any, ...] = ()
    """The values of that key."""
    conditions: dict[str, Change] = Field(default_factory=dict)
    """In place of `vary` and `values`: what differs, by the condition's name."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Its seeds in place of `variation_seeds`. Compared rows among its runs get them, too."""

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        if bool(self.vary and self.values) == bool(self.conditions):
            raise ValueError("A variation must have either `vary` and `values` or `conditions`.")
        if self.vary and self.vary.partition(".")[0] not in SECTIONS:
            raise ValueError(
                "`vary` must be a key of network, loss, aggregation or train, such as "
                f"loss.terms.compatible.weight. Found '{self.vary}'."
            )
        for name, condition in self.conditions.items():
            if others := sorted(condition.rows.keys() - set(self.methods)):
                raise ValueError(
                    f"`rows` of a condition must be among the variation's `methods`. Found "
                    f"'{others[0]}' in '{name}'; `methods` are {shown(list(self.methods))}."
                )
            if not re.fullmatch(r"[a-z0-9_.-]+", name) or set(name) == {"."}:
                raise ValueError(
                    "A condition names folders and must consist of a-z, 0-9, '_', '-' and '.'. "
                    f"Found '{name}'."
                )
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"`seeds` must not repeat an entry. Found {shown(list(self.seeds))}.")
        names = [condition_name(value) for value in self.values]
        if len(set(names)) < len(names):
            raise ValueError(f"`values` must not repeat an entry. Found {shown(self.values)}.")
        return self

    def overlays(self) -> dict[str, Change]:
        """Return what each condition lays over the sections, by the condition's name."""
        if not self.vary:
            return self.conditions
        return {condition_name(value): _overlay(self.vary, value) for value in self.values}


def condition_name(value: object) -> str:
    """Return a value as the name of a condition: a folder and a word of a shell.

    Different values have different names; a value that the name does not show in full adds a
    digest.

    >>> [condition_name(v) for v in (0.0005, "kernel", [0.5, 1.0], 64, None)]
    ['0.0005', 'kernel', '0.5-1', '64', 'null']
    >>> [condition_name(v) for v in (0.12345678, 0.12345679, "b c.pth")]
    ['0.12345678', '0.12345679', 'b-c.pth-b7dda3']
    """
    if isinstance(value, list | tuple):
        return "-".join(map(condition_name, value))
    text = number_name(value) if isinstance(value, float) else value
    text = text if isinstance(text, str) else shown(text)
    word = re.sub(r"[^a-z0-9_.-]+", "-", text.lower())[:60].strip(".-")
    if word and word == text:
        return word
    digest = hashlib.sha256(repr(value).encode()).hexdigest()[:6]
    return f"{word}-{digest}".lstrip("-")


def number_name(value: float) -> str:
    """Return the shortest text that is exactly a number.

    >>> number_name(1.0), number_name(0.1234561)
    ('1', '0.1234561')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _overlay(key: str, value: Any) -> Change:
    """Return the overlay that gives one key a value.

    >>> _overlay("loss.base.margin", 0.5).loss
    {'base': {'margin': 0.5}}
    """
    for part in reversed(key.split(".")):
        value = {part: value}
    return Change.model_validate(value)
