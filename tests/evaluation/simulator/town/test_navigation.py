"""The navigation mesh, as the client's own Detour understands it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import carla
import numpy as np
import pytest
import shapely

from evaluation.simulator.town.markings import crosswalk_outlines
from evaluation.simulator.town.navigation import navigation_mesh
from evaluation.simulator.town.town import Town, load_town
from tests.evaluation.simulator.client_session import ClientSession
from tests.evaluation.simulator.server_process import RunningSimulator


@pytest.fixture(scope="module")
def demo() -> Town:
    return load_town("demo", 0)


@pytest.fixture
def walkers(demo_simulator: RunningSimulator) -> Iterator[ClientSession]:
    with ClientSession(demo_simulator.port) as session:
        session.world.set_pedestrians_seed(1)
        yield session


def test_random_places_lie_on_pavements(walkers: ClientSession, demo: Town) -> None:
    found = [walkers.world.get_random_location_from_navigation() for _ in range(60)]
    plan = np.array([(place.x, place.y) for place in found])
    assert shapely.contains_xy(demo.areas.walk.buffer(0.2), plan[:, 0], plan[:, 1]).all()
    assert len(np.unique(plan, axis=0)) > 50
    heights = demo.ground.plan_height_m(plan)
    assert np.abs([place.z for place in found] - heights).max() < 0.3


def test_walkers_steered_by_the_client_get_somewhere(walkers: ClientSession) -> None:
    world = walkers.world
    controllers = []
    for _ in range(6):
        place = world.get_random_location_from_navigation()
        place.z += 1.0
        walker = walkers.spawn("walker.pedestrian.0001", carla.Transform(place))
        controllers.append(walkers.spawn("controller.ai.walker", carla.Transform(), walker))
    walkers.ticks(1)
    for controller in controllers:
        controller.start()
        controller.go_to_location(world.get_random_location_from_navigation())
        controller.set_max_speed(1.4)
    starts = [controller.parent.get_location() for controller in controllers]
    walkers.ticks(100)
    ways_m = [
        controller.parent.get_location().distance(start)
        for controller, start in zip(controllers, starts, strict=True)
    ]
    for controller in controllers:
        controller.stop()
    # Five seconds at 1.4 m/s; some turn a corner or wait.
    assert sum(way_m > 3.0 for way_m in ways_m) >= 4, ways_m
    assert max(ways_m) < 8.5


def test_a_town_without_pavements_has_no_mesh(tiny_towns: Path) -> None:
    town = load_town(str(tiny_towns / "tiny.xodr"), 0)
    assert navigation_mesh(town.areas, [], town.ground) == town.navigation == b""


def test_crosswalks_join_pavements(demo: Town) -> None:
    with_crosswalks, without = (
        _pieces(navigation_mesh(demo.areas, outlines, demo.ground))
        for outlines in (_outlines(demo), [])
    )
    assert with_crosswalks < without


def _outlines(town: Town) -> list[np.ndarray]:
    outlines: list[np.ndarray] = list(crosswalk_outlines(town.map))
    return outlines


def _pieces(mesh: bytes) -> int:
    """Count the parts of a mesh between which there is no way."""
    count, corner_count = np.frombuffer(mesh, "<i4", 2, 40 + 8 + 24)
    start = 40 + 8 + 100 + 12 * int(corner_count)
    polys = np.frombuffer(mesh, np.uint8, 32 * int(count), start).reshape(-1, 32)
    behind = polys[:, 16:22].copy().view("<u2").astype(int) - 1
    piece = np.arange(count)
    for _ in range(int(count)):
        lowest = np.where(behind >= 0, piece[behind], piece[:, None]).min(axis=1)
        merged = np.minimum(piece, lowest)
        if (merged == piece).all():
            break
        piece = merged
    return len(np.unique(piece))
