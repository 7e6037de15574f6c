"""The reference of `params.yaml` says what the types say, of every key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sfsc.settings import parts
from sfsc.settings.experiment import Params, load_params
from sfsc.settings.reference import PARTS, _model_of, docstrings, render
from sfsc.settings.section import Section

ROOT = Path(__file__).parents[3]


def sections(model: type[Section]) -> Iterator[type[Section]]:
    """Yield a section and all sections in it."""
    yield model
    for field in model.model_fields.values():
        if inner := _model_of(field):
            yield from sections(inner)


def test_the_file_is_fresh():
    """`make docs` would change nothing."""
    text = render(load_params([ROOT / "params.yaml"]))
    assert (ROOT / "docs" / "parameters.md").read_text() == text, "run `make docs`"


SETTINGS = [parts.load(kind, name).Settings for _, kind in PARTS for name in parts.names(kind)]


@pytest.mark.parametrize("model", list(dict.fromkeys([*sections(Params), *SETTINGS])))
def test_every_key_says_what_it_means(model: type[Section]):
    """A field without a docstring would be a row without a meaning."""
    assert [name for name, text in docstrings(model).items() if not text] == []


@pytest.mark.parametrize(
    "row",
    [
        "| `loss.base` | `arcface`, `circle`, `cosface`, `softmax` | `softmax` |",
        "| `loss.terms` | `asymmetric`, `compatible`, `distillation`, `influence`, `triplet` |",
        "| `evidence` | `softplus`, `exp`, `relu` | `softplus` |",
        "| `train.warmup` | number, ≥ 0, < 1 |",
        "| `evaluate.ranks` | a list: integer, ≥ 1, at least 1 of them | `[1, 5, 10]` |",
        "| `aggregation` | `cagrad`, `mean`, `mgda`,",
        "### `k_reciprocal`",
        "| `k1` | integer, ≥ 1 | `20` |",
        "#### `kl`",
        "| `version` | `V1`, `V2` |",
        "## `ablation.<name>`, `robustness.<name>`, `search.<name>`",
    ],
)
def test_what_a_reader_finds(row: str):
    """Choices, ranges, lists, files and rows, each as a reader sees it."""
    assert f"\n{row}" in (ROOT / "docs" / "parameters.md").read_text()
