"""The room beside a path, read from maps."""

from __future__ import annotations

import carla
import numpy as np
import pytest

from agent.expert.lane_room import LaneRoom, room_at
from tests.evaluation.scoring.roads import crossing_map, straight_map

NO_LANE_BESIDE = LaneRoom(-1.75, 1.75, -1.75, 1.75, False, False)


@pytest.mark.parametrize(
    ("world_map", "place", "yaw_rad", "room"),
    [
        # The inner lane along +x: an oncoming one on its left, another of its own on its right.
        (straight_map(), (50.0, 1.75), 0.0, LaneRoom(-1.75, 1.75, -5.25, 5.25, True, False)),
        (straight_map(), (50.0, 2.0), 0.0, LaneRoom(-2.0, 1.5, -5.5, 5.0, True, False)),
        (straight_map(), (50.0, 5.25), 0.0, LaneRoom(-1.75, 1.75, -5.25, 1.75, False, False)),
        (straight_map(), (50.0, -1.75), np.pi, LaneRoom(-1.75, 1.75, -5.25, 5.25, True, False)),
        (crossing_map(), (50.0, 1.75), 0.0, LaneRoom(-1.75, 1.75, -5.25, 1.75, True, False)),
        # In a junction only the path's own width counts.
        (crossing_map(), (165.0, 1.75), 0.0, NO_LANE_BESIDE),
    ],
)
def test_room(
    world_map: carla.Map, place: tuple[float, float], yaw_rad: float, room: LaneRoom
) -> None:
    got = room_at(world_map, np.array(place), yaw_rad, 0.0)
    edges = (got.left_m, got.right_m, got.far_left_m, got.far_right_m)
    assert edges == pytest.approx(
        (room.left_m, room.right_m, room.far_left_m, room.far_right_m), abs=1e-4
    )
    assert (got.left_oncoming, got.right_oncoming) == (room.left_oncoming, room.right_oncoming)
