"""The reference of `params.yaml`, written from the types that validate it.

    python -m sfsc.parameter_reference docs/parameters.md

Each key with its type, what is allowed, its value in `params.yaml` and the docstring of its field.
A test compares the file with what the types say.
"""

import ast
import inspect
import itertools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from sfsc.files import replacing
from sfsc.settings import parts
from sfsc.settings.experiment import Params, load_params
from sfsc.settings.section import Section
from sfsc.settings.sections import Data

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# Every key of `params.yaml`

Written by `make docs` from the types in `sfsc/config.py` and `sfsc/params.py`; a test holds it to
them. `sfsc check params.yaml [overlay ...]` validates an edit: all mistakes at once, before any
job. A study, `studies/<name>.yaml`, overlays `params.yaml` key by key.
"""
PARTS: dict[str, parts.Kind] = {
    "backbone": "networks.backbones",
    "base": "losses.bases",
    "aggregator": "aggregation.aggregators",
    "datasets": "data.sets",
}
"""Keys whose values are files."""
BOUNDS = {
    "minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}",
    "minItems": "at least {} of them", "maxItems": "at most {}",
}  # fmt: skip
"""Keywords of a JSON schema as a reader sees them."""


def render(params: Params) -> str:
    """Return the reference as Markdown.

    Args:
        params: What `params.yaml` says.
    """
    sections = [*_section(type(params), params, ""), *_further_sets()]
    return "\n\n".join([HEAD.rstrip(), *sections]) + "\n"


def _further_sets() -> Iterator[str]:
    """Yield the sections of the data sets that `params.yaml` has no row for."""
    for name in parts.names("data.sets"):
        if name not in Data.model_fields:
            yield f"## `data.{name}`"
            yield "Not in `params.yaml`: a study that uses the set adds the row."
            yield from _section(parts.load("data.sets", name).Settings, None, f"data.{name}.")


def _section(model: type[Section], values: Section | None, prefix: str) -> Iterator[str]:
    """Yield text and table of a section, then the sections in it, each model's once."""
    plain: list[str] = []
    nested: dict[type[Section], list[str]] = {}
    for name, field in model.model_fields.items():
        inner = _model_of(field)
        (nested.setdefault(inner, []) if inner else plain).append(name)
    meanings, schema = docstrings(model), model.model_json_schema()["properties"]
    yield " ".join((inspect.getdoc(model) or "").split())
    rows = [
        f"| `{prefix}{name}` | {_allowed(name, schema[name])} | {_value(values, name)} "
        f"| {meanings[name]} |"
        for name in plain
    ]
    if rows:
        yield "\n".join(["| key | allowed | value | meaning |", "| --- | --- | --- | --- |", *rows])
    for inner, names in nested.items():
        value = getattr(values, names[0], None)
        dot = ".<name>." if _is_mapping(model.model_fields[names[0]]) else "."
        value = value if isinstance(value, Section) else None
        yield f"## {', '.join(f'`{prefix}{name}{dot[:-1]}`' for name in names)}"
        yield from filter(None, (meanings[name] for name in names))
        yield from _section(inner, value, f"{prefix}{names[0]}{dot}")


def docstrings(model: type[Section]) -> dict[str, str]:
    """Return the docstring below each field of a section; empty where there is none.

    Args:
        model: The section; fields of the sections that it extends count, too.
    """
    texts = dict.fromkeys(model.model_fields, "")
    for base in reversed(model.__mro__):
        if issubclass(base, Section) and base is not Section:
            nodes = ast.walk(ast.parse(dedent(inspect.getsource(base))))
            body = next(node.body for node in nodes if isinstance(node, ast.ClassDef))
            for field, below in itertools.pairwise(body):
                if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                    value = ast.literal_eval(below.value)
                    texts[ast.unparse(field.target)] = " ".join(value.split())
    return texts


def _model_of(field: FieldInfo) -> type[Section] | None:
    """Return the section that a field holds, itself or by name; None for plain values."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, Section)), None)


def _is_mapping(field: FieldInfo) -> bool:
    """Return whether a field holds sections by name."""
    return get_origin(field.annotation) is dict


def _allowed(name: str, schema: Mapping[str, Any]) -> str:
    """Return what a key may be in words."""
    if name in PARTS:
        names = ", ".join(f"`{part}`" for part in parts.names(PARTS[name]))
        return f"some of {names}" if schema.get("type") == "array" else names
    if "anyOf" in schema:
        return _allowed(name, next(s for s in schema["anyOf"] if s.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    bounds = [text.format(f"{schema[key]:g}") for key, text in BOUNDS.items() if key in schema]
    kind = {"string": "a name", "array": "a list", "object": "a mapping", None: "any"}.get(
        schema.get("type"), schema.get("type")
    )
    if schema.get("type") == "array" and "items" in schema:
        kind = f"a list: {_allowed(name, schema['items'])}"
    elif "prefixItems" in schema:
        kind = f"a list: {', '.join(_allowed(name, s) for s in schema['prefixItems'])}"
        bounds = []
    return ", ".join(filter(None, [kind, *bounds]))


def _value(values: Section | None, name: str) -> str:
    if values is None:
        return ""
    value = getattr(values, name)
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main() -> None:
    """Write the file that the command line names."""
    (name,) = sys.argv[1:]
    text = render(load_params([ROOT / "params.yaml"]))
    with replacing(Path(name)) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
