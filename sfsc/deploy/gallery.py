"""A gallery on disk: the vectors of photographs, their files, the model that made them.

The folder holds `gallery.json` and shards. `gallery.json` is replaced as a whole, after the shards
that it lists are on the disk: whatever interrupts a change, the gallery is the old or the new one.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sfsc.deploy.space import ModelDescription, describe
from sfsc.errors import ResultError
from sfsc.files import lock, replacing, write_texts

HEAD = "gallery.json"
Precision = Literal["float16", "int8"]
INT8_SCALE = 127
"""A number of a unit vector is at most 1."""
SHARD_IMAGES = 1024
"""Images of a shard, the most that a stopped index loses; fewer in the last one of a run."""


class Photograph(NamedTuple):
    """An image of a gallery."""

    path: str
    """Its absolute path when it was indexed."""
    stamp: str
    """Size and time of the file, which tell a changed one."""


class Shard(BaseModel):
    """A file of vectors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^shard-[0-9]+\.safetensors$")
    """Its name in the folder."""
    images: int = Field(ge=1)
    """How many it holds."""


class Head(BaseModel):
    """Content of `gallery.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    """Version of the format."""
    model: ModelDescription
    """The model that made the vectors."""
    precision: Precision
    """Numbers that the vectors consist of."""
    shards: tuple[Shard, ...] = ()
    """In the order of the images."""


@dataclass(frozen=True)
class Gallery:
    """A gallery as it was when it was opened; a change returns the changed one."""

    folder: Path
    head: Head

    @classmethod
    def open(cls, folder: Path) -> "Gallery":
        """Open a gallery.

        Raises:
            ResultError: If it is none, or `gallery.json` is damaged.
        """
        try:
            head = Head.model_validate_json((folder / HEAD).read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError) as error:
            raise _damage(folder, folder / HEAD, describe(error)) from error
        return cls(folder, head)

    @classmethod
    def create(cls, folder: Path, model: ModelDescription, precision: Precision) -> "Gallery":
        """Write an empty gallery."""
        return cls(folder, Head(model=model, precision=precision)).save(())

    @property
    def model(self) -> ModelDescription:
        """The model that made the vectors."""
        return self.head.model

    @cached_property
    def photographs(self) -> list[Photograph]:
        """The images in the order of the vectors; a `ResultError` if a shard is damaged."""
        return [photograph for shard in self.head.shards for photograph in self._read(shard)[0]]

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """The unit vectors, (N, D); a `ResultError` if a shard is damaged."""
        total, dim = sum(shard.images for shard in self.head.shards), self.model.embedding_dim
        vectors, first = np.empty((total, dim), dtype=np.float32), 0
        for shard in self.head.shards:
            part = vectors[first : first + shard.images]
            part[:] = self._read(shard)[1]
            if self.head.precision == "int8":
                part /= np.linalg.norm(part, axis=1, keepdims=True)
            first += shard.images
        return vectors

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the gallery, so that no other process changes it.

        Raises:
            ResultError: If another process changes it.
        """
        try:
            file = lock(self.folder / ".lock")
        except BlockingIOError as error:
            raise ResultError(
                f"One process at a time may change {self.folder}. Found another: {error}. Wait "
                "for it."
            ) from error
        with file:
            yield

    def add(self, photographs: Sequence[Photograph], vectors: NDArray[np.float32]) -> "Gallery":
        """Append images as one shard.

        Args:
            photographs: The images.
            vectors: Their unit vectors, (n, D).
        """
        return self.save((*self.head.shards, self._write(photographs, self._encode(vectors))))

    def remove(self, paths: Collection[str]) -> "Gallery":
        """Remove images; paths that it does not hold are ignored.

        Args:
            paths: Their absolute paths.
        """
        if not paths:
            return self
        unwanted, shards = frozenset(paths), list[Shard]()
        for shard in self.head.shards:
            photographs, vectors = self._read(shard)
            kept = [row for row, photo in enumerate(photographs) if photo.path not in unwanted]
            if len(kept) == len(photographs):
                shards.append(shard)
            elif kept:
                shards.append(self._write([photographs[row] for row in kept], vectors[kept]))
        return self.save(shards)

    def _encode(self, vectors: NDArray[np.float32]) -> NDArray[np.float16 | np.int8]:
        if self.head.precision == "int8":
            return np.rint(vectors * INT8_SCALE).astype(np.int8)
        return vectors.astype(np.float16)

    def _write(
        self, photographs: Sequence[Photograph], vectors: NDArray[np.float16 | np.int8]
    ) -> Shard:
        """Write a shard under a new name; the gallery does not hold it yet."""
        taken = [path.stem for path in self.folder.glob("shard-*.safetensors")]
        number = 1 + max((int(stem.removeprefix("shard-")) for stem in taken), default=0)
        shard = Shard(name=f"shard-{number:06}.safetensors", images=len(photographs))
        with replacing(self.folder / shard.name) as temporary:
            content = {"images": json.dumps([photo._asdict() for photo in photographs])}
            save_file({"vectors": vectors}, temporary, metadata=content)
        return shard

    def _read(self, shard: Shard) -> tuple[list[Photograph], NDArray[np.float16 | np.int8]]:
        path = self.folder / shard.name
        try:
            with safe_open(path, framework="numpy") as file:
                vectors = file.get_tensor("vectors")
                photographs = [Photograph(**p) for p in json.loads(file.metadata()["images"])]
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise _damage(self.folder, path, str(error)) from error
        n, dim = shard.images, self.model.embedding_dim
        if vectors.shape != (n, dim) or len(photographs) != n:
            found = f"vectors of shape {vectors.shape} for {len(photographs)} images, not {n, dim}"
            raise _damage(self.folder, path, found)
        return photographs, vectors

    def save(self, shards: Sequence[Shard]) -> "Gallery":
        """Replace `gallery.json`, then delete the shards that it no longer lists.

        Args:
            shards: The shards that it is to list.
        """
        head = self.head.model_copy(update={"shards": tuple(shards)})
        write_texts({self.folder / HEAD: head.model_dump_json(indent=1) + "\n"})
        for path in self.folder.glob("shard-*.safetensors"):
            if path.name not in {shard.name for shard in shards}:
                path.unlink()
        return Gallery(self.folder, head)


def _damage(folder: Path, path: Path, error: str) -> ResultError:
    found = " ".join(error.split())[:200].rstrip(".")
    return ResultError(
        f"{folder} must be a gallery that `sfsc index` wrote. Found {path.name} unreadable: "
        f"{found}. Restore the file, or index into a new folder."
    )
