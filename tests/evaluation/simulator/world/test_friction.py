"""Friction triggers change the tyres of who is inside, and nobody else's."""

from __future__ import annotations

import carla
import pytest

from tests.evaluation.simulator.client_session import ClientSession, pose


def slippery(session: ClientSession, friction: float, x: float) -> carla.Actor:
    extents = {"extent_x": 1000.0, "extent_y": 300.0, "extent_z": 300.0}
    return session.spawn("static.trigger.friction", pose(x, 2.0), friction=friction, **extents)


def tyres(car: carla.Actor) -> float:
    return float(car.get_physics_control().wheels[0].tire_friction)


def test_tyres_change_inside_and_change_back(session: ClientSession) -> None:
    car = session.spawn("vehicle.audi.tt", pose(50.0, 1.75))
    beside = session.spawn("vehicle.audi.tt", pose(50.0, -3.0))
    trigger = slippery(session, 0.5, 70.0)
    seen = []
    session.ticks(5)
    for _ in range(60):
        car.set_target_velocity(carla.Vector3D(15.0, 0.0, 0.0))
        session.world.tick()
        seen.append((car.get_location().x, tyres(car)))
    # The tyres change in the step after the one that led inside.
    slack_m = 1.0
    for x, friction in seen:
        if abs(abs(x - 70.0) - 10.0) > slack_m:
            assert friction == (0.5 if abs(x - 70.0) < 10.0 else 3.5), x
    assert seen[-1][0] > 82.0
    assert tyres(beside) == 3.5
    trigger.destroy()


def test_who_stands_in_a_trigger_gets_old_tyres_when_it_goes(session: ClientSession) -> None:
    car = session.spawn("vehicle.audi.tt", pose(50.0, 1.75))
    trigger = slippery(session, 0.0, 50.0)
    session.ticks(2)
    assert tyres(car) == 0.0
    trigger.destroy()
    session.ticks(2)
    assert tyres(car) == 3.5


@pytest.mark.parametrize("wrong", [{"friction": -1.0}, {"extent_x": -5.0}, {"friction": "nan"}])
def test_impossible_triggers_are_refused(session: ClientSession, wrong: dict[str, object]) -> None:
    before = len(session.world.get_actors())
    with pytest.raises(RuntimeError, match="expected a finite number"):
        session.spawn("static.trigger.friction", pose(50.0, 2.0), **wrong)
    session.world.tick()
    assert len(session.world.get_actors()) == before
