import numpy as np

from sfsc.data.rendering.cameras import build_camera
from sfsc.data.rendering.pictures import _project, take_picture
from sfsc.data.rendering.vehicles import build_vehicle


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_picture_is_a_function_of_vehicle_camera_and_generator():
    """The same draws give the same pixels."""
    vehicle = build_vehicle(_rng(0))
    camera = build_camera(_rng(1), index=2, count=8)
    first, second = (take_picture(vehicle, camera, _rng(2), size=24) for _ in range(2))
    assert first.shape == (24, 24, 3)
    assert first.dtype == np.uint8
    assert (first == second).all()


def test_cameras_differ_in_all_that_makes_a_domain():
    """Viewpoint, cast, exposure, background, occluder, blur and noise are a camera's own."""
    cameras = [build_camera(_rng(index), index=index, count=8) for index in range(8)]
    for field in ("yaw", "yaw_range", "elevation", "gain", "exposure", "horizon", "line", "noise"):
        assert len({getattr(camera, field) for camera in cameras}) > 2, field
    assert {camera.occluder for camera in cameras} == {"none", "pole", "foliage", "barrier"}


def test_the_same_vehicle_looks_different_from_front_side_and_back():
    """Pictures of opposite cameras differ far more than those of one camera."""
    vehicle = build_vehicle(_rng(0))
    cameras = [build_camera(_rng(5), index=index, count=8) for index in (0, 0, 2, 4)]
    first, again, side, back = (
        take_picture(vehicle, camera, _rng(seed), size=32).astype(float)
        for seed, camera in enumerate(cameras)
    )
    same = np.abs(first - again).mean()
    assert np.abs(first - side).mean() > same
    assert np.abs(first - back).mean() > same


def test_the_front_is_seen_at_yaw_zero_and_the_left_side_at_a_quarter_turn():
    """At yaw 0 the left of the vehicle is on the viewer's right; nearer is larger."""
    left_front, right_front = np.array([[2000, 500, 700]]), np.array([[2000, -500, 700]])
    rear = np.array([[-2000, 500, 700]])
    assert _project(left_front, (0, 0))[0, 0] > 0 > _project(right_front, (0, 0))[0, 0]
    assert _project(left_front, (0, 0))[0, 0] > _project(rear, (0, 0))[0, 0]
    assert _project(left_front, (256, 0))[0, 0] < 0 < _project(rear, (256, 0))[0, 0]
