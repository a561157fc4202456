"""Walkers and props: going where told, standing on the ground, sliding when pushed."""

from __future__ import annotations

from math import degrees, inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.simulator.physics.props import PropShelf
from evaluation.simulator.physics.vehicle.suspension import GroundHeight
from evaluation.simulator.physics.walker import WalkerCrowd
from evaluation.simulator.wire.codec import BoundingBox, Transform, Vector3D, WalkerControl
from tests.examples import examples

Floats = NDArray[np.float64]

TICK_S = 0.05
HALF_M = (0.19, 0.25, 0.9)
ME = 4


def level(xy: Floats, _near_z: Floats) -> Floats:
    return np.zeros(len(xy))


def kerb(xy: Floats, _near_z: Floats) -> Floats:
    """A pavement 15 cm high from x = 2 m on."""
    return np.where(xy[:, 0] > 2.0, 0.15, 0.0)


def one(z: float = 0.9) -> WalkerCrowd:
    crowd = WalkerCrowd()
    crowd.add(ME, HALF_M, Transform(Vector3D(0.0, 0.0, z)))
    return crowd


def walk(crowd: WalkerCrowd, seconds: float, ground: GroundHeight = level) -> Floats:
    """Step for a while and return the place of the walker."""
    for _ in range(round(seconds / TICK_S)):
        crowd.step(TICK_S, ground)
    place: Floats = crowd.state["position_m"][0].copy()
    return place


def go(x: float, y: float, speed: float, jump: bool = False) -> WalkerControl:
    return WalkerControl(Vector3D(x, y, 0.0), speed, jump)


@pytest.mark.parametrize(("x", "y"), [(1.0, 0.0), (0.0, 1.0), (-3.0, 3.0), (0.1, -0.2)])
def test_it_walks_along_its_direction_at_its_speed_and_looks_there(x: float, y: float) -> None:
    crowd = one()
    crowd.set_control(ME, go(x, y, 1.5))
    walk(crowd, 1.0)
    velocity = crowd.velocities_mps()[0]
    assert np.linalg.norm(velocity) == pytest.approx(1.5)
    np.testing.assert_allclose(velocity[:2], 1.5 * np.array([x, y]) / np.hypot(x, y), atol=1e-9)
    assert crowd.transforms()[0, 4] == pytest.approx(degrees(np.arctan2(y, x)), abs=1e-6)


def test_zero_speed_stops_it_and_it_settles() -> None:
    crowd = one()
    crowd.set_control(ME, go(1.0, 0.0, 2.0))
    walk(crowd, 1.0)
    crowd.set_control(ME, go(1.0, 0.0, 0.0))
    here = walk(crowd, 1.0)
    np.testing.assert_array_equal(walk(crowd, 1.0), here)
    assert crowd.state["settled"][0]


def test_it_steps_onto_a_pavement_and_down_again() -> None:
    crowd = one()
    crowd.set_control(ME, go(1.0, 0.0, 2.0))
    assert walk(crowd, 2.0, kerb)[2] == pytest.approx(1.05)
    crowd.set_control(ME, go(-1.0, 0.0, 2.0))
    assert walk(crowd, 2.5, kerb)[2] == pytest.approx(0.9)


def test_it_falls_when_put_in_the_air_unless_gravity_is_off() -> None:
    crowd = one(z=3.0)
    assert walk(crowd, 1.5)[2] == pytest.approx(0.9)
    floating = one(z=3.0)
    floating.set_gravity(ME, False)
    assert walk(floating, 1.5)[2] == 3.0


def test_a_jump_comes_down_again() -> None:
    crowd = one()
    walk(crowd, 0.2)
    crowd.set_control(ME, go(1.0, 0.0, 0.0, jump=True))
    highest = max(walk(crowd, TICK_S)[2] for _ in range(30))
    assert 1.2 < highest < 1.6
    assert walk(crowd, 0.5)[2] == pytest.approx(0.9)


def test_a_hard_push_makes_it_fall_and_later_it_walks_on() -> None:
    crowd = one()
    crowd.set_control(ME, go(1.0, 0.0, 1.5))
    walk(crowd, 0.5)
    crowd.receive(np.array([0]), np.zeros((1, 2)), np.array([[0.0, 6.0]]), np.array([2.0]))
    walk(crowd, 1.5)
    assert crowd.velocities_mps()[0, 1] == pytest.approx(0.0)
    assert crowd.velocities_mps()[0, 0] == pytest.approx(0.0)
    walk(crowd, 2.5)
    assert crowd.velocities_mps()[0, 0] == pytest.approx(1.5)


def test_a_frozen_walker_stays() -> None:
    crowd = one(z=5.0)
    crowd.set_simulate_physics(ME, False)
    crowd.set_control(ME, go(1.0, 0.0, 2.0))
    np.testing.assert_array_equal(walk(crowd, 1.0), (0.0, 0.0, 5.0))


def test_ground_without_height_keeps_its_height() -> None:
    crowd = one()
    crowd.set_control(ME, go(1.0, 0.0, 1.0))
    place = walk(crowd, 1.0, lambda xy, _z: np.full(len(xy), np.nan))
    assert place[2] == 0.9
    assert place[0] > 0.8


@examples(40)
@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(allow_nan=True, allow_infinity=True),
    st.one_of(st.floats(-100.0, 20.0), st.just(nan), st.just(inf)),
    st.booleans(),
)
def test_it_stays_finite_for_any_control(x: float, y: float, speed: float, jump: bool) -> None:
    crowd = one()
    crowd.set_control(ME, go(x, y, speed, jump))
    place = walk(crowd, 0.5)
    assert np.isfinite(place).all()
    assert np.linalg.norm(place[:2]) <= 0.5 * 20.0 + 1e-6


def test_acceleration_is_the_change_of_velocity() -> None:
    crowd = one()
    crowd.set_control(ME, go(1.0, 0.0, 3.0))
    walk(crowd, TICK_S)
    np.testing.assert_allclose(crowd.accelerations_mps2()[0], (10.0, 0.0, 0.0), atol=1e-9)


def test_heavier_when_taller() -> None:
    crowd = one()
    crowd.add(5, (0.17, 0.22, 0.62), Transform())
    adult, child = crowd.state["mass_kg"].tolist()
    assert adult == pytest.approx(75.0)
    assert 15.0 < child < 40.0


def test_props_stand_until_they_are_loose_and_then_slide_to_a_stop() -> None:
    shelf = PropShelf()
    box = BoundingBox(Vector3D(0.0, 0.0, 0.35), Vector3D(0.2, 0.2, 0.35))
    shelf.add(1, box, Transform(Vector3D(3.0, 0.0, 0.1)))
    shelf.set_velocity(1, Vector3D(3.0, 0.0, 0.0))
    shelf.step(TICK_S)
    np.testing.assert_array_equal(shelf.state["position_m"][0], (3.0, 0.0, 0.1))
    shelf.set_simulate_physics(1, True)
    shelf.set_velocity(1, Vector3D(3.0, 0.0, 0.0))
    for _ in range(40):
        shelf.step(TICK_S)
    # v^2 / 2a of sliding friction, a little less for the discrete steps.
    assert 0.5 < shelf.state["position_m"][0, 0] - 3.0 < 0.76
    assert shelf.state["settled"][0]
    assert shelf.velocities_mps()[0, 0] == 0.0
