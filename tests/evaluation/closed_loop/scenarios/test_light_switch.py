"""The lights of a scenario stay as they are shown, whoever lets them go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import carla
import pytest

from evaluation.closed_loop.scenarios.light_switch import LightSwitch
from evaluation.closed_loop.scenarios.moment import Moment
from evaluation.routes.scenario import Lights

STATE = carla.TrafficLightState


@dataclass
class StandInLight:
    """A light that is let go can change."""

    state: Any = STATE.Red
    frozen: bool = False

    def is_frozen(self) -> bool:
        return self.frozen

    def freeze(self, frozen: bool) -> None:
        self.frozen = frozen

    def set_state(self, state: Any) -> None:
        self.state = state


def _switch(red_s: float) -> tuple[LightSwitch, StandInLight, StandInLight]:
    own, crossing = StandInLight(), StandInLight(STATE.Green)
    switch = LightSwitch.__new__(LightSwitch)
    vars(switch).update(
        _spec=Lights(100.0, red_s),
        _own=[own],
        _crossing=[crossing],
        _near_since_s=None,
        _shown=None,
    )
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


def test_a_light_that_was_let_go_is_shown_again() -> None:
    switch, own, _ = _switch(0.0)
    _step(switch, 0.0, 0.0)
    own.frozen, own.state = False, STATE.Red
    _step(switch, 10.0, 50.0)
    assert own.state == STATE.Green
    assert own.frozen


def test_at_the_end_the_lights_are_let_go() -> None:
    switch, own, crossing = _switch(0.0)
    _step(switch, 0.0, 0.0)
    switch.destroy()
    assert not own.frozen
    assert not crossing.frozen
