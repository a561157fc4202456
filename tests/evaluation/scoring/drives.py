"""Drives that break the rules on purpose, for `record_traces`.

A drive puts things into the world and then answers every tick with a control, until it has no more
to do. Everything is chosen relative to the town's own lights, signs, poles and buildings.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.routes.dense_route import DenseRoute
from evaluation.servers.session import TICK_S, Session

LOOK_AHEAD_M = 5.0
WHEELBASE_M = 2.85
MAX_STEER_RAD = math.radians(70.0)
SPEED_GAIN = 0.4
HOLD_GAIN_PER_S = 0.4
BRAKE_FROM_MPS = 0.5
BRAKE_GAIN = 0.5
CARRY_M = 0.4
OUTSIDE_M = 3000.0
LONG_TICK_S = 0.1
Controls = Iterator[carla.VehicleControl]
Points = NDArray[np.float64]


@dataclass
class Stage:
    """What a drive has to do with. made_up: (tick, id, type) of collisions that no simulator
    reported, for things that it does not have."""

    session: Session
    ego: carla.Vehicle
    route: DenseRoute
    tick_s: float
    made_up: list[tuple[int, int, str]] = field(default_factory=list)
    others: list[carla.Actor] = field(default_factory=list)
    background: list[carla.Actor] = field(default_factory=list)
    _hold: float = 0.0

    def spawn(self, type_id: str, place_m: Points, yaw_rad: float, role: str = "") -> carla.Actor:
        blueprint = self.session.world.get_blueprint_library().find(type_id)
        if role:
            blueprint.set_attribute("role_name", role)
        location = carla.Location(float(place_m[0]), float(place_m[1]), 0.5)
        actor = self.session.world.spawn_actor(
            blueprint, carla.Transform(location, carla.Rotation(yaw=math.degrees(yaw_rad)))
        )
        self.others.append(actor)
        return actor

    def traffic(self, speed_mps: float) -> None:
        """A background vehicle that goes straight on at one speed, outside the town, where nothing
        is in its way: wherever it is, it counts."""
        place_m = np.array([OUTSIDE_M, 10.0 * len(self.background)])
        car = self.spawn("vehicle.audi.tt", place_m, 0.0, "background")
        if speed_mps > 0.0:
            car.enable_constant_velocity(carla.Vector3D(speed_mps, 0.0, 0.0))
        self.background.append(car)

    def beside(self, along_m: float, across_m: float = 0.0) -> tuple[Points, float]:
        """The place (2,) so far along the route and so far to its right, and the yaw there."""
        last = len(self.route.distance_m) - 1
        index = min(int(np.searchsorted(self.route.distance_m, along_m)), last)
        yaw_rad = float(self.route.yaw_rad[index])
        right = np.array([-math.sin(yaw_rad), math.cos(yaw_rad)])
        return self.route.points_world_m[index, :2] + across_m * right, yaw_rad

    def lane(self, first_m: float, last_m: float, across_m: float = 0.0) -> Points:
        """The route between two distances, shifted to its right, a point per metre."""
        steps = np.arange(first_m, last_m, 1.0)
        return np.array([self.beside(along_m, across_m)[0] for along_m in steps])

    def follow(self, points_m: Points, speed_mps: float) -> Controls:
        """Drives along points until the last is less than 2 m ahead or already behind."""
        while True:
            place_m, heading, speed = self._pose()
            nearest = int(np.argmin(np.linalg.norm(points_m - place_m, axis=1)))
            left_m = float((points_m[-1] - place_m) @ heading)
            if nearest >= len(points_m) - 2 and left_m < 2.0:
                return
            far = np.linalg.norm(points_m[nearest:] - place_m, axis=1) > LOOK_AHEAD_M
            target = points_m[nearest + int(np.argmax(far)) if far.any() else -1]
            yield self._control(self._steer(target - place_m, heading), speed_mps, speed)

    def push(self, towards_m: Points, speed_mps: float, duration_s: float) -> Controls:
        """Drives towards a place for so long, whatever is in the way. Negative: backwards."""
        for _ in range(round(duration_s / self.tick_s)):
            place_m, heading, speed = self._pose()
            steer = self._steer(towards_m - place_m, heading) if speed_mps > 0.0 else 0.0
            yield self._control(steer, speed_mps, speed)

    def carry(self, *points_m: Points) -> Controls:
        """Moves the ego along points through whatever is there, at 8 m/s."""
        self.ego.set_simulate_physics(False)
        for first_m, last_m in itertools.pairwise(points_m):
            offset_m = last_m - first_m
            yaw_deg = math.degrees(math.atan2(offset_m[1], offset_m[0]))
            # Never beside a point of the route, where rounding decides whether it is passed.
            for share in np.arange(0.1, 1.0, CARRY_M / float(np.linalg.norm(offset_m))):
                x_m, y_m = (float(value) for value in first_m + share * offset_m)
                place = carla.Location(x_m, y_m, 0.0)
                self.ego.set_transform(carla.Transform(place, carla.Rotation(yaw=yaw_deg)))
                yield carla.VehicleControl()

    def stand(self, duration_s: float) -> Controls:
        self._hold = 0.0
        for _ in range(round(duration_s / self.tick_s)):
            yield carla.VehicleControl(brake=1.0)

    def _pose(self) -> tuple[Points, Points, float]:
        """Place (2,), heading (2,) and signed speed."""
        transform, velocity = self.ego.get_transform(), self.ego.get_velocity()
        yaw_rad = math.radians(transform.rotation.yaw)
        heading = np.array([math.cos(yaw_rad), math.sin(yaw_rad)])
        speed_mps = float(np.array([velocity.x, velocity.y]) @ heading)
        return np.array([transform.location.x, transform.location.y]), heading, speed_mps

    @staticmethod
    def _steer(offset_m: Points, heading: Points) -> float:
        """Pure pursuit."""
        across_m = float(heading[0] * offset_m[1] - heading[1] * offset_m[0])
        squared = max(float(offset_m @ offset_m), 1.0)
        steer_rad = math.atan(2.0 * WHEELBASE_M * across_m / squared)
        return min(max(steer_rad / MAX_STEER_RAD, -1.0), 1.0)

    def _control(self, steer: float, wanted_mps: float, speed_mps: float) -> carla.VehicleControl:
        reverse = wanted_mps < 0.0
        short_mps = abs(wanted_mps) - (-speed_mps if reverse else speed_mps)
        if short_mps < -BRAKE_FROM_MPS:
            self._hold = 0.0
            return carla.VehicleControl(
                steer=steer, brake=min(-BRAKE_GAIN * short_mps, 1.0), reverse=reverse
            )
        self._hold = min(max(self._hold + HOLD_GAIN_PER_S * self.tick_s * short_mps, 0.0), 0.5)
        throttle = min(max(SPEED_GAIN * short_mps + self._hold, 0.0), 1.0)
        return carla.VehicleControl(steer=steer, throttle=throttle, reverse=reverse)


@dataclass(frozen=True)
class Drive:
    """route: finds the places that the route leads through; script: what the ego does there;
    tick_s: longer where next to nothing happens."""

    route: Callable[[Session], Points]
    script: Callable[[Stage], Controls]
    tick_s: float = TICK_S


def through(session: Session, place: carla.Location, before_m: float, after_m: float) -> Points:
    """Ends (2, 3) of a stretch of lane through a place."""
    lane = session.world_map.get_waypoint(place)
    ends = (lane.previous(before_m)[0], lane.next(after_m)[0])
    locations = [end.transform.location for end in ends]
    return np.array([(where.x, where.y, where.z) for where in locations])


def at_signal(type_id: str, before_m: float, after_m: float) -> Callable[[Session], Points]:
    """Past the first traffic light or sign of this type."""

    def places(session: Session) -> Points:
        signal = signal_of(session, type_id)
        box = signal.trigger_volume.location
        place = signal.get_transform().transform(carla.Location(box.x, box.y, box.z))
        return through(session, place, before_m, after_m)

    return places


def signal_of(session: Session, type_id: str) -> carla.TrafficSign:
    signals = session.world.get_actors().filter(type_id)
    return min(signals, key=lambda signal: signal.id)


def at_thing(label: carla.CityObjectLabel, after_m: float) -> Callable[[Session], Points]:
    """Past the thing of the town that stands nearest to a lane."""

    def places(session: Session) -> Points:
        return through(session, thing_of(session, label), 40.0, after_m)

    return places


def thing_of(session: Session, label: carla.CityObjectLabel) -> carla.Location:
    def distance_m(place: carla.Location) -> float:
        lane = session.world_map.get_waypoint(place)
        margin_m = place.distance(lane.transform.location)
        # Beside a junction, or too near its beginning, there is no lane to come along.
        return float("inf") if lane.is_junction or lane.s < 50.0 else margin_m

    return min((box.location for box in session.world.get_level_bbs(label)), key=distance_m)


def open_road(session: Session) -> Points:
    """A long lane without a junction."""
    lanes = [start for start, _ in session.world_map.get_topology() if not start.is_junction]
    longest = max(lanes, key=lambda lane: len(lane.next_until_lane_end(5.0)))
    return through(session, longest.next(20.0)[0].transform.location, 10.0, 200.0)


def _xy(place: carla.Location) -> Points:
    return np.array([place.x, place.y])


def _along_m(stage: Stage, place_m: Points) -> float:
    """How far along the route a place beside it lies."""
    offsets_m = np.linalg.norm(stage.route.points_world_m[:, :2] - place_m, axis=1)
    return float(stage.route.distance_m[int(np.argmin(offsets_m))])


def _into(label: carla.CityObjectLabel, speeds_mps: Sequence[float]) -> Callable[[Stage], Controls]:
    """Into a thing again and again, each time at another speed, and leaning on it for a while."""

    def script(stage: Stage) -> Controls:
        thing_m = _xy(thing_of(stage.session, label))
        yield from stage.follow(stage.lane(0.0, _along_m(stage, thing_m) - 12.0), 5.0)
        for speed_mps in speeds_mps:
            yield from stage.push(thing_m, speed_mps, 8.0 + 10.0 / speed_mps)
            yield from stage.stand(1.0)
            yield from stage.push(thing_m, -3.0, 3.5)
            yield from stage.stand(1.5)

    return script


def _walkers(stage: Stage) -> Controls:
    """Two walkers less than 5 m apart, a third farther on."""
    for along_m in (30.0, 32.0, 60.0):
        stage.spawn("walker.pedestrian.0001", *stage.beside(along_m))
    yield from stage.follow(stage.lane(0.0, 120.0), 7.0)


def _cars(stage: Stage) -> Controls:
    """A parked car is shoved, left alone and hit again; another one is farther on."""
    for along_m in (30.0, 70.0):
        stage.spawn("vehicle.audi.tt", *stage.beside(along_m))
    far_m = stage.beside(150.0)[0]
    yield from stage.follow(stage.lane(0.0, 24.0), 5.0)
    yield from stage.push(far_m, 1.0, 12.0)
    yield from stage.push(far_m, -3.0, 5.0)
    yield from stage.stand(2.0)
    yield from stage.push(far_m, 6.0, 14.0)


def _rammed(stage: Stage) -> Controls:
    """Another car runs into the ego, which stands, then into the ego while it rolls."""
    yield from stage.follow(stage.lane(0.0, 40.0), 6.0)
    yield from stage.stand(2.0)
    other = stage.spawn("vehicle.audi.tt", *stage.beside(5.0))
    other.enable_constant_velocity(carla.Vector3D(5.0, 0.0, 0.0))
    yield from stage.stand(14.0)
    yield from stage.push(stage.beside(150.0)[0], 3.0, 12.0)


def _kerbs(stage: Stage) -> Controls:
    """Sidewalks, which the simulator has no bodies for, near other things: never an infraction, but
    what is touched less than 5 m from there is not counted either."""
    stage.made_up += [
        (60, 0, "static.sidewalk"),
        (66, 901, "vehicle.audi.tt"),
        (140, 901, "vehicle.audi.tt"),
        (200, 902, "traffic.traffic_light"),
        (225, 902, "traffic.traffic_light"),
        (235, 0, "static.wall"),
        (240, 0, "static.wall"),
        (270, 0, "static.wall"),
        (320, 902, "traffic.traffic_light"),
        (380, 903, "sensor.other.obstacle"),
        (384, 904, "walker.pedestrian.0001"),
    ]
    yield from stage.follow(stage.lane(0.0, 170.0), 7.0)


def _red_light(stage: Stage) -> Controls:
    """Over the line at red, back while it stays red, and over it once more."""
    light = signal_of(stage.session, "traffic.traffic_light")
    light.set_state(carla.TrafficLightState.Red)
    light.freeze(True)
    yield from stage.follow(stage.lane(0.0, 60.0), 6.0)
    yield from stage.stand(2.0)
    yield from stage.push(stage.beside(80.0)[0], -4.0, 6.0)
    yield from stage.stand(2.0)
    yield from stage.follow(stage.lane(20.0, 90.0), 6.0)


def _red_light_obeyed(stage: Stage) -> Controls:
    """Waits with the bonnet over the line, goes at green, and it turns red while the tail is on
    the line."""
    light = signal_of(stage.session, "traffic.traffic_light")
    light.set_state(carla.TrafficLightState.Red)
    light.freeze(True)
    box = light.trigger_volume.location
    centre = light.get_transform().transform(carla.Location(box.x, box.y, box.z))
    line_m = _along_m(stage, _xy(centre))
    yield from stage.follow(stage.lane(0.0, line_m + 3.0), 4.0)
    yield from stage.stand(3.0)
    light.set_state(carla.TrafficLightState.Green)
    yield from stage.follow(stage.lane(line_m - 3.0, line_m + 8.5), 3.0)
    light.set_state(carla.TrafficLightState.Red)
    yield from stage.follow(stage.lane(line_m, 95.0), 6.0)


def _stop_sign_passed(stage: Stage) -> Controls:
    yield from stage.stand(1.0)
    yield from stage.follow(stage.lane(0.0, 95.0), 6.0)


def _stop_sign_obeyed(stage: Stage) -> Controls:
    sign_m = _along_m(stage, _sign_place(stage))
    yield from stage.follow(stage.lane(0.0, sign_m), 5.0)
    yield from stage.stand(2.0)
    yield from stage.follow(stage.lane(0.0, 95.0), 6.0)


def _stop_sign_too_early(stage: Stage) -> Controls:
    sign_m = _along_m(stage, _sign_place(stage))
    yield from stage.follow(stage.lane(0.0, sign_m - 8.0), 5.0)
    yield from stage.stand(2.0)
    yield from stage.follow(stage.lane(0.0, 95.0), 6.0)


def _stop_sign_crept_past(stage: Stage) -> Controls:
    """At walking pace, and once nearly but not quite standing."""
    sign_m = _along_m(stage, _sign_place(stage))
    yield from stage.follow(stage.lane(0.0, sign_m - 6.0), 5.0)
    yield from stage.push(stage.beside(sign_m + 30.0)[0], 0.4, 14.0)
    yield from stage.follow(stage.lane(0.0, 95.0), 3.0)


def _sign_place(stage: Stage) -> Points:
    sign = signal_of(stage.session, "traffic.stop")
    box = sign.trigger_volume.location
    return _xy(sign.get_transform().transform(carla.Location(box.x, box.y, box.z)))


def _off_the_lane(stage: Stage) -> Controls:
    """Onto the verge and back, then into the lane of the other direction and back."""
    yield from stage.follow(stage.lane(0.0, 30.0), 8.0)
    yield from stage.follow(stage.lane(30.0, 70.0, 2.7), 8.0)
    yield from stage.follow(stage.lane(70.0, 110.0), 8.0)
    yield from stage.follow(stage.lane(110.0, 150.0, -3.5), 8.0)
    yield from stage.follow(stage.lane(150.0, 215.0), 8.0)


def _out_of_the_junction_on_the_wrong_side(stage: Stage) -> Controls:
    """Over a junction into the lane of those who come, back into the own one after a while."""
    lanes = [stage.session.world_map.get_waypoint(_location(p)) for p in stage.route.points_world_m]
    last = max(index for index, lane in enumerate(lanes) if lane.is_junction)
    out_m = float(stage.route.distance_m[last])
    yield from stage.follow(stage.lane(0.0, out_m - 5.0), 5.0)
    yield from stage.follow(stage.lane(out_m - 2.0, out_m + 25.0, -3.5), 4.0)
    yield from stage.follow(stage.lane(out_m + 25.0, stage.route.length_m - 2.0), 5.0)


def _location(point_m: Points) -> carla.Location:
    return carla.Location(*(float(value) for value in point_m))


def _away(stage: Stage) -> Controls:
    """Straight away from the route."""
    yield from stage.follow(stage.lane(0.0, 30.0), 8.0)
    yield from stage.carry(stage.beside(30.0, 3.0)[0], stage.beside(30.0, 45.0)[0])


def _far_beside(stage: Stage) -> Controls:
    """Along the route at 18 m from it."""
    yield from stage.follow(stage.lane(0.0, 30.0), 8.0)
    yield from stage.carry(*stage.lane(30.0, 200.0, -18.0))


def _backwards(stage: Stage) -> Controls:
    """The way that it came."""
    yield from stage.follow(stage.lane(0.0, 60.0), 8.0)
    yield from stage.stand(2.0)
    yield from stage.push(stage.beside(200.0)[0], -5.0, 12.0)


def _blocked(stage: Stage) -> Controls:
    """Stands for less than three minutes, moves a little, stands for three minutes."""
    yield from stage.follow(stage.lane(0.0, 20.0), 5.0)
    yield from stage.stand(20.0)
    yield from stage.follow(stage.lane(0.0, 30.0), 2.0)
    yield from stage.stand(200.0)


def _too_slow(stage: Stage) -> Controls:
    """Creeps until the time is up."""
    yield from stage.push(stage.beside(150.0)[0], 0.15, 500.0)


def _complete(stage: Stage) -> Controls:
    yield from stage.follow(stage.lane(0.0, 209.0), 9.0)
    yield from stage.push(stage.beside(209.0)[0], 5.0, 10.0)


def _slower_than_traffic(stage: Stage) -> Controls:
    """At half the traffic's speed, then faster than it."""
    stage.traffic(7.0)
    stage.traffic(9.0)
    yield from stage.follow(stage.lane(0.0, 120.0), 4.0)
    yield from stage.follow(stage.lane(120.0, 209.0, 0.5), 10.0)
    yield from stage.push(stage.beside(209.0)[0], 5.0, 10.0)


