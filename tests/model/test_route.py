import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.batch import InputError
from model.route import draw_route, equal_spacing, points_at

coordinates = st.floats(-50.0, 50.0, allow_nan=False)
paths = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=12)


def test_points_are_a_metre_apart_from_the_ego_on() -> None:
    route = equal_spacing(np.array([[2.5, 0.0], [2.5, 1.5]]), 1.0, 6)
    expected = [[0, 0], [1, 0], [2, 0], [2.5, 0.5], [2.5, 1.5], [2.5, 2.5]]
    np.testing.assert_allclose(route, np.array(expected), atol=1e-6)


def test_many_tiny_steps_are_a_way_too() -> None:
    fine = np.stack([np.zeros(2000), np.arange(1, 2001) * 5e-7], axis=1)
    np.testing.assert_allclose(points_at(fine, np.array([5e-4])), [[0.0, 5e-4]], rtol=1e-4)


@given(paths)
def test_steps_are_never_longer_than_the_spacing(points: list[tuple[float, float]]) -> None:
    route = equal_spacing(np.array(points), 1.0, 20)
    assert route.shape == (20, 2)
    assert np.isfinite(route).all()
    assert np.linalg.norm(np.diff(route, axis=0), axis=1).max() <= 1.0 + 1e-3


def test_a_standing_car_looks_straight_ahead() -> None:
    jitter = np.array([[0.01, -0.02], [0.0, 0.015], [-0.01, 0.02]])
    route = equal_spacing(jitter, 1.0, 5)
    assert route[-1] == pytest.approx([4.0, 0.0], abs=0.15)


def test_distances_become_positions_on_the_route() -> None:
    route = np.stack([np.arange(1.0, 5.0), np.zeros(4)], axis=1)
    np.testing.assert_allclose(points_at(route, np.array([0.5, 6.0])), [[0.5, 0.0], [6.0, 0.0]])


def test_route_image_has_the_ego_below_and_forward_above() -> None:
    image = draw_route(np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 5.0], [100.0, -100.0]]))
    assert image.shape == (3, 64, 64)
    assert image.dtype == np.uint8
    lit = set(zip(*np.nonzero(image[0]), strict=True))
    assert lit == {(63, 32), (43, 32), (43, 42), (0, 0)}


@pytest.mark.parametrize("points", [np.zeros(2), np.zeros((3, 3)), np.array([[np.nan, 0.0]])])
def test_bad_points_are_refused(points: np.ndarray) -> None:
    for function in (draw_route, lambda p: equal_spacing(p, 1.0, 3)):
        with pytest.raises(InputError, match="points_ego_m: expected"):
            function(points)
