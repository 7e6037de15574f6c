"""The reference of `params.yaml`, written from the types that validate it.

    python -m sfsc.settings.reference docs/parameters.md

Each key with its type, what is allowed, its value in `params.yaml` and the docstring of its field;
then each part with its settings and their defaults. A test compares the file with the types.
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
from pydantic_core import PydanticUndefined

from sfsc.files import replacing
from sfsc.settings import parts
from sfsc.settings.experiment import Params, load_params
from sfsc.settings.problems import shown
from sfsc.settings.section import Part, PartKind, Section

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
# Every key of `params.yaml`

Written by `make docs` from the types in `sfsc/settings/` and in the files of the parts; a test
compares. `sfsc check params.yaml [overlay ...]` validates an edit: all mistakes at once, before any
job. A study, `studies/<name>.yaml`, overlays `params.yaml` key by key.

A *part* (a data set, a backbone, a base loss, a loss term, an aggregator, a re-ranking) is a file
with settings of its own. It is a mapping with its `name`, as in
`aggregation: {name: projection, granularity: layer}`, or its bare name where all settings have
their defaults: `aggregation: mean`. In `data` and `loss.terms` the key is the name. Another `name`
in an overlay starts from that part's defaults; null drops a term.
"""
PARTS: tuple[tuple[str, parts.Kind], ...] = (
    ("data", "data.sets"),
    ("network.backbone", "networks.backbones"),
    ("loss.base", "losses.bases"),
    ("loss.terms", "losses.terms"),
    ("aggregation", "aggregation.aggregators"),
    ("evaluate.reranking", "retrieval.rerankings"),
)
"""The keys that hold parts, and the kind of the parts."""
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
    sections = [*_section(type(params), params, ""), *_parts()]
    return "\n\n".join([HEAD.rstrip(), *sections]) + "\n"


def _parts() -> Iterator[str]:
    """Yield the settings of every part, with their defaults."""
    for key, kind in PARTS:
        yield f"## Parts: `{key}`"
        for name in parts.names(kind):
            settings: type[Section] = parts.load(kind, name).Settings
            yield f"### `{name}`"
            yield from _section(settings, None, "", level="####")


def _section(
    model: type[Section], values: Section | None, prefix: str, *, level: str = "##"
) -> Iterator[str]:
    """Yield text and table of a section, then the sections in it, each model's once."""
    plain: list[str] = []
    nested: dict[type[Section], list[str]] = {}
    for name, field in model.model_fields.items():
        inner = _model_of(field)
        (nested.setdefault(inner, []) if inner else plain).append(name)
    meanings, schema = docstrings(model), model.model_json_schema()["properties"]
    yield " ".join((inspect.getdoc(model) or "").split())
    rows = [
        f"| `{prefix}{name}` | {_parts_of(model.model_fields[name]) or _allowed(schema[name])} "
        f"| {_value(model, values, name)} | {meanings[name]} |"
        for name in plain
        if name != "name"  # of a part: its heading
    ]
    if rows:
        column = "default" if values is None else "value"
        head = f"| key | allowed | {column} | meaning |"
        yield "\n".join([head, "| --- | --- | --- | --- |", *rows])
    for inner, names in nested.items():
        value = getattr(values, names[0], None)
        dot = ".<name>." if _is_mapping(model.model_fields[names[0]]) else "."
        value = value if isinstance(value, Section) else None
        yield f"{level} {', '.join(f'`{prefix}{name}{dot[:-1]}`' for name in names)}"
        yield from filter(None, (meanings[name] for name in names))
        yield from _section(inner, value, f"{prefix}{names[0]}{dot}", level=level)


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
    sections = (k for k in kinds if isinstance(k, type) and issubclass(k, Section))
    return next((k for k in sections if not issubclass(k, Part)), None)


def _parts_of(field: FieldInfo) -> str:
    """Return the names of the parts that a field can hold, empty if it holds none."""
    inner = [a for arg in get_args(field.annotation) for a in get_args(arg)]
    kinds = [m.kind for m in (*field.metadata, *inner) if isinstance(m, PartKind)]
    return ", ".join(f"`{name}`" for kind in kinds for name in parts.names(kind))


def _is_mapping(field: FieldInfo) -> bool:
    """Return whether a field holds sections by name."""
    return get_origin(field.annotation) is dict


def _allowed(schema: Mapping[str, Any]) -> str:
    """Return what a key may be in words."""
    if "$ref" in schema:
        return "a part"
    if "anyOf" in schema:
        return _allowed(next(s for s in schema["anyOf"] if s.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    bounds = [text.format(f"{schema[key]:g}") for key, text in BOUNDS.items() if key in schema]
    kind = {"string": "a name", "array": "a list", "object": "a mapping", None: "any"}.get(
        schema.get("type"), schema.get("type")
    )
    if schema.get("type") == "array" and "items" in schema:
        kind = f"a list: {_allowed(schema['items'])}"
    elif "prefixItems" in schema:
        kind = f"a list: {', '.join(_allowed(s) for s in schema['prefixItems'])}"
        bounds = []
    return ", ".join(filter(None, [kind, *bounds]))


def _value(model: type[Section], values: Section | None, name: str) -> str:
    """Return the value of a key; without values, its default."""
    field = model.model_fields[name]
    value = (
        field.get_default(call_default_factory=True) if values is None else getattr(values, name)
    )
    if value is PydanticUndefined:
        return ""
    if isinstance(value, Part):
        return f"`{value.name}`"
    return f"`{shown(value)}`".replace("'", "")


def main() -> None:
    """Write the file that the command line names."""
    (name,) = sys.argv[1:]
    text = render(load_params([ROOT / "params.yaml"]))
    with replacing(Path(name)) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
