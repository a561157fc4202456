"""The route's changes of lanes, carried out where the lane that they lead to has a gap.

The plan changes lanes at a point, whoever drives there. The ego keeps to its lane until there is a
gap, at most until the next junction is near, and changes over a length that is comfortable at its
speed. A change that is put off is a shift of the path that cancels the planned one, and ends where
the ego changes; shifts of several changes add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agent.expert.conflict import EgoBody
from agent.expert.detour import DetourSettings, ease_length_m
from agent.expert.lane_entry import Entry, Neighbours
from agent.expert.lane_gap import shrunk
from agent.expert.lane_path import SPACING_M, LanePath
from agent.expert.path_shift import Shift, moved_aside, smooth_step

F64 = NDArray[np.float64]

LOOK_S = 1.0
LOOK_LEAST_M = 5.0
"""A change is decided on this long, or this far, before it begins."""
LOOKED_BACK_M = 20.0
"""From this far before a change nobody behind is given way by another rule."""
PUT_OFF_M = 6.0
"""A change without a gap is put off by this much at a time."""
ENTERS_SHARE = 0.35
"""Of the way over, the ego is in the other lane after this share."""
HURRY_M = 60.0
"""From this far before the last place to change, smaller gaps are taken."""
HURRY_WAIT_S = 30.0
"""There a gap is taken as after this wait."""


@dataclass(frozen=True)
class LaneChange:
    """A change of the plan: between `start_m` and `end_m` along the path it moves it `side_m` to
    the right; it can be put off until it ends at `latest_m`."""

    start_m: float
    end_m: float
    side_m: float
    latest_m: float = math.inf


@dataclass(frozen=True)
class _PutOff:
    """A change that begins later than planned."""

    change: LaneChange
    begin_m: float
    length_m: float
    decided: bool = False

    @property
    def end_m(self) -> float:
        return self.begin_m + self.length_m

    @property
    def can_wait(self) -> bool:
        """Whether it can be put off once more."""
        return self.end_m + PUT_OFF_M <= self.change.latest_m

    def not_before(self, begin_m: float) -> _PutOff:
        """The change, begun after another one has ended, as far as there is room for that."""
        latest_m = self.change.latest_m - self.length_m
        return replace(self, begin_m=max(self.begin_m, min(begin_m, latest_m)))

    @property
    def shift(self) -> Shift:
        change = self.change
        return Shift(change.start_m, change.end_m, self.begin_m, self.end_m, -change.side_m)

    def lane_offset_m(self, along_m: F64) -> F64:
        """Where the lane that the change leads to lies beside the path at distances (n,)."""
        share = smooth_step((along_m - self.begin_m) / self.length_m)
        offset: F64 = self.change.side_m * (1.0 - share)
        return offset


class LaneChanges:
    """Carries out the changes of one route.

    Attributes:
        path: the route's path with the changes where the ego makes them.
        looks_back: whether a change near ahead, or under way, waits for its gap or has found it, so
            that who comes from behind there needs no other rule.
    """

    def __init__(
        self,
        planned: LanePath,
        changes: Sequence[LaneChange],
        body: EgoBody,
        settings: DetourSettings,
    ) -> None:
        self.path = planned
        self.looks_back = False
        self._planned = planned
        self._ahead = sorted(changes, key=lambda change: change.start_m)
        self._put_off: tuple[_PutOff, ...] = ()
        self._body = body
        self._settings = settings

    def step(self, others: Neighbours, distance_m: float, speed_mps: float) -> None:
        """Decide anew for an ego at `distance_m`; `others` are those along `path`."""
        look_m = max(LOOK_LEAST_M, LOOK_S * speed_mps)
        before = self._put_off
        while self._ahead and self._ahead[0].start_m < distance_m + look_m:
            change = self._ahead.pop(0)
            length_m = self._length_m(change, speed_mps)
            if change.start_m >= distance_m and change.end_m + length_m <= change.latest_m:
                self._put_off += (_PutOff(change, change.end_m, length_m),)
        decided: list[_PutOff] = []
        for one in self._put_off:
            if one.end_m > distance_m - 10.0:
                if decided:
                    one = one.not_before(decided[-1].end_m)
                decided.append(self._decide(one, others, distance_m, speed_mps, look_m))
        self._put_off = tuple(decided)
        near_m = max(LOOKED_BACK_M, 2.0 * look_m)
        self.looks_back = any(
            (one.decided or one.can_wait) and one.begin_m - near_m < distance_m < one.end_m
            for one in self._put_off
        )
        if self._put_off != before:
            self.path = self._moved(before)

    def _decide(
        self, one: _PutOff, others: Neighbours, distance_m: float, speed_mps: float, look_m: float
    ) -> _PutOff:
        """A change about to begin, with its decision, or put off."""
        if one.decided or one.begin_m > distance_m + look_m:
            return one
        place_m = one.begin_m + ENTERS_SHARE * one.length_m
        entry = Entry(
            offset_m=one.lane_offset_m(others.along_m),
            wait_s=(place_m - distance_m) / max(speed_mps, 2.0),
            place_m=place_m,
            speed_mps=speed_mps,
        )
        hurries = one.change.latest_m - one.end_m < HURRY_M
        gap = shrunk(self._settings.gap, HURRY_WAIT_S if hurries else 0.0)
        nobody = np.zeros(len(others.along_m), dtype=np.bool_)
        if others.leave_gap(entry, nobody, self._body, gap):
            return replace(one, decided=True)
        if not one.can_wait:
            return one
        length_m = min(
            self._length_m(one.change, speed_mps),
            one.change.latest_m - one.begin_m - PUT_OFF_M,
        )
        return replace(one, begin_m=one.begin_m + PUT_OFF_M, length_m=length_m)

    def _length_m(self, change: LaneChange, speed_mps: float) -> float:
        """Length of a change that is comfortable at this speed, at least the planned one."""
        easy_m = ease_length_m(
            speed_mps, change.side_m, self._settings, self._settings.easy_curvature_per_m
        )
        return max(change.end_m - change.start_m, easy_m)

    def _moved(self, before: tuple[_PutOff, ...]) -> LanePath:
        gone = [one for one in before if one.change not in {now.change for now in self._put_off}]
        if gone:  # what lies behind the ego stays as it was driven
            self._planned = self._with(self._planned, gone)
        return self._with(self._planned, self._put_off)

    def _with(self, path: LanePath, put_off: Sequence[_PutOff]) -> LanePath:
        distance: F64 = SPACING_M * np.arange(len(path.points_world_m), dtype=np.float64)
        offset = np.zeros(len(distance))
        for one in put_off:
            offset += one.shift.offset_at_m(distance)
        return moved_aside(path, offset)
