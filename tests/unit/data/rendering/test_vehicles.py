import numpy as np
import pytest

from sfsc.data.rendering.solids import FACES, Box, Face, Mesh, build_mesh, rectangle
from sfsc.data.rendering.vehicles import BODY_STYLES, build_vehicle


def _vehicle(seed: int) -> tuple[Mesh, ...]:
    return build_vehicle(np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(12))
def test_a_vehicle_stands_on_the_ground_and_is_symmetric(seed: int):
    """Wheels touch the ground, nothing is below it, and left mirrors right."""
    points = np.concatenate([p.points for mesh in _vehicle(seed) for p in mesh.polygons])
    assert points[:, 2].min() == 0
    assert points[:, 1].max() == -points[:, 1].min()
    assert 3500 <= np.ptp(points[:, 0]) <= 6400


@pytest.mark.parametrize("seed", range(12))
def test_all_faces_look_outwards(seed: int):
    """Corners run anticlockwise seen from outside: the normal points along the face's direction."""
    outwards = {
        "front": (1, 0, 0), "back": (-1, 0, 0), "left": (0, 1, 0), "right": (0, -1, 0),
        "top": (0, 0, 1),
    }  # fmt: skip
    for mesh in _vehicle(seed):
        for polygon in mesh.polygons:
            a, b, c = polygon.points[[0, 1, 2]].astype(float)
            normal = np.cross(b - a, c - b)
            assert normal @ np.array(outwards[polygon.face]) >= 0


def test_identities_differ():
    """No two vehicles of a set are the same."""
    shapes = [
        str([polygon.points.tolist() for mesh in _vehicle(seed) for polygon in mesh.polygons])
        for seed in range(50)
    ]
    assert len(set(shapes)) == 50


@pytest.mark.parametrize("face", FACES)
def test_a_decal_over_the_whole_face_is_the_face(face: Face):
    """Decals are placed in the face's own coordinates."""
    box = Box((-100, 120), (-80, 90), (50, 40), (10, 60))
    decal = rectangle((face,), (0, 1024), (0, 1024), (1, 2, 3))
    mesh = build_mesh(box, dict.fromkeys(FACES, (9, 9, 9)), [decal], level=0)
    mark = next(p for p in mesh.polygons if p.colour == (1, 2, 3))
    base = next(p for p in mesh.polygons if p.face == face)
    assert (mark.points == base.points).all()


def test_every_body_style_is_drawn():
    """The lengths and heights of all styles occur, from hatchback to lorry."""
    points = [
        np.concatenate([p.points for mesh in _vehicle(seed) for p in mesh.polygons])
        for seed in range(60)
    ]
    assert {vehicle[:, 2].max() // 500 for vehicle in points} >= {2, 3, 4}
    assert len(BODY_STYLES) == 6
