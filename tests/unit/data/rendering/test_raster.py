import numpy as np
import pytest

from sfsc.data.rendering.raster import (
    ONE,
    SUBPIXEL,
    cosine,
    fill_convex,
    shrink,
    signed_area,
    sine,
    smooth,
)


def _canvas(height: int = 6, width: int = 8) -> np.ndarray:
    return np.zeros((height, width, 3), dtype=np.int64)


def _square(left: int, top: int, right: int, bottom: int) -> list[tuple[int, int]]:
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return [(x * SUBPIXEL, y * SUBPIXEL) for x, y in corners]


@pytest.mark.parametrize("turned", [False, True])
def test_a_rectangle_covers_exactly_its_pixels(turned: bool):
    """Pixel centres decide, whichever way round the corners run."""
    points = _square(2, 1, 5, 4)
    canvas = _canvas()
    fill_convex(canvas, points[::-1] if turned else points, (1, 2, 3))
    expected = _canvas()
    expected[1:4, 2:5] = (1, 2, 3)
    assert (canvas == expected).all()


def test_a_triangle_equals_the_naive_test_of_each_pixel_centre():
    """A pixel is painted if its centre lies on the inner side of all three edges."""
    points = [(10, 5), (115, 40), (30, 90)]
    canvas = _canvas()
    fill_convex(canvas, points, (1, 1, 1))
    for y in range(6):
        for x in range(8):
            cx, cy = x * SUBPIXEL + 8, y * SUBPIXEL + 8
            edges = zip(points, points[1:] + points[:1], strict=True)
            inside = all(
                (bx - ax) * (cy - ay) >= (by - ay) * (cx - ax) for (ax, ay), (bx, by) in edges
            )
            assert canvas[y, x, 0] == inside


@pytest.mark.parametrize(
    "points", [_square(-9, -9, -2, -2), _square(20, 1, 30, 4), _square(3, 3, 3, 5)]
)
def test_nothing_is_painted_outside_or_by_an_empty_polygon(points: list[tuple[int, int]]):
    """Polygons beyond the canvas or without area leave it alone."""
    canvas = _canvas()
    fill_convex(canvas, points, (1, 1, 1))
    assert not canvas.any()


def test_a_polygon_is_clipped_at_the_border():
    """A polygon that reaches beyond the canvas paints what lies on it."""
    canvas = _canvas()
    fill_convex(canvas, _square(-5, -5, 50, 50), (1, 1, 1))
    assert canvas.all()


def test_the_sign_of_the_area_tells_the_direction():
    """Clockwise on a canvas is positive, the reverse negative."""
    points = _square(0, 0, 1, 1)
    assert signed_area(points) == -signed_area(points[::-1]) == 2 * SUBPIXEL * SUBPIXEL


def test_sines_of_the_quarter_turns_are_exact():
    """Sine and cosine are exact at quarter turns and periodic."""
    assert [sine(angle) for angle in (0, 256, 512, 768)] == [0, ONE, 0, -ONE]
    assert cosine(-256) == cosine(768) == sine(1024) == 0


@pytest.mark.parametrize("axis", [0, 1])
def test_smoothing_keeps_a_flat_canvas_and_spreads_a_point(axis: int):
    """The kernel is (1, 2, 1) / 4 along one axis, the border repeated."""
    assert (smooth(_canvas() + 7, axis=axis) == 7).all()
    canvas = _canvas()
    canvas[3, 3] = 8
    lines = smooth(canvas, axis=axis).take(3, 1 - axis)
    assert lines[2:5, 0].tolist() == [2, 4, 2]


def test_shrinking_is_the_rounded_mean_of_blocks():
    """Each pixel of the small image is the rounded mean of its block."""
    canvas = np.arange(4 * 6 * 3, dtype=np.int64).reshape(4, 6, 3)
    expected = canvas.reshape(2, 2, 3, 2, 3).mean(axis=(1, 3))
    assert (shrink(canvas, 2) == np.floor(expected + 0.5)).all()
