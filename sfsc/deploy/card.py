"""The model card of an export, from its results."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sfsc.deploy.finished import Finished
from sfsc.deploy.space import Space, width_key
from sfsc.errors import ResultError
from sfsc.provenance import environment
from sfsc.reporting.runs import load_run

CARD = "card.md"
DIGITS = 12
"""Digits of a digest that a reader is shown."""


def write_card(space: Space, finished: Finished, folder: Path) -> None:
    """Write `card.md` beside an export's files.

    Args:
        space: Content of the export's `space.json`.
        finished: The training.
        folder: Folder of the files.
    """
    sections = (
        _introduction(space, finished),
        _table(_deployment_rows(space, folder)),
        *_comparison(space, finished),
        _data(space, finished),
        *_int8(space, folder),
    )
    (folder / CARD).write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _introduction(space: Space, finished: Finished) -> str:
    height, width = space.image_size
    backbone = finished.run.record["network"]["backbone"]
    comparable = (
        f"Embeddings of all widths can be compared by cosine (space `{space.space[:DIGITS]}`)."
        if len(set(space.spaces.values())) == 1
        else "The networks were trained apart: compare embeddings of one width only."
    )
    return (
        f"# {space.method} on {space.dataset}, seed {space.seed}\n\n"
        f"Sub-models of `{backbone}` for image retrieval: uint8 images {height} x {width} x "
        f"{space.image_channels} (`{space.resize}`) to unit embeddings of {space.embedding_dim} "
        f"numbers. {comparable}\n\n"
        "## What a platform gets\n\n"
        "mAP of test queries in the gallery of the full model, percent, on identities that were "
        "not in the training; latency of one image in ONNX Runtime, one thread, on "
        f"{environment()['cpu']}."
    )


def _deployment_rows(space: Space, folder: Path) -> Iterator[Sequence[str]]:
    yield "width", "mAP", "latency, ms", "MACs", "parameters", "file, bytes"
    for key in map(width_key, space.widths):
        yield (
            key,
            f"{100 * space.map_against_full[key]:.1f}",
            f"{space.latency_ms[key]:.3g}",
            f"{space.macs[key]:,}",
            f"{space.parameters[key]:,}",
            f"{(folder / space.files[key].onnx).stat().st_size:,}",
        )


def _comparison(space: Space, finished: Finished) -> Iterator[str]:
    """Yield the section about the unified model, if the study has its training of this seed."""
    folder = finished.run.folder
    try:
        unified = load_run(folder.parents[1] / "unified" / folder.name)
    except ResultError:
        return
    level = float(unified.matrix("map")[0, 0])
    worse = [
        f"width {key} ({100 * (value - level):+.1f} points)"
        for key, value in space.map_against_full.items()
        if value < level
    ]
    verdict = f"Worse than it: {', '.join(worse)}." if worse else "No width is worse than it."
    yield (
        "## Where it is worse than one small model for all\n\n"
        f"The unified model, the network of width {width_key(unified.widths[0])} on every "
        f"platform, reaches {100 * level:.1f} % with this seed. {verdict} One seed decides "
        "nothing: the study's report has all of them."
    )


def _data(space: Space, finished: Finished) -> str:
    record = finished.run.record
    return (
        "## Training data\n\n"
        f"`{space.dataset}`, {record['train_images']:,} images of {record['train_identities']:,} "
        f"identities, digest `{record['data_digest'][:DIGITS]}`. Licence of the images: "
        f"{space.licence}. Accuracy on other images is unknown.\n\n"
        f"Weights by revision `{record['git_revision'][:DIGITS]}`, settings "
        f"`{record['config_digest'][:DIGITS]}`."
    )


def _int8(space: Space, folder: Path) -> Iterator[str]:
    if space.int8:
        yield (
            "## 8-bit files\n\n"
            "Weights and activations of 8 bits; the gallery is the float32 full model's. Cosine: "
            "the lowest to the float32 embedding of the same test query."
        )
        yield _table(_int8_rows(space, folder))


def _int8_rows(space: Space, folder: Path) -> Iterator[Sequence[str]]:
    yield "width", "mAP", "latency, ms", "cosine", "file, bytes"
    for key, measured in space.int8.items():
        path = folder / str(space.files[key].int8)
        yield (
            key,
            f"{100 * measured.map_against_full:.1f}",
            f"{measured.latency_ms:.3g}",
            f"{measured.cosine:.4f}",
            f"{path.stat().st_size:,}",
        )


def _table(rows: Iterator[Sequence[str]]) -> str:
    head, *body = rows
    rule = ("---:",) * len(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *body))
