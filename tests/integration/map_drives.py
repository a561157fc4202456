"""Drives the expert on maps of others, a few metres each, past a red light where there is one.

python -m tests.integration.map_drives FOLDER... prints a table, one row a map, and exits with 1
if a map neither drives nor is refused by name.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.errors import UserError
from evaluation.routes.lane_graph import LaneGraph
from evaluation.routes.lanes import LaneId
from evaluation.routes.random_routes import one_route
from evaluation.routes.route import Route
from evaluation.routes.route_file import write_routes
from evaluation.routes.towns import open_map
from evaluation.simulator.town.town import Town, TownError, load_town

PROJECT = Path(__file__).parents[2]
ROUTE_M = 60.0
BEFORE_LIGHT_M, BEHIND_LIGHT_M = 40, 15
LIMIT_S = 300
TOO_STEEP = "too steep to be driven up, as the map's notes say"

AGENT = """
import sys
from pathlib import Path

sys.path.insert(0, {folder!r})
import carla
from expert_agent import ExpertAgent


def get_entry_point():
    return "RedFirst"


class RedFirst(ExpertAgent):
    def setup(self, path_to_conf_file="", *_):
        super().setup(path_to_conf_file)
        # A client sees a synchronous world from its next tick on.
        self._seen = carla.Client(*self._address).get_world()
        self._ticks, self._standing, self._lights = 0, 0, []

    def run_step(self, data, timestamp):
        control = super().run_step(data, timestamp)
        self._ticks += 1
        if self._ticks == 2:
            self._lights = list(self._seen.get_actors().filter("traffic.traffic_light"))
            self._show(carla.TrafficLightState.Red)
        speed_mps = next(e[1]["speed"] for e in data.values() if isinstance(e[1], dict))
        started = self._ticks > 60 and speed_mps < 0.1
        self._standing = self._standing + 1 if started else 0
        if self._standing == 20:
            Path(__file__).with_suffix(".stood").touch()
            self._show(carla.TrafficLightState.Green)
        return control

    def _show(self, state):
        for light in self._lights:
            light.set_state(state)
            light.freeze(True)
"""


@dataclass(frozen=True)
class Outcome:
    """One map: what it has, and what came of it: "drove", "stopped at red and drove", "refused"
    (with the reason in `detail`), or what went wrong."""

    name: str
    roads: int
    lights: int
    route_m: float
    result: str
    detail: str = ""

    @property
    def is_right(self) -> bool:
        wanted = "stopped at red and drove" if self.lights else "drove"
        return self.result in (wanted, "refused", TOO_STEEP)


def drive_map(path: Path, folder: Path) -> Outcome:
    """Load a map and drive a short route on it; refused where the product says why it cannot."""
    try:
        town = load_town(str(path), 0)
        world_map, name = open_map(str(path))
        graph = LaneGraph(world_map)
        roads = len({lane[0] for lane in graph.lane_ids()})
        route = _past_a_light(town, graph, name) or one_route(world_map, name, ROUTE_M, 0)
        length_m = route.dense(graph).length_m
    except (TownError, UserError) as error:
        detail = str(error).replace(str(path), path.name)
        return Outcome(path.stem, 0, 0, 0.0, "refused", detail)
    result, detail = _drive(path, route, len(town.traffic_lights), folder)
    if result == "failed" and any("more than a car may climb" in note for note in town.notices):
        result, detail = TOO_STEEP, ""
    return Outcome(path.stem, roads, len(town.traffic_lights), length_m, result, detail)


def _past_a_light(town: Town, graph: LaneGraph, name: str) -> Route | None:
    """A route over the stop line of the first light that a lane leads past."""
    following = graph.successors()
    for light in town.traffic_lights:
        for road, lane_id in light.ruled_lanes:
            for lane in graph.lane_ids():
                if (lane[0], lane[2]) != (road, lane_id):
                    continue
                points = _way_through(lane, graph, following)
                if points is not None:
                    places = tuple((float(x), float(y), float(z)) for x, y, z in points)
                    return Route("0", name, places)
    return None


def _way_through(
    lane: LaneId, graph: LaneGraph, following: dict[LaneId, list[LaneId]]
) -> NDArray[np.float64] | None:
    """A place on a lane and one behind its junction (or at the junction's end)."""
    before = graph.lane_points_m(lane)
    inside = [one for one in following[lane] if graph.in_junction(one)]
    if graph.in_junction(lane) or len(before) < 25 or not inside:
        return None
    goal = graph.lane_points_m(inside[0])[-1]
    for beyond in following[inside[0]][:1]:
        points = graph.lane_points_m(beyond)
        goal = points[min(BEHIND_LIGHT_M, len(points) - 1)]
    return np.array([before[-min(BEFORE_LIGHT_M, len(before) - 1)], goal])


def _drive(path: Path, route: Route, lights: int, folder: Path) -> tuple[str, str]:
    agent = folder / "red_first.py"
    agent.write_text(AGENT.format(folder=str(PROJECT / "agent")))
    stood = agent.with_suffix(".stood")
    stood.unlink(missing_ok=True)
    write_routes(folder / "routes.xml", [route])
    out = folder / "out"
    command = [
        sys.executable, "-m", "evaluation", "drive", "--agent", str(agent), "--no-video",
        "--town", str(path), "--routes", str(folder / "routes.xml"), "--out", str(out),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    results = out / "results.json"
    records = json.loads(results.read_text())["_checkpoint"]["records"] if results.is_file() else []
    if not records:
        return "failed", (done.stderr or done.stdout).strip()[-200:].replace("\n", " ")
    record = records[0]
    if record["infractions"]["red_light"]:
        return "ran a red light", ""
    if record["scores"]["score_route"] < 99.0:
        return "failed", f"{record['status']}, {record['scores']['score_route']:.0f} % driven"
    stopped = stood.exists() and lights > 0
    return ("stopped at red and drove" if stopped else "drove"), ""


def maps_of(folders: Iterable[Path]) -> list[Path]:
    """All OpenDRIVE files below the folders, in the order of their names."""
    return sorted(path for folder in folders for path in folder.rglob("*.xodr"))


def main(folders: Iterable[Path]) -> int:
    wrong = 0
    print("| map | roads | lights | route | result |\n|---|---|---|---|---|", flush=True)
    for path in maps_of(folders):
        with tempfile.TemporaryDirectory() as folder:
            outcome = drive_map(path, Path(folder))
        wrong += not outcome.is_right
        told = f"{outcome.result}: {outcome.detail}" if outcome.detail else outcome.result
        print(
            f"| {outcome.name} | {outcome.roads or ''} | {outcome.lights or ''} | "
            f"{outcome.route_m:.0f} m | {told} |",
            flush=True,
        )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main([Path(folder) for folder in sys.argv[1:]]))
