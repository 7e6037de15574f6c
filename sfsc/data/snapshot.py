"""A commit of a repository on GitHub, some files of which are a data set.

GitHub makes the archive of a commit when it is asked for; its bytes may change, its content may
not. So the digest is over the files that are used, and the archive kept here holds only these.
"""

import hashlib
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sfsc.data.archive import read_archive
from sfsc.download import obtain
from sfsc.errors import DataError
from sfsc.files import replacing


@dataclass(frozen=True)
class Snapshot:
    """The used files of a commit."""

    dataset: str
    """Name of the data set."""
    repository: str
    """`owner/name` on GitHub."""
    commit: str
    """Its full hexadecimal name."""
    used: re.Pattern[str]
    """Pattern of the paths, below the root of the repository, of the files that are used."""
    digest: str
    """`digest_of_files` of these."""

    @property
    def archive(self) -> str:
        """Name of the archive, below `data/raw/<dataset>/`."""
        return f"{self._name}-{self.commit[:7]}.zip"

    def fetch(self, archive: str, output: Path, mirror: Path | None) -> None:
        """Copy the archive from a mirror or download it, and keep the files that are used.

        Whatever archive of the commit they come from, the file written is the same.

        Args:
            archive: Must be the name of the archive.
            output: Path of the archive, written here.
            mirror: Folder with `<dataset>/<archive>`, where a part of the name may be added before
                `.zip`, as in `<archive>-every10th.zip`; None downloads it.

        Raises:
            DataError: If the archive is unknown, unavailable or does not hold the published files.
        """
        if archive != self.archive:
            raise DataError(
                f"The archive of {self.dataset} must be {self.archive}. Found `{archive}`."
            )
        with replacing(output) as partial:
            source = obtain(
                partial,
                url=f"https://github.com/{self.repository}/archive/{self.commit}.zip",
                mirrored=self._find_in(mirror) if mirror else None,
                what=self.dataset,
            )
            files = self._read(partial, source)
            with zipfile.ZipFile(partial, "w") as written:
                for path in sorted(files):
                    written.writestr(zipfile.ZipInfo(f"{self._root}{path}"), files[path])

    def read(self, raw_dir: Path) -> dict[str, bytes]:
        """Return the content of each used file by its path below the root of the repository.

        Args:
            raw_dir: Folder with the archive.

        Raises:
            DataError: If the archive is missing or damaged or a file is not the published one.
        """
        path = raw_dir / self.archive
        return self._read(path, str(path))

    @property
    def _name(self) -> str:
        return self.repository.partition("/")[2]

    @property
    def _root(self) -> str:
        return f"{self._name}-{self.commit}/"

    def _find_in(self, mirror: Path) -> Path:
        folder = mirror / self.dataset
        found = sorted(folder.glob(f"{self.archive.removesuffix('.zip')}*.zip"))
        return found[0] if found else folder / self.archive

    def _read(self, path: Path, source: str) -> dict[str, bytes]:
        members = read_archive(path, source=source, used=self._is_used)
        files = {name.removeprefix(self._root): content for name, content in members.items()}
        found = digest_of_files(files)
        if found != self.digest:
            raise DataError(
                f"{source} must hold the published files of {self.dataset}: those of commit "
                f"{self.commit[:7]} of {self.repository} (digest {self.digest}). Found "
                f"{len(files):,} files of digest {found}. Delete it and fetch it again."
            )
        return files

    def _is_used(self, name: str) -> bool:
        inner = name.removeprefix(self._root)
        return inner != name and self.used.fullmatch(inner) is not None


def digest_of_files(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of what `sha256sum` prints for files in the order of their paths.

    >>> digest_of_files({"b.txt": b"1", "a.txt": b"2"}) == digest_of_files(
    ...     {"a.txt": b"2", "b.txt": b"1"}
    ... )
    True
    """
    lines = (f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
