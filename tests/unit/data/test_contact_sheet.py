from pathlib import Path

import numpy as np
from PIL import Image
from prepared_sets import LABELS, make_set

from sfsc.data.contact_sheet import CELL, EMPTY, GAP, MARGIN, write_contact_sheet


def test_cells_are_the_first_images_and_unseen_cells_are_empty(tmp_path: Path):
    """Identity 0 is in cameras 0 and 1; no test row has an image of camera 2."""
    prepared = make_set([*LABELS, (2, 2, "gallery")])
    write_contact_sheet(prepared, tmp_path / "sheet.png", title="tiny")
    with Image.open(tmp_path / "sheet.png") as picture:
        sheet = np.asarray(picture)
    pitch = CELL + GAP
    left, top = MARGIN
    for column in (0, 1):
        x = left + column * pitch
        cell = sheet[top : top + CELL, x : x + CELL]
        assert (cell[::16, ::16] == prepared.images[column]).all()
    empty = sheet[top + 20, left + 2 * pitch + 20]
    assert tuple(empty) == EMPTY
