"""Which lane leads where through a junction, on what curve, and who is told to stop.

Lanes of one direction are counted from the centre line: 0 is the inner one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import pi, remainder

import numpy as np

from evaluation.simulator.town.curves import Curve, Pose, biarc, corner
from evaluation.simulator.town.layout import Traits
from evaluation.simulator.town.streets import Arm, Crossing

_PLAIN_STRAIGHT_M = 1.0
_CROSSWALK_STRAIGHT_M = 4.4


class Control(Enum):
    """How a junction is regulated."""

    SIGNALS = "signals"
    MINOR_STOP = "minor stop"
    ALL_WAY_STOP = "all-way stop"


@dataclass(frozen=True)
class Movement:
    """One lane through a junction: arm and lane it comes from and goes to.

    `border` is the curve of its left border; `sidewalk` tells that the sidewalk of the
    corner runs along its right border.
    """

    from_arm: int
    from_lane: int
    to_arm: int
    to_lane: int
    border: Curve
    sidewalk: bool


def choose_control(crossing: Crossing, traits: Traits, rng: np.random.Generator) -> Control:
    """Signals where wide streets cross or lots say so, else stop signs."""
    wide = [arm for arm in crossing.arms if arm.profile.lanes > 1]
    drawn = rng.random()
    all_way = rng.random() < traits.all_way_share
    stems = _stems(crossing)
    narrow_stems = all(crossing.arms[i].profile.lanes == 1 for i in stems)
    if len(wide) > 2 or not narrow_stems or drawn < traits.signal_share:
        return Control.SIGNALS
    return Control.ALL_WAY_STOP if all_way and not wide else Control.MINOR_STOP


def stopping_arms(crossing: Crossing, control: Control) -> tuple[int, ...]:
    """Indices of the arms that have a stop sign."""
    if control is Control.ALL_WAY_STOP:
        return tuple(range(len(crossing.arms)))
    return _stems(crossing) if control is Control.MINOR_STOP else ()


def signal_groups(crossing: Crossing) -> tuple[int, ...]:
    """Phase of each arm: opposite arms share one, numbered from 0."""
    axes = [arm.slot % 2 for arm in crossing.arms]
    order = list(dict.fromkeys(axes))
    return tuple(order.index(axis) for axis in axes)


def _stems(crossing: Crossing) -> tuple[int, ...]:
    """Arms that end at a through street (or cross it, where all four are there)."""
    arms = crossing.arms
    axes = [arm.slot % 2 for arm in arms]
    weight = {
        axis: sum(10 + arm.profile.lanes for arm in arms if arm.slot % 2 == axis)
        for axis in set(axes)
    }
    minor = min(weight, key=lambda axis: (weight[axis], axis))
    return tuple(i for i, axis in enumerate(axes) if axis == minor)


def plan_movements(crossing: Crossing) -> list[Movement]:
    """Every permitted movement of every lane; each lane in and out has at least one."""
    links = _lane_links(crossing)
    count = len(crossing.arms)
    movements = []
    for from_arm, from_lane, to_arm, to_lane in sorted(links):
        outermost = (
            to_arm == (from_arm + 1) % count
            and from_lane == crossing.arms[from_arm].profile.lanes - 1
            and to_lane == crossing.arms[to_arm].profile.lanes - 1
        )
        border = _border(crossing.arms[from_arm], from_lane, crossing.arms[to_arm], to_lane)
        movements.append(Movement(from_arm, from_lane, to_arm, to_lane, border, outermost))
    return movements


def turn_rad(from_arm: Arm, to_arm: Arm) -> float:
    """Change of heading of a movement; positive to the left."""
    return remainder(to_arm.outward.heading - from_arm.outward.heading - pi, 2.0 * pi)


def _lane_links(crossing: Crossing) -> set[tuple[int, int, int, int]]:
    links: set[tuple[int, int, int, int]] = set()
    arms = crossing.arms
    for i, arm in enumerate(arms):
        turns = {(other.slot - arm.slot) % 4: j for j, other in enumerate(arms) if j != i}
        right, straight, left = turns.get(1), turns.get(2), turns.get(3)
        inner, outer = 0, arm.profile.lanes - 1
        if right is not None:
            links.add((i, outer, right, arms[right].profile.lanes - 1))
        if left is not None:
            links.add((i, inner, left, 0))
        if straight is not None:
            links |= _straight_links(i, outer + 1, straight, arms[straight].profile.lanes, turns)
    for j, arm in enumerate(arms):
        for lane in range(arm.profile.lanes):
            if not any(link[2:] == (j, lane) for link in links):
                i = next(
                    (k for k, other in enumerate(arms) if (arm.slot - other.slot) % 4 == 2),
                    (j - 1) % len(arms),
                )
                links.add((i, min(lane, arms[i].profile.lanes - 1), j, lane))
    return links


def _straight_links(
    i: int, lanes_in: int, j: int, lanes_out: int, turns: dict[int, int]
) -> set[tuple[int, int, int, int]]:
    if lanes_in == lanes_out:
        return {(i, lane, j, lane) for lane in range(lanes_in)}
    if lanes_in < lanes_out:
        return {(i, 0, j, lanes_out - 1)}
    return {(i, lanes_in - 1 if 3 in turns else 0, j, 0)}


def _border(from_arm: Arm, from_lane: int, to_arm: Arm, to_lane: int) -> Curve:
    start = _lane_left_border(from_arm.outward.turned(), from_lane, from_arm)
    end = _lane_left_border(to_arm.outward, to_lane, to_arm)
    turn = turn_rad(from_arm, to_arm)
    straight = (
        _CROSSWALK_STRAIGHT_M if from_arm.crosswalk or to_arm.crosswalk else _PLAIN_STRAIGHT_M
    )
    curve = corner(start, end, straight if turn < 0.0 else _PLAIN_STRAIGHT_M)
    return biarc(start, end) if curve is None else curve


def _lane_left_border(pose: Pose, lane: int, arm: Arm) -> Pose:
    """Left border of a lane at a mouth, for traffic that passes it along `pose`."""
    return pose.moved(0.0, -lane * arm.profile.lane_width_m)
