"""Generated towns are drivable maps for the official wheel, and depend on their seed only."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from functools import cache
from itertools import pairwise

import carla
import networkx
import pytest

from evaluation.simulator.town.generator import generate_opendrive
from evaluation.simulator.town.town import DEMO_SEED

SEEDS = (DEMO_SEED, 0, 1, 130)


@cache
def _text(seed: int) -> str:
    return generate_opendrive("Town", seed)


@cache
def _map(seed: int) -> carla.Map:
    return carla.Map("Town", _text(seed))


@cache
def _waypoints(seed: int) -> list[carla.Waypoint]:
    return list(_map(seed).generate_waypoints(4.0))


def test_same_seed_same_text() -> None:
    assert generate_opendrive("Town", 3) == generate_opendrive("Town", 3)


def test_same_seed_same_text_in_another_process() -> None:
    code = (
        "import hashlib; from evaluation.simulator.town.generator import generate_opendrive;"
        "print(hashlib.sha256(generate_opendrive('Town', 3).encode()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = hashlib.sha256(generate_opendrive("Town", 3).encode()).hexdigest()
    assert run.stdout.strip() == expected


def test_seeds_differ() -> None:
    assert len({_text(seed) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_ids_of_roads_and_junctions_do_not_meet(seed: int) -> None:
    root = ElementTree.fromstring(_text(seed).encode())
    roads = [road.get("id") for road in root.findall("road")]
    junctions = [junction.get("id") for junction in root.findall("junction")]
    assert len(set(roads)) == len(roads)
    assert not set(roads) & set(junctions)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_lane_can_be_reached_from_every_other(seed: int) -> None:
    # Changing between lanes of one direction counts as going on.
    graph = networkx.DiGraph()
    for start, end in _map(seed).get_topology():
        graph.add_edge((start.road_id, start.lane_id), (end.road_id, end.lane_id))
    lanes = {(point.road_id, point.lane_id) for point in _waypoints(seed)}
    for road, lane in lanes:
        outer = lane + (1 if lane > 0 else -1)
        if (road, outer) in lanes:
            graph.add_edge((road, lane), (road, outer))
            graph.add_edge((road, outer), (road, lane))
    assert set(graph) == lanes
    assert networkx.is_strongly_connected(graph)


@pytest.mark.parametrize("seed", SEEDS)
def test_lane_changes_stay_on_their_side(seed: int) -> None:
    for point in _waypoints(seed):
        if point.lane_change in (carla.LaneChange.Left, carla.LaneChange.Both):
            assert point.get_left_lane().lane_id * point.lane_id > 0
        if point.lane_change in (carla.LaneChange.Right, carla.LaneChange.Both):
            assert point.get_right_lane().lane_type == carla.LaneType.Driving


@pytest.mark.parametrize("seed", SEEDS)
def test_waypoints_are_finite_and_lead_on_smoothly(seed: int) -> None:
    for point in _waypoints(seed):
        location = point.transform.location
        assert all(math.isfinite(v) for v in (location.x, location.y, location.z))
        following = point.next(2.0)
        assert following
        for after in following:
            assert after.lane_type == carla.LaneType.Driving
            assert 1.0 < location.distance(after.transform.location) < 2.6
            turn = after.transform.rotation.yaw - point.transform.rotation.yaw
            assert abs((turn + 180.0) % 360.0 - 180.0) < 30.0


@pytest.mark.parametrize("seed", SEEDS)
def test_traffic_keeps_right_between_sidewalks(seed: int) -> None:
    for point in _waypoints(seed)[::9]:
        if point.is_junction:
            assert point.junction_id >= 100_000
            continue
        right = point
        while right.lane_type == carla.LaneType.Driving:
            right = right.get_right_lane()
        assert right.lane_type == carla.LaneType.Sidewalk
        inner = point
        while inner.lane_id * inner.get_left_lane().lane_id > 0:
            inner = inner.get_left_lane()
        across = inner.get_left_lane()
        assert across.lane_type == carla.LaneType.Driving
        facing = across.transform.rotation.yaw - point.transform.rotation.yaw
        assert abs((facing % 360.0) - 180.0) < 15.0


@pytest.mark.parametrize("seed", SEEDS)
def test_every_arm_leads_to_every_other_arm(seed: int) -> None:
    exits: dict[int, dict[int, set[int]]] = {}
    root = ElementTree.fromstring(_text(seed).encode())
    for road in root.findall("road"):
        junction = int(road.get("junction", "-1"))
        before, after = road.find("link/predecessor"), road.find("link/successor")
        if junction >= 0 and before is not None and after is not None:
            source, goal = int(before.get("elementId", "")), int(after.get("elementId", ""))
            exits.setdefault(junction, {}).setdefault(source, set()).add(goal)
    assert exits
    for arms in exits.values():
        assert len(arms) in (3, 4)
        for source, goals in arms.items():
            assert goals | {source} == set(arms)


def test_towns_are_varied() -> None:
    lanes: set[int] = set()
    limits: set[str | None] = set()
    signals: set[str | None] = set()
    marks: set[tuple[str | None, str | None]] = set()
    junctions: set[int] = set()
    for seed in SEEDS:
        root = ElementTree.fromstring(_text(seed).encode())
        for road in root.findall("road"):
            if road.get("junction") == "-1":
                lanes.add(sum(lane.get("type") == "driving" for lane in road.iter("lane")))
                limits.update(speed.get("max") for speed in road.findall("type/speed"))
            signals.update(signal.get("type") for signal in road.iter("signal"))
            marks.update((mark.get("type"), mark.get("color")) for mark in road.iter("roadMark"))
        junctions.add(len(root.findall("junction")))
    assert lanes == {2, 4}
    assert len(limits) >= 3
    assert {"1000001", "206", "274"} <= signals
    assert {("broken", "white"), ("broken", "yellow"), ("solid", "white")} <= marks
    assert len(junctions) > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_bends_can_be_driven(seed: int) -> None:
    root = ElementTree.fromstring(_text(seed).encode())
    sharpest = 0.0
    for road in root.findall("road"):
        if road.get("junction") != "-1":
            continue
        geometries = road.findall("planView/geometry")
        for geometry, following in pairwise(geometries):
            end = float(geometry.get("s", "")) + float(geometry.get("length", ""))
            assert end == pytest.approx(float(following.get("s", "")), abs=1e-6)
        curvatures = [abs(float(arc.get("curvature", ""))) for arc in road.iter("arc")]
        sharpest = max([sharpest, *curvatures])
    assert 1.0 / 100.0 < sharpest <= 1.0 / 17.0
