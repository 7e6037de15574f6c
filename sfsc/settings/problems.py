"""From pydantic's errors to sentences: the key, what must hold, what was found."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from sfsc.errors import ConfigError
from sfsc.settings import parts
from sfsc.settings.section import PartKind, Section

S = TypeVar("S", bound=Section)

TYPES = {
    "bool_type": "be true or false",
    "dict_type": "be a mapping of keys",
    "finite_number": "be a finite number",
    "float_type": "be a number",
    "int_type": "be a whole number",
    "model_type": "be a mapping of keys",
    "string_type": "be text",
    "tuple_type": "be a list",
}
"""What must hold where pydantic's own words are those of Python."""


def validate(model: type[S], tree: Mapping[str, Any], *, source: str, prefix: str = "") -> S:
    """Return a tree as a section.

    Args:
        model: The section.
        tree: Its content.
        source: The file or key that the tree is from, for the message.
        prefix: Put before each key in the message.

    Raises:
        ConfigError: If a value is not allowed; all problems in one message.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise refusal(source, describe(model, tree, error, prefix)) from None


def refusal(source: str, sentences: Iterable[str]) -> ConfigError:
    """Return the error that lists what is wrong with a source, each problem once."""
    lines = list(dict.fromkeys(sentences))
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    listed = "\n".join(f"  - {line}" for line in lines)
    return ConfigError(f"{source} is not valid ({count}):\n{listed}")


def sentences_of(error: ConfigError) -> list[str]:
    """Return the sentences that `refusal` listed."""
    return [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]


def shown(value: object) -> str:
    """Return a value as YAML would show it.

    >>> shown([0.5, True, None, "x"])
    "[0.5, true, null, 'x']"
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {shown(v)}' for key, v in value.items())}}}"
    return repr(value)


def nearest(word: object, known: Iterable[str]) -> str:
    """Return the question whether the nearest known word was meant; empty if none is near."""
    match = difflib.get_close_matches(str(word), list(known), n=1)
    return f" Did you mean '{match[0]}'?" if match else ""


def known_near(model: type[Section], tree: Mapping[str, Any], path: Sequence[str]) -> str | None:
    """Return the known key that an unknown one was probably meant to be; None if there is none."""
    known = list(_known_keys(model, tree, path[:-1]))
    match = [] if path[-1] in known else difflib.get_close_matches(path[-1], known, n=1)
    return next(iter(match), None)


def describe(
    model: type[Section], tree: Mapping[str, Any], error: ValidationError, prefix: str = ""
) -> list[str]:
    """Return the sentences of pydantic's problems with a tree; see `validate`."""
    problems = [dict(problem) for problem in error.errors()]
    causes = [problem for problem in problems if not _is_echo(problem, problems)]
    return [line for problem in causes for line in _describe(model, tree, problem, prefix)]


def _is_echo(problem: dict[str, Any], problems: Sequence[dict[str, Any]]) -> bool:
    """Whether a list is called too short only because an entry of it was refused."""
    location = problem["loc"]
    inside = (p for p in problems if len(p["loc"]) > len(location))
    return problem["type"] == "too_short" and any(
        p["loc"][: len(location)] == location for p in inside
    )


def _describe(
    model: type[Section], tree: Mapping[str, Any], problem: dict[str, Any], prefix: str
) -> list[str]:
    """One sentence per problem: key, what must hold, what was found, the nearest known key."""
    location = list(problem["loc"])
    if location[1:] and location[-1] == "[key]" and problem["type"] != "extra_forbidden":
        location.pop()  # pydantic's mark of a name that is not allowed
    key = prefix + ".".join(map(str, location)) if location else ""
    if problem["type"] == "value_error":
        lines = str(problem["ctx"]["error"]).splitlines()
        return [f"{key}: {line}" if key else line for line in lines]
    if problem["type"] == "extra_forbidden":
        near = nearest(location[-1], _known_keys(model, tree, location[:-1]))
        return [f"`{key}` is not a known key.{near}"]
    if problem["type"] == "missing":
        return [f"`{key}` must be set. Found nothing."]
    found = problem["input"]
    if problem["type"] == "part_name":
        found = found["name"] if isinstance(found, dict) else found
    rule = problem["msg"].partition(" should ")[2].partition(" after validation")[0]
    must = TYPES.get(problem["type"], rule or problem["msg"])
    return [f"`{key}` should {must}. Found `{shown(found)}`."]


def _known_keys(model: type[BaseModel], tree: Any, location: Sequence[str | int]) -> Iterable[str]:
    """Return the keys that are known at a location of a tree, none if any key is allowed there."""
    kind: Any = model
    for key in location:
        tree = tree.get(key) if isinstance(tree, dict) else None
        kind = _settings(_below(kind, str(key)), tree, str(key))
    return kind.model_fields if _is_model(kind) else []


def _below(kind: Any, key: str) -> Any:
    """Return the type of what a key of a section or of a mapping holds."""
    if _is_model(kind):
        field = kind.model_fields.get(key)
        return field and Annotated[(field.annotation, *(field.metadata or [None]))]
    return get_args(kind)[1] if get_origin(kind) is dict else None


def _settings(kind: Any, tree: Any, key: str) -> Any:
    """Return the section that a type stands for; a part is named in the tree or by its key."""
    if get_origin(kind) is Annotated:
        kind, *metadata = get_args(kind)
        for part in (m for m in metadata if isinstance(m, PartKind)):
            name = tree.get("name", key) if isinstance(tree, dict) else tree
            if name in parts.names(part.kind):
                return parts.load(part.kind, str(name)).Settings
    return next(filter(_is_model, get_args(kind)), kind)  # a section or null


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
