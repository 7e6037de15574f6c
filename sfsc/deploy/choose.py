"""The command `sfsc choose`: which sub-model fits a platform, from numbers of this machine."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfsc.deploy.export import measure_latency, write_models
from sfsc.deploy.finished import Finished
from sfsc.deploy.space import width_key
from sfsc.errors import ConfigError, ResultError

LATENCY_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
"""Milliseconds of each unit."""
SIZE_UNITS = {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20}
"""Bytes of each unit."""


@dataclass(frozen=True)
class Wishes:
    """What the sub-model must keep to."""

    latency_ms: float = float("inf")
    """Longest latency of one image, ms."""
    size: float = float("inf")
    """Largest file, bytes."""
    map: float = 0.0
    """Least mAP in the full model's gallery, percent."""


@dataclass(frozen=True)
class Candidate:
    """What one sub-model costs here, and what it reaches."""

    width: float
    """Its width."""
    latency_ms: float
    """Median latency of one image in ONNX Runtime with one thread, ms."""
    size: int
    """Bytes of its ONNX file."""
    map: float
    """mAP of test queries in the full model's gallery, percent."""

    def fits(self, wishes: Wishes) -> bool:
        """Return whether it keeps to all wishes."""
        return (
            self.latency_ms <= wishes.latency_ms
            and self.size <= wishes.size
            and self.map >= wishes.map
        )


def measure(run_dir: Path) -> list[Candidate]:
    """Export each sub-model, measure it on this machine and forget the files.

    Args:
        run_dir: Folder of a finished training.

    Raises:
        ResultError: If the training is not finished.
    """
    finished = Finished.open(run_dir)
    with tempfile.TemporaryDirectory() as folder:
        paths = [model.onnx for model in write_models(finished, Path(folder), int8=False)]
        columns = (
            finished.run.widths,
            measure_latency(paths),
            [path.stat().st_size for path in paths],
            [100 * value for value in finished.map_against_full],
        )
        return [Candidate(*row) for row in zip(*columns, strict=True)]


def choose(candidates: Sequence[Candidate], wishes: Wishes) -> Candidate:
    """Return the most accurate sub-model that keeps to the wishes; the fastest if mAP is one.

    >>> small, large = Candidate(0.25, 0.1, 100, 50.0), Candidate(1.0, 0.3, 900, 70.0)
    >>> choose([small, large], Wishes(size=500)).width
    0.25
    >>> choose([small, large], Wishes(map=40.0)).width
    0.25

    Args:
        candidates: The sub-models.
        wishes: What it must keep to.

    Raises:
        ResultError: If none does.
    """
    fitting = [candidate for candidate in candidates if candidate.fits(wishes)]
    if not fitting:
        raise ResultError(
            "A sub-model must keep to what is asked. Found none: the fastest takes "
            f"{min(c.latency_ms for c in candidates):.3g} ms, the smallest has "
            f"{min(c.size for c in candidates):,} bytes, the best reaches "
            f"{max(c.map for c in candidates):.1f} %. Ask for less, or train other widths."
        )
    if wishes.map:
        return min(fitting, key=lambda candidate: candidate.latency_ms)
    return max(fitting, key=lambda candidate: candidate.map)


def as_text(candidates: Sequence[Candidate], wishes: Wishes) -> str:
    """Return the table of all sub-models for a terminal, the chosen one marked."""
    chosen = choose(candidates, wishes)
    lines = ["  width  latency, ms  file, bytes  mAP, %"]
    for c in candidates:
        mark = "*" if c == chosen else " "
        name = width_key(c.width)
        lines.append(f"{mark} {name:>5}  {c.latency_ms:>11.3g}  {c.size:>11,}  {c.map:>6.1f}")
    return "\n".join([*lines, f"Take width {width_key(chosen.width)}."]) + "\n"


def parse_wishes(latency: str | None, size: str | None, least_map: float | None) -> Wishes:
    """Return the wishes of a command line.

    Args:
        latency: Such as `1ms`.
        size: Such as `100kB`.
        least_map: Percent.

    Raises:
        ConfigError: If there is none, or one is no quantity.
    """
    if latency is None and size is None and least_map is None:
        raise ConfigError("A wish must be given: --latency, --size or --map. Found none.")
    default = Wishes()
    return Wishes(
        latency_ms=_quantity(latency, LATENCY_UNITS) if latency else default.latency_ms,
        size=_quantity(size, SIZE_UNITS) if size else default.size,
        map=default.map if least_map is None else least_map,
    )


def _quantity(text: str, units: dict[str, float]) -> float:
    """Return a number with a unit in the first unit of size 1.

    >>> _quantity("1.5ms", LATENCY_UNITS), _quantity("100 kB", SIZE_UNITS)
    (1.5, 100000.0)

    Args:
        text: Such as `1ms`.
        units: Size of each unit by its name.

    Raises:
        ConfigError: If it is not such a text.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)", text)
    if match is None or match[2] not in units:
        raise ConfigError(
            f"A quantity must be a number and one of {', '.join(units)}. Found `{text}`."
        )
    return float(match[1]) * units[match[2]]
