"""What the readers of published sets share: where a set is had, its counts, its validation split."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sfsc.data.file_settings import PublishedImages
from sfsc.data.image_files import ImageFile
from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import JUNK, Split
from sfsc.data.splits import hold_out
from sfsc.errors import DataError

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Official:
    """A published set as its authors describe it."""

    name: str
    source: str
    """Where it is had, and how."""

    def check_layout(self, raw_dir: Path, names: Sequence[str], *, hint: str = "") -> None:
        """Check that the raw folder has the official folders and lists.

        Args:
            raw_dir: The set's raw folder.
            names: Of folders and files that must be in it.
            hint: What one that is missing may mean.

        Raises:
            DataError: If one is missing; says where the set is had and where it goes.
        """
        missing = [name for name in names if not (raw_dir / name).exists()]
        if missing:
            raise DataError(
                f"{raw_dir} must hold {_enumerate(names)} of {self.name}. "
                f"Found no {_enumerate(missing)}.{hint} Get the set from {self.source}, and put "
                "(or link) the content of its folder there."
            )

    def check_counts(
        self,
        part: str,
        files: Collection[ImageFile],
        published: SplitCount,
        *,
        settings: PublishedImages,
        causes: Mapping[int, str] | None = None,
    ) -> None:
        """Check the size of a part of the set, unless the settings say that it is another.

        Args:
            part: What the authors call it.
            files: Of the part.
            published: Its size.
            settings: With `counts`; `any` is for miniatures and is logged.
            causes: Of known wrong numbers of images.

        Raises:
            DataError: If the part has another size; names the likely cause.
        """
        found = SplitCount(len({file.identity for file in files} - {JUNK}), len(files))
        if settings.counts == "any":
            LOGGER.warning(
                "NOT CHECKED against the published counts, as `counts: any` demands: %s of %s has "
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
    settings: PublishedImages, query: SplitCount, gallery: SplitCount
) -> dict[Split, SplitCount]:
    """Return the splits whose size is known; of training images, how many are held out is not."""
    return {"query": query, "gallery": gallery} if settings.counts == "published" else {}


def hold_out_validation(files: Iterable[ImageFile], fraction: float) -> list[ImageFile]:
    """Move the images of some training identities to the validation split.

    Of identities that two cameras see: another would have no positive.

    Args:
        files: Of all splits.
        fraction: Share of these identities, in (0, 0.5).
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


def check_labels(files: Iterable[ImageFile], part: str) -> None:
    """Check that a part other than the gallery has neither junk nor distractors.

    Raises:
        DataError: If it has.
    """
    for file in files:
        if file.identity <= 0:
            raise DataError(
                f"Only the gallery may have junk (-1) and distractors (0000). Found `{file.path}` "
                f"in {part}. Likely cause: folders were mixed up."
            )


def _cause(found: SplitCount, published: SplitCount) -> str:
    if found.images < published.images:
        return "a mirror with missing images or a copy that was interrupted"
    if found.images > published.images:
        return "files of another set or version in the same folder"
    return "renamed files"


def _enumerate(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