def _slow_to_the_end(stage: Stage) -> Controls:
    """At half the traffic's speed to the end, the last part included."""
    stage.traffic(10.0)
    yield from stage.follow(stage.lane(0.0, 209.0), 5.0)
    yield from stage.push(stage.beside(209.0)[0], 5.0, 10.0)


def _given_up_near_the_end(stage: Stage) -> Controls:
    """As before, but the agent is gone on the last metres."""
    stage.traffic(10.0)
    yield from stage.follow(stage.lane(0.0, 205.0), 5.0)


def _standing_traffic(stage: Stage) -> Controls:
    """Traffic whose mean speed is zero."""
    stage.traffic(0.0)
    yield from stage.follow(stage.lane(0.0, 209.0), 7.0)
    yield from stage.push(stage.beside(209.0)[0], 5.0, 10.0)


_LIGHT = at_signal("traffic.traffic_light", 45.0, 55.0)
_STOP = at_signal("traffic.stop", 45.0, 55.0)
_BUILDINGS, _POLES = carla.CityObjectLabel.Buildings, carla.CityObjectLabel.Poles

DRIVES: dict[str, Drive] = {
    "wall": Drive(at_thing(_BUILDINGS, 60.0), _into(_BUILDINGS, (4.0, 1.0, 0.3))),
    "pole": Drive(at_thing(_POLES, 60.0), _into(_POLES, (0.7, 3.0))),
    "walkers": Drive(open_road, _walkers),
    "cars": Drive(open_road, _cars),
    "rammed": Drive(open_road, _rammed),
    "kerbs": Drive(open_road, _kerbs),
    "red_light": Drive(_LIGHT, _red_light),
    "red_light_obeyed": Drive(_LIGHT, _red_light_obeyed),
    "stop_sign_passed": Drive(_STOP, _stop_sign_passed),
    "stop_sign_obeyed": Drive(_STOP, _stop_sign_obeyed),
    "stop_sign_too_early": Drive(_STOP, _stop_sign_too_early),
    "stop_sign_crept_past": Drive(_STOP, _stop_sign_crept_past),
    "off_the_lane": Drive(open_road, _off_the_lane),
    "wrong_side": Drive(
        at_signal("traffic.stop", 45.0, 110.0), _out_of_the_junction_on_the_wrong_side
    ),
    "away": Drive(open_road, _away),
    "far_beside": Drive(open_road, _far_beside),
    "backwards": Drive(open_road, _backwards),
    "blocked": Drive(open_road, _blocked, LONG_TICK_S),
    "too_slow": Drive(open_road, _too_slow, LONG_TICK_S),
    "complete": Drive(open_road, _complete),
    "slower_than_traffic": Drive(open_road, _slower_than_traffic),
    "slow_to_the_end": Drive(open_road, _slow_to_the_end),
    "given_up_near_the_end": Drive(open_road, _given_up_near_the_end),
    "standing_traffic": Drive(open_road, _standing_traffic),
}
