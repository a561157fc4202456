"""Records drives together with what scenario_runner's own criteria say about them.

    PYTHONPATH=$PWD:SCENARIO_RUNNER:CARLA/PythonAPI/carla \
        python -m tests.evaluation.scoring.record_traces [NAME ...]

writes the files that test_parity.py replays. SCENARIO_RUNNER is a checkout of
carla-simulator/scenario_runner, branch leaderboard-2.1; CARLA one of carla-simulator/carla, for its
`agents`; both need the extra `leaderboard`. Where its planner imports `local_planner`, append
CARLA/PythonAPI/carla/agents/navigation to the path. Nothing in them is changed: their criteria are
put into a tree as RouteScenario of leaderboard 2.1 does, and stepped in the order of its
ScenarioManager.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import carla
import numpy as np
import py_trees
from numpy.typing import NDArray
from srunner.scenariomanager.carla_data_provider import CarlaDataProvider
from srunner.scenariomanager.scenarioatomics import atomic_criteria as official
from srunner.scenariomanager.timer import GameTime, RouteTimeoutBehavior
from srunner.scenariomanager.traffic_events import TrafficEvent, TrafficEventType

from evaluation.closed_loop.route_scenario import EGO_BLUEPRINT, EGO_ROLE, SETTLE_TICKS
from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.tick import Kind
from evaluation.servers.embedded import ServerSettings
from evaluation.servers.session import Session, SessionSettings, open_session
from tests.evaluation.scoring.drives import DRIVES, Drive, Stage
from tests.evaluation.scoring.trace import FOLDER, Trace, opendrive_of, signal_columns, xyz

TOWN = "Generated3"
EVENT_WAIT_S = 0.01
"""Sensors answer on threads of their own; this long after a tick what it caused has been seen."""
KINDS = {
    TrafficEventType.COLLISION_STATIC: Kind.COLLISION_LAYOUT,
    TrafficEventType.COLLISION_PEDESTRIAN: Kind.COLLISION_PEDESTRIAN,
    TrafficEventType.COLLISION_VEHICLE: Kind.COLLISION_VEHICLE,
    TrafficEventType.TRAFFIC_LIGHT_INFRACTION: Kind.RED_LIGHT,
    TrafficEventType.STOP_INFRACTION: Kind.STOP,
    TrafficEventType.OUTSIDE_ROUTE_LANES_INFRACTION: Kind.OUTSIDE_LANES,
    TrafficEventType.MIN_SPEED_INFRACTION: Kind.MIN_SPEED,
    TrafficEventType.ROUTE_DEVIATION: Kind.ROUTE_DEVIATION,
    TrafficEventType.VEHICLE_BLOCKED: Kind.BLOCKED,
}


class _Judge:
    """scenario_runner's criteria on a route, as leaderboard 2.1 chooses and ends them."""

    def __init__(self, ego: carla.Vehicle, dense: DenseRoute) -> None:
        points, yaws = dense.points_world_m, np.degrees(dense.yaw_rad)
        route = [
            (
                carla.Transform(
                    carla.Location(*(float(value) for value in point)),
                    carla.Rotation(yaw=float(yaw)),
                ),
                None,
            )
            for point, yaw in zip(points, yaws, strict=True)
        ]
        self.completion = official.RouteCompletionTest(ego, route=route)
        self.collision = official.CollisionTest(ego, name="CollisionTest")
        self.min_speed = official.MinimumSpeedRouteTest(
            ego, route, checkpoints=4, name="MinSpeedTest"
        )
        self._criteria = [
            self.completion,
            official.OutsideRouteLanesTest(ego, route=route),
            self.collision,
            official.RunningRedLightTest(ego),
            official.RunningStopTest(ego),
            self.min_speed,
            official.InRouteTest(ego, route=route, offroad_max=30, terminate_on_failure=True),
            official.ActorBlockedTest(
                ego, min_speed=0.1, max_time=180.0, terminate_on_failure=True, name="Blocked"
            ),
        ]
        any_ends = py_trees.common.ParallelPolicy.SUCCESS_ON_ONE
        criteria = py_trees.composites.Parallel(name="Criteria", policy=any_ends)
        criteria.add_children(self._criteria)
        self.timeout = RouteTimeoutBehavior(ego, route)
        self._tree = py_trees.composites.Parallel(name="Route", policy=any_ends)
        self._tree.add_children([criteria, self.timeout])
        self._tree.setup(timeout=1)

    def step(self) -> bool:
        """Whether the route goes on."""
        self._tree.tick_once()
        return bool(self._tree.status == py_trees.common.Status.RUNNING)

    def finish(self) -> None:
        for node in [*self._criteria, self.timeout]:
            node.terminate(py_trees.common.Status.INVALID)

    def verdict(self, goes_on: bool) -> dict[str, Any]:
        events = [event for criterion in self._criteria for event in criterion.events]
        found = [_facts(event) for event in events if event.get_type() in KINDS]
        if self.timeout.timeout:
            found.append(
                {
                    "kind": Kind.ROUTE_TIMEOUT.value,
                    "frame": GameTime.get_frame(),
                    "message": "Route timeout.",
                }
            )
        return {
            "infractions": found,
            "completion_percent": self.completion.actual_value,
            "min_speed_percent": self.min_speed._checkpoint_values,
            "ended_the_route": not goes_on,
        }


