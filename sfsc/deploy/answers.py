"""The hits of a search: as lines, as JSON, as one HTML page that needs nothing beside it."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2

from sfsc.deploy.photographs import make_thumbnail
from sfsc.deploy.space import width_key
from sfsc.errors import DataError
from sfsc.files import write_texts


class Hit(NamedTuple):
    """A photograph of the gallery."""

    path: str
    """Its absolute path when it was indexed."""
    score: float
    """Cosine to the query."""
    same: bool | None
    """Whether it shows the same as the query; None without a threshold."""


class Answer(NamedTuple):
    """The hits of one query."""

    query: Path
    """The photograph that was asked for."""
    width: float
    """Width of the sub-model that embedded it."""
    hits: list[Hit]
    """Nearest first."""


def as_text(answers: Sequence[Answer]) -> str:
    """Return the answers as lines for a terminal."""
    lines = []
    for answer in answers:
        lines.append(f"{printable(str(answer.query))}  (width {width_key(answer.width)})")
        for rank, hit in enumerate(answer.hits, 1):
            verdict = {True: "  same", False: "  not", None: ""}[hit.same]
            lines.append(f"{rank:4}  {hit.score:.4f}{verdict}  {printable(hit.path)}")
    return "\n".join(lines) + "\n"


def as_json(answers: Sequence[Answer]) -> str:
    """Return the answers as JSON: a list of `query`, `width` and `hits`."""
    content = [
        {
            "query": str(answer.query),
            "width": answer.width,
            "hits": [
                {key: value for key, value in hit._asdict().items() if value is not None}
                for hit in answer.hits
            ],
        }
        for answer in answers
    ]
    return json.dumps(content, indent=1) + "\n"


def write_page(answers: Sequence[Answer], output: Path) -> None:
    """Write the hits of all queries, with small copies of the photographs.

    A photograph that is gone or damaged is shown by its name.

    Args:
        answers: The hits.
        output: The HTML file.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sfsc.deploy", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"picture": _picture, "printable": printable, "width": width_key}
    page = environment.get_template("hits.html.j2").render(answers=answers)
    write_texts({output: page})


def _picture(path: Path | str) -> str:
    """Return a small copy of a photograph as the address of an `img`, or nothing."""
    try:
        content = make_thumbnail(Path(path))
    except DataError:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def printable(text: str) -> str:
    r"""Return a name without characters that a terminal or a page would act on.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
