"""The labels of a frame: they say what is driven, also where that leaves the route."""

from __future__ import annotations

import json
import math

import carla
import numpy as np
import pytest

from agent.expert.conflict import Lead, Yield
from agent.expert.decision import Decision
from agent.expert.frame_record import MOST_DISAGREEMENT_M, ROUTE_POINTS, Corrected, measurement
from agent.expert.privileged_world import WorldView
from agent.expert.road_users import NOBODY
from planner.records import Command, Control, EgoState, Target

VIEW = WorldView(
    frame=7,
    timestamp_s=1.5,
    ego=EgoState(np.array([100.0, 50.0]), np.pi / 2, 4.0),
    ego_transform=carla.Transform(),
    yaw_rate_radps=0.0,
    others=NOBODY,
)
TARGETS = [Target(np.array([100.0, 80.0]), Command.LANE_FOLLOW)] * 2


def decision(reason: str, waiting_for: str | None = None) -> Decision:
    return Decision(
        control=Control(0.0, 0.0, 1.0),
        distance_m=0.0,
        lateral_m=0.0,
        target_speed_mps=0.0,
        limit_mps=10.0,
        acceleration_mps2=-1.0,
        reason=reason,
        light="None",
        lead=Lead(1, "vehicle", 8.0, 0.0) if reason == "lead" else None,
        yielding_to=Yield(2, "walker", 5.0, 1.0) if reason == "yield" else None,
        waiting_for=waiting_for,
    )


def test_the_route_label_is_the_path_that_is_driven() -> None:
    route = np.stack([np.full(ROUTE_POINTS, 100.0), 50.0 + np.arange(ROUTE_POINTS)], axis=1)
    driven = route + np.array([3.5, 0.0])
    passing = measurement(VIEW, decision("cruise"), TARGETS, driven, route)
    assert passing["route"][10] == pytest.approx([10.0, -3.5])
    assert passing["route_original"][10] == pytest.approx([10.0, 0.0])
    assert passing["changed_route"] is True
    plain = measurement(VIEW, decision("cruise"), TARGETS, route, route)
    assert plain["route"] == plain["route_original"]
    assert plain["changed_route"] is False


@pytest.mark.parametrize(
    ("reason", "waiting_for", "vehicle", "walker", "kind"),
    [
        ("cruise", None, False, False, None),
        ("lead", None, True, False, "vehicle"),
        ("yield", None, False, True, "walker"),
        ("wait", "vehicle", True, False, "vehicle"),
        ("wait", "prop", False, False, "prop"),
        ("light", None, False, False, "traffic_light"),
    ],
)
def test_hazards_name_what_the_ego_slows_down_for(
    reason: str, waiting_for: str | None, vehicle: bool, walker: bool, kind: str | None
) -> None:
    route = np.zeros((ROUTE_POINTS, 2))
    record = measurement(VIEW, decision(reason, waiting_for), TARGETS, route, route)
    assert record["vehicle_hazard"] is vehicle
    assert record["walker_hazard"] is walker
    assert record["speed_reduced_by_obj_type"] == kind
    assert record["light_hazard"] is (reason == "light")


def test_who_is_corrected_is_told_where_to_go() -> None:
    route = np.zeros((ROUTE_POINTS, 2))
    back = np.stack([np.arange(10.0), np.ones(10)], axis=1)
    plain = measurement(VIEW, decision("cruise"), TARGETS, route, route)
    assert not {"waypoints", "disagreement"} & set(plain)
    for corrected, expected in ((0.5, 0.5), (math.inf, MOST_DISAGREEMENT_M)):
        told = measurement(
            VIEW, decision("cruise"), TARGETS, route, route, corrected=Corrected(back, corrected)
        )
        assert told["waypoints"] == back.tolist()
        assert told["disagreement"] == expected
        json.dumps(told, allow_nan=False)
