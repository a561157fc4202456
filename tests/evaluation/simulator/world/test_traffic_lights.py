"""Traffic lights: phases, times, commands, and who waits where."""

from __future__ import annotations

from math import pi, radians
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.simulator.town.signal_specs import TrafficLightSpec
from evaluation.simulator.wire.codec import BoundingBox, Rotation, Transform, Vector3D
from evaluation.simulator.world.traffic_lights import LightState, TrafficLightCycle
from evaluation.simulator.world.trigger_areas import AreaIndex
from tests.examples import examples

RED, YELLOW, GREEN, OFF = (
    LightState.RED,
    LightState.YELLOW,
    LightState.GREEN,
    LightState.OFF,
)
TICK_S = 0.05


def spec(junction: int, group: int, x: float = 0.0, yaw: float = 0.0) -> TrafficLightSpec:
    """A light for a driver who heads along yaw: box 8 m ahead of the pole's foot, 3.5 m wide."""
    # The actor's x axis points to the driver's right, so its own yaw is 90 degrees more.
    return TrafficLightSpec(
        sign_id=f"{junction}-{group}-{x}",
        transform=Transform(Vector3D(x, 0.0, 0.0), Rotation(yaw=yaw + 90.0)),
        trigger_box=BoundingBox(Vector3D(-3.0, 0.0, 0.5), Vector3D(1.75, 2.0, 1.0)),
        junction_id=junction,
        group=group,
        lamp_locations=(Vector3D(x, 0.0, 5.0),),
        facing_yaw_rad=radians(yaw) + pi,
    )


CROSSING = [spec(7, 0), spec(7, 1, 20.0), spec(7, 0, 40.0), spec(9, 0, 100.0), spec(9, 1, 120.0)]


