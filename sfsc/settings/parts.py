"""Parts: what `params.yaml` names and one file builds.

A base loss, a loss term, an aggregator, a backbone, a data set, a way to re-rank and a figure are
parts. The base loss `arcface` is the module `sfsc/losses/bases/arcface.py`; its class `Settings`
holds what `params.yaml` can set, its function `build` makes the loss. A new part is a new file:
there is no list to add it to. A job depends on the parts that its settings name, so editing a part
reruns the jobs that use it and no others.
"""

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Literal

Kind = Literal[
    "aggregation.aggregators",
    "data.sets",
    "losses.bases",
    "losses.terms",
    "networks.backbones",
    "reporting.figures",
    "retrieval.rerankings",
]
"""A package of parts: its path below `sfsc`."""

ROOT = Path(__file__).resolve().parents[1]


@cache
def names(kind: Kind) -> tuple[str, ...]:
    """Return the sorted names of the parts of a kind. A file that starts with `_` is not a part.

    >>> names("data.sets")
    ('custom', 'fruits360', 'grocery', 'market1501', 'msmt17', 'omniglot', 'synthetic', 'veri776')
    """
    return tuple(sorted(p.stem for p in ROOT.joinpath(*kind.split(".")).glob("[!_]*.py")))


def module_name(kind: Kind, name: str) -> str:
    """Return the dotted name of a part's module.

    >>> module_name("losses.bases", "arcface")
    'sfsc.losses.bases.arcface'
    """
    return f"{ROOT.name}.{kind}.{name}"


def load(kind: Kind, name: str) -> ModuleType:
    """Import a part.

    Args:
        kind: Its package.
        name: One of `names(kind)`.
    """
    return importlib.import_module(module_name(kind, name))
