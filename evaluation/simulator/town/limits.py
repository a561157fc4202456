"""Speed limits that a map states for its roads and lanes; signs are apart."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from evaluation.simulator.town.opendrive_records import RoadRecord, SpeedRecord


class StatedLimits:
    """Limits by place: those of a lane before those of its road, each from its own s on.

    OpenDRIVE states them in <lane><speed> and in <type><speed>; a <type> without <speed> states
    none, whatever the one before it did.
    """

    def __init__(self, roads: Iterable[RoadRecord] = ()) -> None:
        self._of_road: dict[int, tuple[SpeedRecord, ...]] = {}
        self._of_lane: dict[tuple[int, int, int], tuple[SpeedRecord, ...]] = {}
        for road in roads:
            if road.speeds:
                self._of_road[road.road_id] = road.speeds
            for section in road.sections:
                for lane in section.lanes:
                    if lane.speeds:
                        key = (road.road_id, section.index, lane.lane_id)
                        self._of_lane[key] = lane.speeds

    def at_mps(self, road_id: int, section: int, lane_id: int, s_m: float) -> float | None:
        """The limit at a place of a lane, or None where the map states none."""
        own = _last(self._of_lane.get((road_id, section, lane_id), ()), s_m)
        return _last(self._of_road.get(road_id, ()), s_m) if own is None else own


def _last(speeds: Sequence[SpeedRecord], s_m: float) -> float | None:
    """The limit of the last record at or before `s_m`."""
    index = bisect_right([speed.s_m for speed in speeds], s_m) - 1
    return speeds[index].limit_mps if index >= 0 else None