class NoOffset(np.random.Generator):
    """Starts every junction at the beginning of its cycle."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return np.zeros(np.shape(high))


def cycle(specs: list[TrafficLightSpec] = CROSSING) -> TrafficLightCycle:
    return TrafficLightCycle(specs, NoOffset())


def run(lights: TrafficLightCycle, seconds: float) -> list[int]:
    for _ in range(round(seconds / TICK_S)):
        lights.step(TICK_S)
    return lights.states.tolist()


@pytest.mark.parametrize(
    ("at_s", "states"),
    [
        (0.0, (GREEN, RED, GREEN)),
        (9.9, (GREEN, RED, GREEN)),
        (10.0, (YELLOW, RED, YELLOW)),
        (12.9, (YELLOW, RED, YELLOW)),
        (13.0, (RED, RED, RED)),
        (14.9, (RED, RED, RED)),
        (15.0, (RED, GREEN, RED)),
        (25.0, (RED, YELLOW, RED)),
        (28.0, (RED, RED, RED)),
        (30.0, (GREEN, RED, GREEN)),
    ],
)
def test_groups_take_turns(at_s: float, states: tuple[int, ...]) -> None:
    assert tuple(run(cycle(), at_s)[:3]) == states


def test_a_long_step_passes_through_all_stages() -> None:
    stepped, jumped = cycle(), cycle()
    run(stepped, 47.0)
    jumped.step(47.0)
    assert stepped.states.tolist() == jumped.states.tolist()
    np.testing.assert_allclose(stepped.elapsed_s, jumped.elapsed_s, atol=1e-6)


def test_elapsed_counts_since_the_last_change() -> None:
    lights = cycle()
    run(lights, 11.0)
    assert lights.elapsed_s[0] == pytest.approx(1.0)
    assert lights.elapsed_s[1] == pytest.approx(11.0), "red all the time"


@examples(30)
@given(st.integers(0, 2**31), st.lists(st.floats(0.01, 20.0), min_size=1, max_size=20))
def test_never_two_groups_of_a_junction_may_drive(seed: int, steps: list[float]) -> None:
    lights = TrafficLightCycle(CROSSING, np.random.default_rng(seed))
    for step_s in steps:
        lights.step(step_s)
        for members, groups in (((0, 1, 2), (0, 1, 0)), ((3, 4), (0, 1))):
            driving = {
                group
                for light, group in zip(members, groups, strict=True)
                if lights.states[light] != RED
            }
            assert len(driving) <= 1
        assert (lights.elapsed_s >= 0.0).all()


def test_the_seed_sets_where_junctions_start() -> None:
    def start(seed: int) -> list[float]:
        lights = TrafficLightCycle(CROSSING, np.random.default_rng(seed))
        return [*lights.states.tolist(), *lights.elapsed_s.tolist()]

    assert start(1) == start(1)
    assert len({tuple(start(seed)) for seed in range(8)}) > 4


def test_times_belong_to_the_group_of_a_light() -> None:
    lights = cycle()
    lights.set_time_s(2, GREEN, 4.0)
    lights.set_time_s(0, YELLOW, 1.0)
    lights.set_time_s(0, RED, 0.5)
    assert lights.times_s[0].tolist() == [4.0, 1.0, 0.5]
    assert lights.times_s[1].tolist() == [10.0, 3.0, 2.0]
    assert run(lights, 4.0)[:3] == [YELLOW, RED, YELLOW]
    assert run(lights, 1.5)[:3] == [RED, GREEN, RED]


@pytest.mark.parametrize(
    ("state", "time_s"),
    [(OFF, 1.0), (GREEN, 0.0), (GREEN, 1e-9), (YELLOW, 1e200), (RED, float("nan"))],
)
def test_impossible_times_are_refused(state: LightState, time_s: float) -> None:
    with pytest.raises(ValueError, match="traffic light time"):
        cycle().set_time_s(0, state, time_s)


def test_a_set_state_lasts_until_the_next_change() -> None:
    lights = cycle()
    lights.set_state(1, GREEN)
    assert run(lights, 5.0)[1] == GREEN
    assert run(lights, 5.0)[1] == RED
    with pytest.raises(ValueError, match="9"):
        lights.set_state(1, 9)


def test_a_frozen_light_keeps_its_state_while_the_others_go_on() -> None:
    lights = cycle()
    lights.set_state(1, OFF)
    lights.freeze(1, True)
    assert run(lights, 16.0)[:3] == [RED, OFF, RED]
    assert lights.elapsed_s[1] == 0.0
    lights.freeze(1, False)
    assert run(lights, 14.0)[:3] == [GREEN, RED, GREEN]


def test_freezing_all_stops_the_clocks() -> None:
    lights = cycle()
    run(lights, 4.0)
    lights.freeze_all(True)
    lights.set_state(0, RED)
    assert run(lights, 60.0)[:3] == [RED, RED, GREEN]
    lights.freeze_all(False)
    assert run(lights, 6.0)[:3] == [YELLOW, RED, YELLOW]


def test_reset_restarts_a_junction_only() -> None:
    lights = cycle()
    run(lights, 17.0)
    assert lights.states.tolist() == [RED, GREEN, RED, RED, GREEN]
    lights.reset_group(1)
    assert lights.states.tolist() == [GREEN, RED, GREEN, RED, GREEN]
    assert run(lights, 10.0)[:3] == [YELLOW, RED, YELLOW]
    lights.freeze_all(True)
    lights.reset_all()
    assert lights.states.tolist() == [GREEN, RED, GREEN, GREEN, RED]
    assert not lights.frozen.any()


def test_the_group_of_a_light_is_its_junction() -> None:
    assert cycle().group_members(1) == [0, 1, 2]
    assert cycle().group_members(3) == [3, 4]


def test_a_lone_light_cycles_and_no_light_is_fine() -> None:
    assert run(cycle([spec(1, 5)]), 10.0) == [YELLOW]
    none = TrafficLightCycle([], np.random.default_rng(0))
    none.step(1.0)
    none.freeze_all(True)
    none.reset_all()
    assert len(none) == 0
    assert none.light_at(np.zeros((2, 3)), np.zeros(2)).tolist() == [-1, -1]


# Where vehicles wait


@pytest.mark.parametrize(
    ("x", "y", "z", "yaw", "light"),
    [
        # The driver of light 0 heads along +x; its box lies 3 m to the left of the pole's foot.
        (0.0, -3.0, 0.0, 0.0, 0),
        (1.9, -4.5, 0.3, 20.0, 0),
        (2.1, -3.0, 0.0, 0.0, -1),
        (0.0, -1.0, 0.0, 0.0, -1),
        (0.0, -3.0, 0.0, 180.0, -1),
        (0.0, -3.0, 7.0, 0.0, -1),
        (20.0, -3.0, 0.0, 0.0, 1),
        (5000.0, 5000.0, 0.0, 0.0, -1),
    ],
)
def test_at_which_light(x: float, y: float, z: float, yaw: float, light: int) -> None:
    found = cycle().light_at(np.array([[x, y, z]]), np.array([radians(yaw)]))
    assert found.tolist() == [light]


@examples(60)
@given(
    st.lists(st.tuples(st.floats(-60, 60), st.floats(-60, 60), st.floats(-180, 180)), max_size=6),
    st.lists(st.tuples(st.floats(-60, 60), st.floats(-60, 60)), min_size=1, max_size=20),
)
def test_areas_agree_with_a_plain_check(
    boxes: list[tuple[float, float, float]], points: list[tuple[float, float]]
) -> None:
    half = Vector3D(9.0, 2.0, 1.0)
    index = AreaIndex(
        [Transform(Vector3D(x, y, 0.0), Rotation(yaw=yaw)) for x, y, yaw in boxes],
        [BoundingBox(Vector3D(1.0, 2.0, 0.0), half) for _ in boxes],
    )
    place = np.array([(x, y, 0.0) for x, y in points])
    found = set(zip(*(side.tolist() for side in index.candidates(place)), strict=True))
    for area, (x, y, yaw) in enumerate(boxes):
        turn = np.exp(-1j * radians(yaw))
        for point, (px, py) in enumerate(points):
            local = complex(px - x, py - y) * turn - (1.0 + 2.0j)
            excess_m = max(abs(local.real) - half.x, abs(local.imag) - half.y)
            if abs(excess_m) > 1e-6:
                assert ((point, area) in found) == (excess_m < 0.0)


def test_whole_cycles_change_nothing() -> None:
    once, later = cycle(), cycle()
    for lights, step_s in ((once, 1.25), (later, 1.25 + 3e6)):
        for light in range(len(CROSSING)):
            for state in (GREEN, YELLOW, RED):
                lights.set_time_s(light, state, 0.5)
        lights.step(step_s)
    assert once.states.tolist() == later.states.tolist() == [RED, RED, RED, RED, RED]
    once.step(0.5)
    later.step(0.5)
    assert once.states.tolist() == later.states.tolist() == [RED, GREEN, RED, RED, GREEN]
