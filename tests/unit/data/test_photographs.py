import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfsc.data.manifest import Row, pixel_digest
from sfsc.data.photographs import crop_to_square, pack_photographs


@pytest.mark.parametrize("is_wide", [False, True])
def test_the_centre_is_kept_and_nothing_is_stretched(is_wide: bool):
    """The middle one of three stacked squares remains; cropping after resizing gives the same."""
    stack = np.repeat(np.array([0, 120, 240], dtype=np.uint8), 40)[:, None].repeat(40, axis=1)
    picture = Image.fromarray(stack.T if is_wide else stack)
    assert np.asarray(crop_to_square(picture, 40)).tolist() == np.full((40, 40), 120).tolist()
    resized = picture.resize((30, 10) if is_wide else (10, 30), Image.Resampling.BILINEAR)
    middle = resized.crop((10, 0, 20, 10) if is_wide else (0, 10, 10, 20))
    assert np.asarray(crop_to_square(picture, 10)).tolist() == np.asarray(middle).tolist()


def test_a_square_picture_is_resized_with_antialiasing():
    """Stripes of one pixel become grey instead of flickering."""
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = np.asarray(crop_to_square(Image.fromarray(stripes), 16))
    assert small.shape == (16, 16)
    assert np.abs(small[:, 1:-1].astype(int) - 128).max() < 30


def test_photographs_are_packed_in_the_order_of_the_rows(tmp_path: Path):
    """Each image is that of its path; the digests are those of the pixels, for any threads."""
    files = {}
    for number in range(5):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 60), (50 * number, 0, 0)).save(buffer, format="JPEG", quality=95)
        files[f"{number}.jpg"] = buffer.getvalue()
    rows = [Row(f"{number}.jpg", number, 0, "train") for number in (3, 1, 4, 0, 2)]
    one = pack_photographs(rows, files, tmp_path / "one.npy", side=20, threads=1)
    two = pack_photographs(rows, files, tmp_path / "two.npy", side=20, threads=2)
    assert one.images.shape == (5, 20, 20, 3)
    reds = one.images[:, 10, 10, 0].astype(int)
    assert np.abs(reds - 50 * np.array([3, 1, 4, 0, 2])).max() <= 3
    assert one.manifest.digest.tolist() == [pixel_digest(image) for image in one.images]
    assert (one.images == two.images).all()
