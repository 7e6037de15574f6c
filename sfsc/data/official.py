"""What the readers of published sets share: layout, counts and the validation split."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import JUNK, Row, Split
from sfsc.data.splits import hold_out
from sfsc.errors import DataError

LOGGER = logging.getLogger(__name__)
Counts = Literal["published", "any"]
"""Whether a set must have its published size, or may be a part of it, such as a miniature."""


@dataclass(frozen=True)
class Official:
    """The name and the source of a published set."""

    name: str
    source: str
    """Where and how to get it."""

    def check_layout(self, raw_dir: Path, names: Sequence[str], *, hint: str = "") -> None:
        """Check that the raw folder has the official folders and lists.

        Args:
            raw_dir: The set's raw folder.
            names: Names of the folders and files that must be in it.
            hint: A sentence about the likely cause of a missing one.

        Raises:
            DataError: If one is missing.
        """
        missing = [name for name in names if not (raw_dir / name).exists()]
        if missing:
            raise DataError(
                f"{raw_dir} must hold {_enumerate(names)} of {self.name}. "
                f"Found no {_enumerate(missing)}.{hint} Get the set from {self.source}, and copy "
                "or link the content of its folder there."
            )

    def check_counts(
        self,
        part: str,
        files: Collection[Row],
        published: SplitCount,
        *,
        counts: Counts,
        causes: Mapping[int, str] | None = None,
    ) -> None:
        """Check the size of a part of the set.

        Args:
            part: The authors' name of the part.
            files: The images of the part.
            published: Its published size.
            counts: `any` accepts every size and logs it.
            causes: Likely causes of known wrong numbers of images.

        Raises:
            DataError: If the part has another size.
        """
        found = SplitCount(len({file.identity for file in files} - {JUNK}), len(files))
        if counts == "any":
            LOGGER.warning(
                "NOT CHECKED against the published counts because of `counts: any`: %s of %s has "
                "%d identities and %d images",
                part, self.name, found.identities, found.images,
            )  # fmt: skip
        elif found != published:
            cause = (causes or {}).get(found.images) or _cause(found, published)
            raise DataError(
                f"{part} of {self.name} must have {published.identities:,} identities and "
                f"{published.images:,} images. Found {found.identities:,} and {found.images:,}. "
                f"Likely cause: {cause}. Get the whole set from {self.source}."
            )


def published_counts(
    counts: Counts, query: SplitCount, gallery: SplitCount
) -> dict[Split, SplitCount]:
    """Return the expected size of query and gallery; nothing if any size is accepted."""
    return {"query": query, "gallery": gallery} if counts == "published" else {}


def hold_out_validation(files: Iterable[Row], fraction: float) -> list[Row]:
    """Move the images of some training identities to the validation split.

    They are chosen among the identities with at least two cameras: others would have no positive.

    Args:
        files: The images of all splits.
        fraction: Share of these identities to hold out, in (0, 0.5).
    """
    files = list(files)
    cameras: dict[int, set[int]] = {}
    for file in files:
        if file.split == "train":
            cameras.setdefault(file.identity, set()).add(file.camera)
    eligible = [identity for identity, seen in cameras.items() if len(seen) > 1]
    held_out = hold_out(eligible, fraction=fraction, seed=0)
    return [
        replace(file, split="validation")
        if file.split == "train" and file.identity in held_out
        else file
        for file in files
    ]


def check_labels(files: Iterable[Row], part: str) -> None:
    """Check that a part of the set has neither junk nor distractors.

    Raises:
        DataError: If it has some.
    """
    for file in files:
        if file.identity <= 0:
            raise DataError(
                f"Only the gallery may have junk (-1) and distractors (0000). Found `{file.path}` "
                f"in {part}. Likely cause: folders were mixed up."
            )


def read_lines(path: Path) -> list[str]:
    """Return the lines of a list.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} must be a readable text file. Found: {error}.") from error


def _cause(found: SplitCount, published: SplitCount) -> str:
    if found.images < published.images:
        return "a mirror with missing images or a copy that was interrupted"
    if found.images > published.images:
        return "files of another set or version in the same folder"
    return "renamed files"


def _enumerate(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
