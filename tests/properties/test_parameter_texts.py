"""Whatever a parameter file holds, it is read or refused with sentences: never a traceback."""

import os
import random
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from sfsc import plan
from sfsc.errors import ConfigError
from sfsc.settings.experiment import load_params
from sfsc.settings.reading import read_tree

PARAMS = Path(__file__).parents[2] / "params.yaml"
TEXTS = int(os.environ.get("SFSC_FUZZ_TEXTS", "150"))
"""How many texts are tried."""
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, 3, -1, 0.5, 1.0, 1e-9, 1e300, -0.0, 10**11, 2**64, 10**400),
    *("", "x", "sfsc", "bct", "softmax", "arcface", "adam", "null", "1e-3", "é人", "../a", "a b"),
    *("{}", "a\nb", "\x07", "#", "@", "sum", "synthetic", "results", "k_reciprocal", "y" * 300),
    *([], [[]], [1], [0.25, 1.0], [1.0, 0.5], ["sfsc"], ["sfsc", "sfsc"], [None], [{}], [0, 1]),
    *({}, {"name": "softmax"}, {"name": 1}, {"name": None}, {"weight": 1.0}, {"a": {"b": {}}}),
    {"methods": ["sfsc"], "vary": "loss.terms.compatible.weight", "values": [0.5, 0.7]},
    {"methods": ["sfsc"], "vary": "network.pretrained", "values": ["a b", None, 1.5, [1], {}]},
    {"methods": ["bct"], "conditions": {"x": {"network": {"widths": [0.5, 1.0]}}}},
    {"variant_of": "sfsc", "loss": {"base": "circle"}},
    {"networks": "each", "reference": "independent"},
    {"networks_of": "independent", "switches": "smallest"},
)
TOKENS = (
    *("\t", ":", "- ", "? ", "&a ", "*a ", "<<: ", "!!python/object:os.system ", "|", "\x00", "%"),
    *("---\n", "...\n", "'", '"', "{", "]", "\ufeff", "\r", ".nan", ".inf", "0x1F", "0o17", "1:30"),
    *("yes", "study: b\n", "train: {}\n", "seeds: [0]\n", "\ud7ff", "2026-01-01", "~", "=", "!x "),
)


def small_tree() -> dict[str, Any]:
    """Return a complete tree with few variations, which is read quickly."""
    tree = read_tree([PARAMS])
    tree["ablation"] = {"parts": tree["ablation"]["parts"]}
    tree["robustness"] = {}
    return tree


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value of a tree."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in entries:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def mutate(tree: dict[str, Any], draw: random.Random) -> None:
    """Change one value, drop a key, rename one, or add an unknown one."""
    *path, last = draw.choice(list(places(tree)))
    room: Any = tree
    for key in path:
        room = room[key]
    kind = draw.choice(("value", "value", "value", "drop", "rename", "add", "swap"))
    if kind == "value":
        room[last] = deepcopy(draw.choice(VALUES))
    elif kind == "swap":
        room[last] = deepcopy(draw.choice([value_of(tree, p) for p in places(tree)]))
    elif isinstance(room, list) or kind == "drop":
        del room[last]
    elif kind == "rename":
        room[draw.choice((f"{last}x", str(last)[1:], 1, None, 0.5, True))] = room.pop(last)
    else:
        room[draw.choice(("loss", "name", "x", "weight", "methods", "search", "b c"))] = deepcopy(
            draw.choice(VALUES)
        )


def value_of(tree: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path."""
    for key in path:
        tree = tree[key]
    return tree


def text_of(tree: dict[str, Any], draw: random.Random) -> bytes:
    """Return a tree as YAML, now and then with a token or a line in a wrong place."""
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    lines = text.splitlines(keepends=True)
    for _ in range(draw.choice((0, 0, 0, 1, 2))):
        line = draw.randrange(len(lines))
        column = draw.randrange(len(lines[line]) + 1)
        kind = draw.choice(("token", "double", "drop"))
        if kind == "token":
            lines[line] = lines[line][:column] + draw.choice(TOKENS) + lines[line][column:]
        else:
            lines[line] *= 2 if kind == "double" else 0
    content = "".join(lines).encode("utf-8", "surrogatepass")
    return content if draw.random() > 0.02 else content.decode().encode("utf-16")


def verdict(paths: list[Path]) -> str | None:
    """Return the refusal of parameter files; None if they are valid and the study can be planned.

    Any other exception than a refusal is a defect.
    """
    try:
        params = load_params(paths)
    except ConfigError as error:
        return str(error)
    plan.preparations(params)
    plan.training_dependencies(params)
    plan.evaluations(params)
    return None


def test_a_text_is_valid_or_refused_with_sentences(tmp_path: Path):
    """Valid and broken texts, each as params.yaml itself or as an overlay of it."""
    draw, complete, n_valid = random.Random(0), small_tree(), 0  # noqa: S311 - no secret
    base = tmp_path / "params.yaml"
    base.write_text(yaml.safe_dump(complete, sort_keys=False), encoding="utf-8")
    for number in range(TEXTS):
        tree = deepcopy(complete)
        for _ in range(draw.choice((0, 1, 1, 2, 3))):
            mutate(tree, draw)
        is_overlay = number % 4 == 0
        if is_overlay:
            tree = {key: tree[key] for key in draw.sample(list(tree), k=min(3, len(tree)))}
        file = tmp_path / "text.yaml"
        file.write_bytes(text_of(tree, draw))
        refusal = verdict([base, file] if is_overlay else [file])
        assert refusal is None or refusal.startswith((str(file), str(base)))
        n_valid += refusal is None
    assert n_valid > TEXTS // 10
