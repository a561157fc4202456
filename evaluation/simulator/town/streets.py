"""From a network graph to built streets: arms and mouths of junctions, reference curves.

Frame: OpenDRIVE's plane (x east, y north, headings counter-clockwise).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import atan2, cos, hypot, pi, remainder, sin, tan

import numpy as np
import shapely

from evaluation.simulator.town.curves import Curve, Pose, through
from evaluation.simulator.town.layout import Chain, Layout, PlanRejectedError, Point, Traits

KMH = 1.0 / 3.6
_MIN_ARM_ANGLE_RAD = 1.05
_CROSSWALK_CLEAR_M = 4.8
_PLAIN_CLEAR_M = 1.8
_SHARPEST_PER_M = 1.0 / 17.0
_STREET_GAP_M = 9.0


@dataclass(frozen=True)
class Profile:
    """Cross-section and limit of one street; both directions are alike."""

    lanes: int
    lane_width_m: float
    sidewalk_m: float
    speed_limit_kmh: int
    edge_line: bool
    yellow_centre: bool
    passing_allowed: bool

    @property
    def half_drive_m(self) -> float:
        return self.lanes * self.lane_width_m

    @property
    def half_width_m(self) -> float:
        return self.half_drive_m + self.sidewalk_m


@dataclass(frozen=True)
class Street:
    """A built street: `curve` runs along its centre line from mouth to mouth."""

    index: int
    start: int
    end: int
    profile: Profile
    curve: Curve


@dataclass(frozen=True)
class Arm:
    """A street's end at a junction. `outward` is the mouth's pose, looking away from it."""

    street: int
    at_start: bool
    outward: Pose
    profile: Profile
    slot: int
    crosswalk: bool


@dataclass(frozen=True)
class Crossing:
    """A junction: position and its arms, counter-clockwise; arms in opposite slots (0-2, 1-3)
    continue each other."""

    index: int
    position: Point
    arms: tuple[Arm, ...]


def draw_profiles(layout: Layout, traits: Traits, rng: np.random.Generator) -> list[Profile]:
    """One cross-section per chain."""
    profiles = []
    for chain in layout.chains:
        wide = chain.lanes > 1
        limits = [50, 60] if wide else [traits.quiet_limit_kmh, traits.quiet_limit_kmh, 50]
        profiles.append(
            Profile(
                lanes=chain.lanes,
                lane_width_m=round(traits.lane_width_m + float(rng.uniform(-0.1, 0.15)), 2),
                sidewalk_m=round(traits.sidewalk_m + float(rng.uniform(-0.2, 0.3)), 2),
                speed_limit_kmh=int(rng.choice(limits)),
                edge_line=wide or bool(rng.random() < traits.edge_line_share),
                yellow_centre=traits.yellow_centre,
                passing_allowed=not wide and bool(rng.random() < 0.8),
            )
        )
    return profiles


def build_streets(
    layout: Layout, profiles: list[Profile], traits: Traits, rng: np.random.Generator
) -> tuple[list[Crossing], list[Street]]:
    """Place the mouths of every junction and draw the streets between them.

    Raises:
        PlanRejectedError: arms too close in angle, or streets too short, too sharp or too close.
    """
    crossings = [
        _crossing(index, layout, profiles, traits, rng) for index in sorted(layout.junctions)
    ]
    mouths = {
        (arm.street, arm.at_start): arm.outward for crossing in crossings for arm in crossing.arms
    }
    streets = []
    for index, chain in enumerate(layout.chains):
        curve = _street_curve(chain, mouths[index, True], mouths[index, False], traits, rng)
        streets.append(Street(index, chain.start, chain.end, profiles[index], curve))
    _reject_overlaps(crossings, streets)
    return crossings, streets


def _crossing(
    index: int,
    layout: Layout,
    profiles: list[Profile],
    traits: Traits,
    rng: np.random.Generator,
) -> Crossing:
    here = layout.junctions[index]
    ends = [
        (street, at_start, _direction(here, _neighbour(layout, chain, at_start)))
        for street, chain in enumerate(layout.chains)
        for at_start, junction in ((True, chain.start), (False, chain.end))
        if junction == index
    ]
    angles = np.array([direction for _, _, direction in ends])
    axis = float(np.angle(np.exp(4j * angles).sum())) / 4.0
    slots = np.round((angles - axis) / (pi / 2.0)).astype(int)
    if len(set((slots % 4).tolist())) < len(ends):
        raise PlanRejectedError("two arms of a junction leave the same way")
    skew = np.clip(0.6 * (angles - axis - slots * (pi / 2.0)), -0.25, 0.25)
    headings = axis + slots * (pi / 2.0) + skew
    order = np.argsort(headings % (2.0 * pi))
    sorted_headings = [float(headings[i]) for i in order]
    sorted_profiles = [profiles[ends[i][0]] for i in order]
    crosswalks = rng.random(len(ends)) < traits.crosswalk_share
    arms = []
    for rank, i in enumerate(order):
        street, at_start, _ = ends[i]
        reach = _mouth_distance_m(rank, sorted_headings, sorted_profiles, traits.kerb_radius_m)
        reach += _CROSSWALK_CLEAR_M if crosswalks[rank] else _PLAIN_CLEAR_M
        outward = Pose(*here, sorted_headings[rank]).moved(reach)
        slot = int(slots[i] % 4)
        arms.append(
            Arm(street, at_start, outward, sorted_profiles[rank], slot, bool(crosswalks[rank]))
        )
    return Crossing(index, here, tuple(arms))


def _mouth_distance_m(
    rank: int, headings: list[float], profiles: list[Profile], kerb_radius_m: float
) -> float:
    """How far from the junction's centre the kerbs of an arm are straight again."""
    own = profiles[rank].half_drive_m
    reach = 4.0
    for neighbour in ((rank + 1) % len(headings), (rank - 1) % len(headings)):
        angle = abs(remainder(headings[neighbour] - headings[rank], 2.0 * pi))
        if angle < _MIN_ARM_ANGLE_RAD:
            raise PlanRejectedError("two arms of a junction are too close")
        if angle > 2.4:
            continue
        other = profiles[neighbour].half_drive_m
        kerbs_meet = (other + own * cos(angle)) / sin(angle)
        reach = max(reach, kerbs_meet + kerb_radius_m * tan((pi - angle) / 2.0))
    return reach


