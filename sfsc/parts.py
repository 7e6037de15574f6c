"""Parts that are found by their name: a part is a file, and the file's name is the part's.

The base loss `arcface`, say, is the module `sfsc/losses/base_losses/arcface.py` with a function
`build`. A new one is a new file: there is no list to add it to. What a job is made of is thus known
from its settings alone, so that editing a part reruns the jobs that use it and no other.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Literal

Kind = Literal[
    "aggregation.aggregators",
    "data.sets",
    "losses.base_losses",
    "networks.backbones",
    "reporting.figures",
    "retrieval.rerankings",
]
"""A package of parts: its path below `sfsc`."""


def names(kind: Kind) -> list[str]:
    """Return the names of the parts of a kind, sorted; files that start with `_` are none.

    >>> names("data.sets")
    ['custom', 'market1501', 'msmt17', 'omniglot', 'synthetic', 'veri776']
    """
    folder = Path(__file__).parent.joinpath(*kind.split("."))
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


def module_name(kind: Kind, name: str) -> str:
    """Return the dotted name of a part's module.

    >>> module_name("losses.base_losses", "arcface")
    'sfsc.losses.base_losses.arcface'
    """
    return f"{__package__}.{kind}.{name}"


def load(kind: Kind, name: str) -> ModuleType:
    """Import a part.

    Args:
        kind: Its package.
        name: One of `names(kind)`.
    """
    return importlib.import_module(module_name(kind, name))
