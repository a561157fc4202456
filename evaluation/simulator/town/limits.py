"""Speed limits that a map states for its roads and lanes; signs are apart."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evaluation.simulator.town.opendrive_records import RoadRecord, SpeedRecord


@dataclass(frozen=True)
class StatedLimits:
    """Limits by place: those of a lane before those of its road, each from its own s on.

    OpenDRIVE states them in <lane><speed> and in <type><speed>; a <type> without <speed> states
    none, whatever the one before it did. `of_road` by road id, `of_lane` by road id, index of the
    section and lane id.
    """

    of_road: Mapping[int, tuple[SpeedRecord, ...]] = field(default_factory=dict)
    of_lane: Mapping[tuple[int, int, int], tuple[SpeedRecord, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, roads: Iterable[RoadRecord]) -> StatedLimits:
        """The limits of a map's roads."""
        of_road: dict[int, tuple[SpeedRecord, ...]] = {}
        of_lane: dict[tuple[int, int, int], tuple[SpeedRecord, ...]] = {}
        for road in roads:
            if road.speeds:
                of_road[road.road_id] = road.speeds
            for section in road.sections:
                for lane in section.lanes:
                    if lane.speeds:
                        of_lane[road.road_id, section.index, lane.lane_id] = lane.speeds
        return cls(of_road, of_lane)

    def at_mps(self, road_id: int, section: int, lane_id: int, s_m: float) -> float | None:
        """The limit at a place of a lane, or None where the map states none."""
        own = _last(self.of_lane.get((road_id, section, lane_id), ()), s_m)
        return _last(self.of_road.get(road_id, ()), s_m) if own is None else own


def _last(speeds: Sequence[SpeedRecord], s_m: float) -> float | None:
    """The limit of the last record at or before `s_m`."""
    index = bisect_right([speed.s_m for speed in speeds], s_m) - 1
    return speeds[index].limit_mps if index >= 0 else None
