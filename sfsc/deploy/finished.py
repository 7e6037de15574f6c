"""A finished training as its export reads it: network, prepared set, numbers of its tests."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfsc.data.manifest import Split
from sfsc.data.packed import read_images
from sfsc.data.prepared import PreparedSet
from sfsc.errors import ResultError
from sfsc.networks.build import Network, load_network
from sfsc.reporting.runs import Run, load_run

MOST_IMAGES = 2000
"""Images of a sample."""


@dataclass(frozen=True)
class Finished:
    """A finished training, `results/<study>/<dataset>/<run>/seed<k>`, with its data."""

    run: Run

    @classmethod
    def open(cls, folder: Path) -> "Finished":
        """Open a training's folder.

        Raises:
            ResultError: If it is not the folder of a finished and tested training.
        """
        run = load_run(folder.resolve())
        if "image_size" not in run.record:
            raise ResultError(
                f"{folder / 'run.json'} must have the `image_size` of the training. Found none: it "
                "is of a network of a run, or another version wrote it. Name the run's folder, or "
                "train it again."
            )
        return cls(run)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the training's images."""
        height, width = self.run.record["image_size"]
        return height, width, self.run.record["network"]["image_channels"]

    @property
    def map_against_full(self) -> list[float]:
        """Mean average precision of test queries by each width in the full model's gallery."""
        column: list[float] = self.run.matrix("map")[:, -1].tolist()
        return column

    @cached_property
    def network(self) -> Network:
        """The trained network; a `ResultError` if it is damaged."""
        return load_network(self.run.folder)

    @cached_property
    def prepared(self) -> PreparedSet:
        """The prepared set; a `DataError` if it is missing or damaged."""
        root, (study, dataset) = self.run.folder.parents[4], self.run.folder.parts[-4:-2]
        return PreparedSet.open(root / "data" / "prepared" / study / dataset)

    def rows(self, split: Split, most: int = MOST_IMAGES) -> NDArray[np.int64]:
        """Return the images of a split, a fixed random sample where there are more than `most`."""
        rows = self.prepared.manifest.rows(split)
        if len(rows) <= most:
            return rows
        return np.sort(np.random.default_rng(0).permutation(rows)[:most])

    def images(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return images of the prepared set, uint8 (B, H, W, C)."""
        return read_images(self.prepared.images, rows)
