"""All mistakes at once: a mistake in one key must not hide those that are found later.

What holds between keys can be checked only where all keys are valid. So each mistake is mended, as
well as it can be, and the rest is checked again.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from pydantic import ValidationError

from sfsc.settings.problems import describe, known_near
from sfsc.settings.section import Section

ROUNDS = 10
"""Each round finds what the mistakes of the one before it hid; there are few such layers."""


class Mended(NamedTuple):
    """A tree without the mistakes that were found in it."""

    tree: dict[str, Any]
    replaced: frozenset[str]
    """Keys whose value is another one now: what is said about them is no longer the user's."""


def all_problems(
    model: type[Section], tree: Mapping[str, Any], fallback: Mapping[str, Any]
) -> list[str]:
    """Return a sentence for each mistake in a tree.

    Args:
        model: The section that the tree must be.
        tree: Its content.
        fallback: A tree that takes the place of what is wrong, such as `params.yaml` for an overlay
            of it. It may be wrong itself.
    """
    lines: list[str] = []
    mended = Mended(dict(tree), frozenset())
    for _ in range(ROUNDS):
        try:
            model.model_validate(mended.tree)
        except ValidationError as error:
            found = describe(model, mended.tree, error)
            lines += [line for line in found if not _speaks_of(mended.replaced, line)]
            before = mended.tree
            mended = _mend(model, mended, fallback, [problem["loc"] for problem in error.errors()])
            if mended.tree == before:
                break
        else:
            break
    return list(dict.fromkeys(lines))


def _mend(
    model: type[Section],
    mended: Mended,
    fallback: Mapping[str, Any],
    places: Iterable[Sequence[str | int]],
) -> Mended:
    tree, replaced = deepcopy(mended.tree), set(mended.replaced)
    for place in places:
        path = _keys(place)
        if not path:  # a mistake between sections: nothing comes after it
            continue
        room = _value(tree, path[:-1])
        if not isinstance(room, dict):
            continue
        near = known_near(model, mended.tree, path) if path[-1] in room else None
        if near and near not in room:
            room[near] = room.pop(path[-1])
        elif isinstance(spare := _value(fallback, path[:-1]), dict) and path[-1] in spare:
            room[path[-1]] = spare[path[-1]]
            replaced |= {path[-1], ".".join(path)}
        elif path[-1] in room:
            del room[path[-1]]
            replaced |= {path[-1], ".".join(path)}
    return Mended(tree, frozenset(replaced))


def _speaks_of(keys: Iterable[str], line: str) -> bool:
    return any(f"`{key}`" in line or f"'{key}'" in line for key in keys)


def _keys(place: Sequence[str | int]) -> list[str]:
    """Return the keys that lead to a mistake: an entry of a list is not mended alone."""
    keys: list[str] = []
    for key in place:
        if isinstance(key, int) or key == "[key]":
            break
        keys.append(key)
    return keys


def _value(tree: Any, path: Iterable[str]) -> Any:
    """Return the value at a path; None if there is none."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
