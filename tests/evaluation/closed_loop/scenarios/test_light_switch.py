"""The lights of a scenario stay as they are shown, whoever resets them."""

from __future__ import annotations

from typing import Any, cast

import carla
import pytest

from evaluation.closed_loop.scenarios.light_switch import LightSwitch
from evaluation.closed_loop.scenarios.moment import Moment
from evaluation.routes.scenario import Lights

STATE = carla.TrafficLightState


OWN_TIMES_S = (10.0, 3.0, 2.0)


class StandInLight:
    """Without `freeze`, which would stop the lights of the whole town."""

    def __init__(self, state: Any) -> None:
        self.state = state
        self.times_s = list(OWN_TIMES_S)
        self.resets = 0

    def set_state(self, state: Any) -> None:
        self.state = state

    def get_green_time(self) -> float:
        return self.times_s[0]

    def get_yellow_time(self) -> float:
        return self.times_s[1]

    def get_red_time(self) -> float:
        return self.times_s[2]

    def set_green_time(self, time_s: float) -> None:
        self.times_s[0] = time_s

    def set_yellow_time(self, time_s: float) -> None:
        self.times_s[1] = time_s

    def set_red_time(self, time_s: float) -> None:
        self.times_s[2] = time_s

    def reset_group(self) -> None:
        self.resets += 1


def _switch(red_s: float) -> tuple[LightSwitch, StandInLight, StandInLight]:
    own, crossing = StandInLight(STATE.Red), StandInLight(STATE.Green)
    switch = LightSwitch.__new__(LightSwitch)
    vars(switch).update(_spec=Lights(100.0, red_s), _near_since_s=None)
    switch.hold(cast(Any, [own]), cast(Any, [crossing]))
    return switch, own, crossing


def _step(switch: LightSwitch, time_s: float, ego_m: float) -> None:
    switch.step(Moment(cast(Any, None), time_s, 1, ego_m, 8.0, ()))


@pytest.mark.parametrize(
    ("red_s", "ego_m", "expected"),
    [(0.0, 0.0, STATE.Green), (11.0, 0.0, STATE.Red), (11.0, 95.0, STATE.Green)],
)
def test_red_lasts_for_its_time_from_when_the_ego_is_near(
    red_s: float, ego_m: float, expected: Any
) -> None:
    switch, own, crossing = _switch(red_s)
    _step(switch, 0.0, ego_m)
    _step(switch, 12.0, ego_m)
    assert own.state == expected
    assert (crossing.state == STATE.Green) == (expected == STATE.Red)


def test_a_light_that_somebody_reset_is_shown_again() -> None:
    switch, own, _ = _switch(0.0)
    _step(switch, 0.0, 0.0)
    own.set_state(STATE.Red)
    _step(switch, 10.0, 50.0)
    assert own.state == STATE.Green


def test_no_colour_ends_by_itself_until_the_lights_are_let_go() -> None:
    switch, own, crossing = _switch(0.0)
    assert min(own.times_s + crossing.times_s) > 3600.0
    switch.destroy()
    assert (tuple(own.times_s), tuple(crossing.times_s)) == (OWN_TIMES_S, OWN_TIMES_S)
    assert own.resets + crossing.resets == 1