def _facts(event: TrafficEvent) -> dict[str, Any]:
    told = event.get_dict() or {}
    facts: dict[str, Any] = {
        "kind": KINDS[event.get_type()].value,
        "frame": event.get_frame(),
        "message": event.get_message(),
    }
    if "percentage" in told:
        facts["percent"] = told["percentage"]
    if "distance" in told:
        facts["outside_m"] = told["distance"]
    if "location" in told:
        place = told["location"]
        facts["place_world_m"] = [place.x, place.y, place.z]
    if "other_actor" in told:
        facts["actor_id"] = told["other_actor"].id
        facts["actor_type"] = told["other_actor"].type_id
    if "id" in told:
        facts["actor_id"] = told["id"]
    return facts


class _Recorder:
    """Samples the world once per tick; see Trace for what the columns mean."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        actors = stage.session.world.get_actors()
        self._signals = [
            *actors.filter("traffic.traffic_light"),
            *actors.filter("traffic.stop"),
        ]
        self._rows: list[dict[str, Any]] = []
        self.collisions: list[tuple[int, int, str]] = []

    @property
    def ticks(self) -> int:
        return len(self._rows)

    def step(self, snapshot: carla.WorldSnapshot) -> None:
        state = snapshot.find(self._stage.ego.id)
        transform = state.get_transform()
        traffic = [snapshot.find(car.id).get_velocity() for car in self._stage.background]
        self._rows.append(
            {
                "frame": snapshot.frame,
                "elapsed_s": snapshot.timestamp.elapsed_seconds,
                "location_m": xyz(transform.location),
                "yaw_deg": transform.rotation.yaw,
                "velocity_mps": xyz(state.get_velocity()),
                "speed_limit_kmh": self._stage.ego.get_speed_limit(),
                "red": [_is_red(signal) for signal in self._signals],
                "traffic_mps": [float(np.hypot(speed.x, speed.y)) for speed in traffic],
            }
        )

    def judged(self, percent: float) -> None:
        self._rows[-1]["percent"] = percent

    def columns(self) -> dict[str, NDArray[Any]]:
        types = {"frame": np.int32, "elapsed_s": np.float64, "red": np.bool_}
        dense = self._stage.route
        return {
            "route_points_m": dense.points_world_m.astype(np.float32),
            "route_yaw_deg": np.degrees(dense.yaw_rad).astype(np.float32),
            **{
                key: np.array([row[key] for row in self._rows], types.get(key, np.float32))
                for key in self._rows[0]
            },
            **signal_columns(self._signals),
            "hit_frame": np.array([frame for frame, _, _ in self.collisions], np.int32),
            "hit_id": np.array([actor_id for _, actor_id, _ in self.collisions], np.int32),
            "hit_type": np.array([type_id for _, _, type_id in self.collisions], np.str_),
        }

    def facts(self) -> dict[str, Any]:
        extent = self._stage.ego.bounding_box.extent
        return {
            "town": self._stage.session.town,
            "half_extent_m": xyz(extent),
        }


def _is_red(signal: carla.TrafficSign) -> bool:
    return bool(getattr(signal, "state", None) == carla.TrafficLightState.Red)


def _record(session: Session, name: str, drive: Drive) -> Trace:
    dense = _as_stored(session.graph.route(drive.route(session)))
    with _staged(session, dense, drive.tick_s) as stage:
        script = drive.script(stage)
        control = next(script)
        for actor in (stage.ego, *stage.others):
            CarlaDataProvider.register_actor(actor, actor.get_transform())
        for _ in range(SETTLE_TICKS):
            start_s = session.tick().timestamp.elapsed_seconds
        judge, recorder = _Judge(stage.ego, dense), _Recorder(stage)
        blueprint = session.world.get_blueprint_library().find("sensor.other.collision")
        sensor = session.world.spawn_actor(blueprint, carla.Transform(), attach_to=stage.ego)
        stage.others.append(sensor)
        sensor.listen(lambda event: recorder.collisions.append(_collision(event)))
        goes_on = True
        while goes_on and control is not None:
            snapshot = session.tick()
            time.sleep(EVENT_WAIT_S)
            _make_up(stage, judge, recorder, snapshot.frame)
            GameTime.on_carla_tick(snapshot.timestamp)
            CarlaDataProvider.on_carla_tick()
            recorder.step(snapshot)
            stage.ego.apply_control(control)
            goes_on = judge.step()
            recorder.judged(judge.completion.actual_value)
            control = next(script, None)
        judge.finish()
        sensor.stop()
        official_facts = {"start_s": start_s, "official": judge.verdict(goes_on)}
        return Trace(name, recorder.columns(), {**recorder.facts(), **official_facts})


def _as_stored(dense: DenseRoute) -> DenseRoute:
    """The route with the precision that the trace and CARLA keep."""
    yaw_deg = np.degrees(dense.yaw_rad).astype(np.float32)
    return replace(
        dense,
        points_world_m=dense.points_world_m.astype(np.float32).astype(np.float64),
        yaw_rad=np.radians(yaw_deg.astype(np.float64)),
    )


def _collision(event: carla.CollisionEvent) -> tuple[int, int, str]:
    return (event.frame, event.other_actor.id, event.other_actor.type_id)


def _make_up(stage: Stage, judge: _Judge, recorder: _Recorder, frame: int) -> None:
    """Reports the collisions that the drive made up, as the sensor would have."""
    for tick, actor_id, type_id in stage.made_up:
        if tick == recorder.ticks:
            other = SimpleNamespace(id=actor_id, type_id=type_id)
            judge.collision._count_collisions(SimpleNamespace(other_actor=other))
            recorder.collisions.append((frame, actor_id, type_id))


@contextmanager
def _staged(session: Session, dense: DenseRoute, tick_s: float) -> Iterator[Stage]:
    """The ego at the beginning of a route; everything is cleared away afterwards."""
    GameTime.restart()
    CarlaDataProvider.cleanup()
    CarlaDataProvider.set_client(session.client)
    CarlaDataProvider.set_world(session.world)
    settings = session.world.get_settings()
    settings.fixed_delta_seconds = tick_s
    session.world.apply_settings(settings)
    session.world.reset_all_traffic_lights()
    stage = Stage(session, _spawn_ego(session, dense), dense, tick_s)
    session.tick()
    try:
        yield stage
    finally:
        for actor in (*stage.others, stage.ego):
            actor.destroy()
        for light in session.world.get_actors().filter("traffic.traffic_light"):
            light.freeze(False)
        session.tick()


def _spawn_ego(session: Session, dense: DenseRoute) -> carla.Vehicle:
    blueprint = session.world.get_blueprint_library().find(EGO_BLUEPRINT)
    blueprint.set_attribute("role_name", EGO_ROLE)
    x, y, z = (float(value) for value in dense.points_world_m[0])
    yaw_deg = float(np.degrees(dense.yaw_rad[0]))
    transform = carla.Transform(carla.Location(x, y, z + 0.5), carla.Rotation(yaw=yaw_deg))
    return session.world.spawn_actor(blueprint, transform)


def _opened(folder: Path) -> AbstractContextManager[Session]:
    """A simulator with the town that the traces share."""
    town = folder / f"{TOWN}.xodr"
    town.write_text(opendrive_of(TOWN), encoding="utf-8")
    settings = SessionSettings(ServerSettings(town=str(town)))
    return open_session(settings, folder / "simulator.log")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DRIVES)}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _opened(Path(folder)) as session:
        for name in arguments.names or DRIVES:
            trace = _record(session, name, DRIVES[name])
            trace.save(FOLDER)
            found = [one["message"] for one in trace.official["infractions"]]
            print(name, len(trace.columns["frame"]), "ticks", *found, sep="\n    ", flush=True)


if __name__ == "__main__":
    main()
