from pathlib import Path

import numpy as np
from PIL import Image
from prepared_sets import LABELS, make_set

from sfsc.data.contact_sheet import CELL, EMPTY, GAP, MARGIN, write_contact_sheet
from sfsc.data.prepared import PreparedSet


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


def test_many_cameras_do_not_make_a_wide_sheet(tmp_path: Path):
    """With one for each image, the columns are the images of an identity."""
    labels = [(identity, number, split) for number, (identity, _, split) in enumerate(4 * LABELS)]
    write_contact_sheet(make_set(labels), tmp_path / "sheet.png", title="no cameras")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == MARGIN[0] + 8 * (CELL + GAP)  # 4 query and 4 gallery images of one


def test_high_images_are_shrunk_and_keep_their_proportions(tmp_path: Path):
    """A person of 256 x 128 pixels is a cell of 128 x 64, the mean of its pixels."""
    prepared = make_set()
    images = np.full((len(prepared.images), 256, 128, 3), 90, dtype=np.uint8)
    write_contact_sheet(
        PreparedSet(prepared.manifest, images), tmp_path / "sheet.png", title="tall"
    )
    with Image.open(tmp_path / "sheet.png") as picture:
        sheet = np.asarray(picture)
    left, top = MARGIN
    assert sheet.shape[0] == top + 4 * (128 + GAP)
    assert (sheet[top : top + 128, left : left + 64] == 90).all()


def test_sentences_stand_below_the_images(tmp_path: Path):
    """They are wrapped, and a sheet of few cameras is as wide as its words."""
    write_contact_sheet(make_set(), tmp_path / "plain.png", title="toys")
    credit = ["Toys, copyright (c) 2026 " + "Someone and " * 8 + "others.", "A camera is a shelf."]
    write_contact_sheet(make_set(), tmp_path / "sheet.png", title="toys", sentences=credit)
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == plain.height + 3 * 16
        assert plain.width > MARGIN[0] + 2 * (CELL + GAP)
        below = np.asarray(sheet)[plain.height :]
    assert (below.min(axis=(1, 2)) < 100).sum() > 20
    assert (below[:, -8:] == 255).all()
