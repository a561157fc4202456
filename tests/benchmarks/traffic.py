"""How well the traffic manager of the carla package keeps our vehicles in their lanes.

    python -m tests.benchmarks.traffic [--town demo] [--vehicles 20] [--minutes 10] [--seed 1]

Starts a simulator without cameras, lets vehicles of different blueprints drive alone and prints how
far their origins were from the centre of their lane, at ticks in which they moved; the last column
is the mean offset to the outside of the turn. In a junction, where lanes overlap, a passage counts
for the connecting lane that it fits best on the whole. Lane changes are left out, from 4 s before
the line is crossed to 4 s after it. Turns are ticks around which the heading changes by more than
20 degrees in two seconds. Also counted: vehicles whose origin left every lane, and pairs that
touched; and vehicles that the traffic manager took away because they stood blocked for 90 s.
`--worst N` prints the N worst moments, `--by-model` the figures of each vehicle.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import carla
import numpy as np
import shapely
from numpy.typing import NDArray

from tests.evaluation.simulator.client_session import DELTA_S, ClientSession
from tests.evaluation.simulator.server_process import running_simulator

Floats = NDArray[np.float64]

NEAR_M = 0.6
MOVING_MPS = 0.5
TURN_DEG = 20.0
TURN_SPAN_TICKS = round(1.0 / DELTA_S)
LANE_CHANGE_TICKS = round(4.0 / DELTA_S)
SETTLE_TICKS = 20
LANE_STEP_M = 0.5
ROAD = (
    carla.LaneType.Driving
    | carla.LaneType.Parking
    | carla.LaneType.Shoulder
    | carla.LaneType.Bidirectional
    | carla.LaneType.Biking
)
"""Lanes on which a vehicle may stand without having left the road."""
SEAM_M = 0.5
"""On the line between two lanes LibCarla's map finds neither of them: a seam that is up to 0.4 m
wide where they bend. Who has lanes this near at both sides changes lanes, and is on the road."""

LaneKey = tuple[int, int, int]


@dataclass
class Track:
    """What one vehicle did, a row per tick: x, y, z, yaw (degrees) and speed (m/s)."""

    model: str
    rows: list[tuple[float, float, float, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Judged:
    """One track against the map, (ticks,) each. right_m: offset to the right of the lane's centre;
    turn_deg: change of heading around the tick."""

    model: str
    right_m: Floats
    turn_deg: Floats
    counts: NDArray[np.bool_]  # moving, and no lane change
    off_road: NDArray[np.bool_]
    place_m: Floats  # (ticks, 2)
    speed_mps: Floats
    way_m: float

    @property
    def turns(self) -> NDArray[np.bool_]:
        """Which ticks lie in a turn."""
        return np.abs(self.turn_deg) > TURN_DEG


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--town", default="demo", help="demo, generated:SEED or PATH.xodr")
    parser.add_argument("--vehicles", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worst", type=int, default=0)
    parser.add_argument("--by-model", action="store_true")
    arguments = parser.parse_args()
    options = ("--town", arguments.town, "--seed", "1")
    ticks = round(60.0 * arguments.minutes / DELTA_S)
    with running_simulator(*options) as server, ClientSession(server.port) as session:
        tracks, touched = drive(session, arguments.vehicles, ticks, arguments.seed)
        world_map = session.world.get_map()
    judged = [Judge(world_map).judge(track) for track in tracks]
    print(f"{server.town}: {len(judged)} vehicles, {arguments.minutes:g} min")
    print(
        f"{'':34s}{'ticks':>9s}{'median':>8s}{'p99':>8s}{'most':>8s}{'within':>9s}{'outside':>9s}"
    )
    report("all", judged, lambda item: item.counts)
    report("in turns", judged, lambda item: item.counts & item.turns)
    report("elsewhere", judged, lambda item: item.counts & ~item.turns)
    way_m = [item.way_m for item in judged]
    print(f"way per vehicle: {min(way_m):.0f} to {max(way_m):.0f} m, mean {np.mean(way_m):.0f} m")
    print(f"off the road: {sum(bool(item.off_road.any()) for item in judged)} vehicles")
    gone = sum(len(track.rows) < ticks for track in tracks)
    print(f"taken away: {gone} vehicles")
    print(f"collisions: {len(touched)} pairs", *sorted(touched))
    if arguments.by_model:
        for item in judged:
            report(item.model, [item], lambda item: item.counts)
    for _, description in worst(judged)[: arguments.worst]:
        print(description)


def report(name: str, judged: list[Judged], of: Callable[[Judged], NDArray[np.bool_]]) -> None:
    """Print a row about the ticks that `of` selects."""
    right = np.concatenate([item.right_m[of(item)] for item in judged])
    if not len(right):
        return
    turn = np.concatenate([item.turn_deg[of(item)] for item in judged])
    offset, outside = np.abs(right), float(np.mean(-right * np.sign(turn)))
    median, p99 = np.percentile(offset, (50.0, 99.0))
    near = 100.0 * float(np.mean(offset <= NEAR_M))
    most = float(offset.max())
    print(f"{name:34s}{len(offset):9d}{median:8.2f}{p99:8.2f}{most:8.2f}{near:8.2f}%{outside:9.2f}")


def worst(judged: list[Judged]) -> list[tuple[float, str]]:
    """Offset and description of the worst tick of each stretch beyond 0.6 m, the worst first."""
    found = []
    for item in judged:
        offset = np.abs(item.right_m)
        far = np.flatnonzero(item.counts & (offset > NEAR_M))
        for stretch in np.split(far, np.flatnonzero(np.diff(far) > 1) + 1):
            if not len(stretch):
                continue
            tick = stretch[np.argmax(offset[stretch])]
            (x, y), side = item.place_m[tick], item.right_m[tick]
            text = f"{side:+6.2f} m {item.speed_mps[tick]:6.1f} m/s {item.turn_deg[tick]:+7.1f} deg"
            found.append((float(offset[tick]), f"{text}  {item.model:34s} at ({x:.1f}, {y:.1f})"))
    return sorted(found, reverse=True)


# Driving


def drive(
    session: ClientSession, count: int, ticks: int, seed: int
) -> tuple[list[Track], set[tuple[str, str]]]:
    """Let `count` vehicles drive; return their tracks and the pairs that touched."""
    generator = np.random.default_rng(seed)
    library = session.world.get_blueprint_library().filter("vehicle.*")
    models = [item.id for item in library if int(item.get_attribute("number_of_wheels")) == 4]
    models = [models[index] for index in generator.permutation(len(models))]
    points = session.world.get_map().get_spawn_points()
    touched: set[tuple[str, str]] = set()
    with session.traffic_manager() as manager:
        manager.set_random_device_seed(seed)
        cars: list[carla.Vehicle] = []
        for place in generator.permutation(len(points)):
            if len(cars) == count:
                break
            try:
                cars.append(session.spawn(models[len(cars) % len(models)], points[place]))
            except RuntimeError:
                continue  # Something longer stands there already.
        for car in cars:
            sensor = session.spawn("sensor.other.collision", carla.Transform(), car)
            sensor.listen(lambda event: touched.add(_pair(event)))
        session.ticks(SETTLE_TICKS)
        for car in cars:
            car.set_autopilot(True, manager.get_port())
        tracks = {car.id: Track(car.type_id) for car in cars}
        for _ in range(ticks):
            session.ticks(1)
            snapshot = session.world.get_snapshot()
            for actor_id, track in tracks.items():
                actor = snapshot.find(actor_id)
                if actor is None:
                    continue
                pose, speed_mps = actor.get_transform(), actor.get_velocity().length()
                place = pose.location
                track.rows.append((place.x, place.y, place.z, pose.rotation.yaw, speed_mps))
        for car in cars:
            if len(tracks[car.id].rows) == ticks:
                car.set_autopilot(False, manager.get_port())
    return list(tracks.values()), touched


def _pair(event: carla.CollisionEvent) -> tuple[str, str]:
    names = sorted(f"{actor.type_id} {actor.id}" for actor in (event.actor, event.other_actor))
    return names[0], names[1]


# Judging


class Judge:
    """Compares tracks with a map."""

    def __init__(self, world_map: carla.Map) -> None:
        self._map = world_map
        self._connections: dict[int, list[shapely.LineString]] = {}

    def judge(self, track: Track) -> Judged:
        """Find the distance from the lane's centre at each tick, and what kind of tick it was."""
        rows = np.array(track.rows)
        locations = [carla.Location(*row[:3]) for row in track.rows]
        waypoints = [self._map.get_waypoint(place) for place in locations]
        centres = np.array([(w.transform.location.x, w.transform.location.y) for w in waypoints])
        widths = np.array([waypoint.lane_width for waypoint in waypoints])
        off_road = np.zeros(len(rows), dtype=np.bool_)
        far = np.hypot(*(rows[:, :2] - centres).T) > 0.5 * widths
        for tick in np.flatnonzero(far).tolist():
            off_road[tick] = not self._is_on_road(locations[tick], float(rows[tick, 3]))
        junction = np.array([w.junction_id if w.is_junction else -1 for w in waypoints])
        for begin, end in _stretches(junction):
            if junction[begin] >= 0:
                centres[begin:end] = self._passage(waypoints[begin], rows[begin:end, :2])
        counts = rows[:, 4] > MOVING_MPS
        for tick in _lane_changes([(w.road_id, w.section_id, w.lane_id) for w in waypoints]):
            counts[max(tick - LANE_CHANGE_TICKS, 0) : tick + LANE_CHANGE_TICKS] = False
        way_m = float(np.hypot(*np.diff(rows[:, :2], axis=0).T).sum())
        yaw = np.radians(rows[:, 3])
        off_m = rows[:, :2] - centres
        right_m = off_m[:, 1] * np.cos(yaw) - off_m[:, 0] * np.sin(yaw)
        return Judged(
            track.model,
            np.copysign(np.hypot(*off_m.T), right_m),
            _turn_deg(rows[:, 3]),
            counts,
            off_road,
            rows[:, :2],
            rows[:, 4],
            way_m,
        )

    def _is_on_road(self, place: carla.Location, yaw_deg: float) -> bool:
        """Whether somebody with this heading stands on a lane, or between two."""
        yaw = np.radians(yaw_deg)
        right = SEAM_M * carla.Vector3D(-np.sin(yaw), np.cos(yaw), 0.0)

        def is_lane(where: carla.Location) -> bool:
            found = self._map.get_waypoint(where, project_to_road=False, lane_type=ROAD)
            return found is not None

        return is_lane(place) or (is_lane(place - right) and is_lane(place + right))

    def _passage(self, waypoint: carla.Waypoint, place_m: Floats) -> Floats:
        """Nearest points (n, 2) to a passage (n, 2) on the connecting lane that it fits best."""
        points = shapely.points(place_m)
        lanes = self._lanes_of(waypoint.get_junction())
        lane = min(lanes, key=lambda lane: float(np.mean(shapely.distance(lane, points))))
        nearest = shapely.line_interpolate_point(lane, shapely.line_locate_point(lane, points))
        return np.asarray(shapely.get_coordinates(nearest))

    def _lanes_of(self, junction: carla.Junction) -> list[shapely.LineString]:
        """The lanes of a junction, from a little before it to a little behind."""
        if junction.id not in self._connections:
            lanes = []
            for begin, end in junction.get_waypoints(carla.LaneType.Driving):
                before, after = begin.previous(LANE_STEP_M), end.next(LANE_STEP_M)
                inside = begin.next_until_lane_end(LANE_STEP_M)
                line = [*before[:1], begin, *inside, end, *after[:1]]
                places = [point.transform.location for point in line]
                lanes.append(shapely.LineString([(place.x, place.y) for place in places]))
            self._connections[junction.id] = lanes
        return self._connections[junction.id]


def _stretches(labels: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Begin and end of the runs of equal labels (n,)."""
    cuts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return list(pairwise(cuts))


def _lane_changes(lanes: list[LaneKey]) -> list[int]:
    """Ticks at which a vehicle is in another lane of the same road for the first time."""
    return [
        tick + 1
        for tick, (last, now) in enumerate(pairwise(lanes))
        if last[:2] == now[:2] and last[2] != now[2]
    ]


def _turn_deg(yaw_deg: Floats) -> Floats:
    """Change of heading (n,) from one second before each tick to one second after it."""
    yaw = np.degrees(np.unwrap(np.radians(yaw_deg)))
    edge = np.pad(yaw, TURN_SPAN_TICKS, mode="edge")
    turned: Floats = edge[2 * TURN_SPAN_TICKS :] - edge[: -2 * TURN_SPAN_TICKS]
    return turned


if __name__ == "__main__":
    main()
