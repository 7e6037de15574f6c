"""Whatever stands in `params.yaml`, a user gets parameters or sentences, never a traceback."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfsc.errors import ConfigError
from sfsc.settings.experiment import Params, load_params, parse_params
from sfsc.settings.reading import read_tree

ROOT = Path(__file__).parents[2]
TREE = read_tree([ROOT / "params.yaml"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["sfsc", "synthetic", "full", "all", "kernel", "resnet18", "../x", "a b"])
    | st.dates()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6) | st.integers(0, 9) | st.none(), inner, max_size=4)
    ),
    max_leaves=8,
)
"""What YAML can hold: scalars of every kind, lists, mappings with keys that are no names."""


def paths(tree: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values of a tree, its own among them."""
    if not isinstance(tree, dict | list):
        return [prefix]
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [prefix, *(path for key, value in items for path in paths(value, (*prefix, key)))]


PATHS = [path for path in paths(TREE) if path]


def put(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    """Replace what stands at a path, if it is still there."""
    *parents, last = path
    for key in parents:
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(tree, dict) or (isinstance(tree, list) and last in range(len(tree))):
        tree[last] = value


def check(tree: Any) -> None:
    """Parse a tree; a refusal must be sentences that name what was found."""
    try:
        params = parse_params(tree)
    except ConfigError as error:
        first, *problems = str(error).splitlines()
        assert first.startswith("params.yaml is not valid (") == bool(problems)
        assert problems or first.startswith("params.yaml must hold all sections")
    else:
        assert isinstance(params, Params)
        params.runs()


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from(PATHS), VALUES), min_size=1, max_size=3))
def test_any_value_anywhere(changes: list[tuple[tuple[Any, ...], Any]]):
    """One to three values of the shipped file are replaced by anything."""
    tree = copy.deepcopy(TREE)
    for path, value in changes:
        put(tree, path, value)
    check(tree)


@settings(max_examples=100, deadline=None)
@given(path=st.sampled_from(PATHS), key=st.text(max_size=8), value=VALUES)
def test_any_key_anywhere(path: tuple[Any, ...], key: str, value: Any):
    """A key that nobody knows is added beside a known one, or a known one is left out."""
    tree = copy.deepcopy(TREE)
    put(tree, (*path[:-1], key), value)
    check(tree)


@settings(max_examples=100, deadline=None)
@example(tree={"[key]": None})  # what pydantic calls a mapping's key
@given(tree=st.dictionaries(st.sampled_from(list(TREE)) | st.text(max_size=6), VALUES, max_size=6))
def test_any_tree(tree: dict[Any, Any]):
    """A file that has little to do with the shipped one."""
    check(tree)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_file(content: bytes, tmp_path_factory: pytest.TempPathFactory):
    """Not even a file that is no YAML."""
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"params\.yaml (must|is not valid)"):
        load_params([path])
