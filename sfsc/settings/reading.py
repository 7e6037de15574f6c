"""YAML files to one tree of plain values: YAML 1.2, as DVC reads it, overlays merged."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from sfsc.errors import ConfigError
from sfsc.settings.problems import refusal

TEXT = "tag:yaml.org,2002:str"
MERGE = "tag:yaml.org,2002:merge"


def read_tree(paths: Sequence[Path]) -> dict[str, Any]:
    """Read `params.yaml` and the overlays after it.

    Args:
        paths: The file and its overlays; later files win, key by key (see `merge`).

    Raises:
        ConfigError: If a file is unreadable, repeats a key or has a key that is not text.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        merged = merge(merged, _read(path))
    return merged


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `overlay`, mappings merged key by key.

    A mapping with another `name` is another part: it replaces the whole of what it overlays, so
    that no setting of the old part is left in the new one. A bare name stands for its mapping.

    >>> merge({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
    {'a': {'x': 1, 'y': 3}}
    >>> merge({"base": {"name": "arcface", "margin": 0.5}}, {"base": {"name": "softmax"}})
    {'base': {'name': 'softmax'}}
    >>> merge({"base": "arcface"}, {"base": {"margin": 0.5}})
    {'base': {'name': 'arcface', 'margin': 0.5}}
    """
    both = dict(base)
    for key, value in overlay.items():
        old = both.get(key)
        if isinstance(old, str) and isinstance(value, dict):
            old = {"name": old}
        both[key] = merge(old, value) if _is_same_part(old, value) else value
    return both


def _is_same_part(old: Any, value: Any) -> TypeGuard[dict[str, Any]]:
    """Return whether both are mappings of settings of the same part, or not of parts at all."""
    if not isinstance(old, dict) or not isinstance(value, dict):
        return False
    return bool(value.get("name", old.get("name")) == old.get("name"))


def _read(path: Path) -> dict[str, Any]:
    yaml = YAML(typ="safe", pure=True)
    try:
        text = path.read_text(encoding="utf-8")
        problems = list(_key_problems(yaml.compose(text), set()))
        tree = None if problems else yaml.load(text)
    except (OSError, UnicodeDecodeError, ValueError, YAMLError) as error:
        raise ConfigError(
            f"{path} must be a readable YAML file. Found: {' '.join(str(error).split())}"
        ) from error
    if problems:
        raise refusal(str(path), problems)
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must hold a mapping of sections. Found a {type(tree).__name__}.")
    return tree


def _key_problems(node: Node | None, seen: set[int]) -> Iterator[str]:
    """Yield which keys are no text or are repeated, each with its line."""
    if node is None or isinstance(node, ScalarNode) or id(node) in seen:  # an alias comes again
        return
    seen.add(id(node))
    lines: dict[str, int] = {}
    for entry in node.value:
        key, value = entry if isinstance(node, MappingNode) else (None, entry)
        if key is not None and key.tag != MERGE:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode) or key.tag != TEXT:
                found = key.value if isinstance(key, ScalarNode) else "a list or a mapping"
                yield f"Line {line}: a key must be text. Found `{found}`; put it in quotes."
            elif key.value in lines:
                first = lines[key.value]
                both = f"Lines {first} and {line}" if first < line else f"Two places in line {line}"
                yield f"{both} must not both set `{key.value}`; drop one."
            else:
                lines[key.value] = line
        yield from _key_problems(value, seen)