def _neighbour(layout: Layout, chain: Chain, at_start: bool) -> Point:
    if at_start:
        return chain.bends[0] if chain.bends else layout.junctions[chain.end]
    return chain.bends[-1] if chain.bends else layout.junctions[chain.start]


def _direction(a: Point, b: Point) -> float:
    return atan2(b[1] - a[1], b[0] - a[0])


def _street_curve(
    chain: Chain, start: Pose, end_outward: Pose, traits: Traits, rng: np.random.Generator
) -> Curve:
    """A curve from mouth to mouth: straight before the junctions, bends and sways between.

    Raises:
        PlanRejectedError: the street would be too short, too sharp or loop.
    """
    stub = float(rng.uniform(10.0, 18.0))
    first, last = start.moved(stub), end_outward.moved(stub).turned()
    corners = [(first.x, first.y), *chain.bends, (last.x, last.y)]
    poses = [first]
    for before, here, after in zip(corners[:-2], corners[1:-1], corners[2:], strict=True):
        entry, leave = _bend(before, here, after, rng)
        poses += [*_sway(poses[-1], entry, traits, rng), entry, leave]
    poses += [*_sway(poses[-1], last, traits, rng), last]
    for a, b in itertools.pairwise(poses):
        if hypot(b.x - a.x, b.y - a.y) < 10.0:
            raise PlanRejectedError("a street is too short for its bends")
    curve = through([start, *poses, end_outward.turned()])
    straight = sum(hypot(b.x - a.x, b.y - a.y) for a, b in itertools.pairwise(poses))
    if curve.sharpest_per_m > _SHARPEST_PER_M or curve.length_m > 1.5 * straight + 2.0 * stub:
        raise PlanRejectedError("a street bends too sharply")
    return curve


def _bend(before: Point, here: Point, after: Point, rng: np.random.Generator) -> tuple[Pose, Pose]:
    """Poses where a rounded corner begins and ends."""
    into, out = _direction(before, here), _direction(here, after)
    turn = abs(remainder(out - into, 2.0 * pi))
    room = 0.4 * min(
        hypot(here[0] - before[0], here[1] - before[1]),
        hypot(after[0] - here[0], after[1] - here[1]),
    )
    tangent = max(6.0, min(float(rng.uniform(19.0, 60.0)) * tan(turn / 2.0), room))
    return Pose(*here, into).moved(-tangent), Pose(*here, out).moved(tangent)


def _sway(a: Pose, b: Pose, traits: Traits, rng: np.random.Generator) -> list[Pose]:
    """Poses beside the straight way from a to b, so that long streets wind a little."""
    length = hypot(b.x - a.x, b.y - a.y)
    count = int(length // 75.0)
    along = Pose(a.x, a.y, atan2(b.y - a.y, b.x - a.x))
    room = min(0.1 * length / max(count, 1), 12.0) * traits.bendiness
    side = float(rng.choice([-1.0, 1.0]))
    poses = []
    for index in range(count):
        offset = side * room * float(rng.uniform(0.2, 1.0))
        side = -side if rng.random() < 0.7 else side
        forward = length * (index + 1 + float(rng.uniform(-0.15, 0.15))) / (count + 1)
        poses.append(along.moved(forward, offset))
    return poses


def _reject_overlaps(crossings: list[Crossing], streets: list[Street]) -> None:
    """Keep streets apart from each other and from junctions that are not theirs."""
    bands = []
    for street in streets:
        line = shapely.LineString(street.curve.sample(4.0)[:, :2])
        bands.append(
            line.buffer(street.profile.half_width_m + 0.5 * _STREET_GAP_M, cap_style="flat")
        )
    hearts = []
    for crossing in crossings:
        reach = max(
            hypot(arm.outward.x - crossing.position[0], arm.outward.y - crossing.position[1])
            for arm in crossing.arms
        )
        hearts.append(shapely.Point(crossing.position).buffer(reach))
    for i, street in enumerate(streets):
        for crossing, heart in zip(crossings, hearts, strict=True):
            if crossing.index not in (street.start, street.end) and bands[i].intersects(heart):
                raise PlanRejectedError("a street runs into a junction that is not its own")
        for j in range(i):
            shared = {street.start, street.end} & {streets[j].start, streets[j].end}
            overlap = bands[i].intersection(bands[j])
            for index in shared:
                overlap = overlap.difference(hearts[index].buffer(20.0))
            if overlap.area > 1.0:
                raise PlanRejectedError("two streets overlap")
