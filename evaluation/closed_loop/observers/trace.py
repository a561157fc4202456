"""Where and how a route was driven, tick by tick: one compressed file a route, for reports."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.closed_loop.episode import Observer, Step
from evaluation.closed_loop.route_scenario import RouteScenario
from evaluation.closed_loop.sensor_interface import Spec
from evaluation.routes.lane_graph import LaneGraph

F32 = NDArray[np.float32]

logger = logging.getLogger(__name__)

COLUMNS = (
    *("time_s", "x_world_m", "y_world_m", "speed_mps", "speed_limit_mps"),
    *("steer", "throttle", "brake", "completion_percent", "agent_ms", "tick_ms"),
)
TRACES_FOLDER = "traces"
LANES_WITHIN_M = 40.0
"""Lanes farther from the route are not drawn on its map."""
LANE_STEP = 3
"""Every third point of a lane, 3 m apart, is enough for a map."""


class TraceError(ValueError):
    """A trace that cannot be read; the message names the file."""


@dataclass(frozen=True)
class DriveTrace:
    """One driven route.

    Attributes:
        ticks: (n, 11), a row a tick with the values of COLUMNS; tick_ms is the whole tick's time.
        frames: (n,) numbers of the ticks, by which infractions name them.
        route_world_m: (m, 2) the route that was to be driven.
        lanes_world_m: (k, 2) lane centres near it; a row of NaN ends a lane.
    """

    ticks: F32
    frames: NDArray[np.int64]
    route_world_m: F32
    lanes_world_m: F32

    def column(self, name: str) -> F32:
        return self.ticks[:, COLUMNS.index(name)]

    def time_of_s(self, frame: int) -> float:
        """Time since the start of the route at a tick, or at the last one before it."""
        index = int(np.searchsorted(self.frames, frame, side="right")) - 1
        return float(self.column("time_s")[max(index, 0)])


class Trace(Observer):
    """Writes one file when the route is over, however it ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[tuple[float, ...]] = []
        self._frames: list[int] = []

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        self._rows.clear()
        self._frames.clear()
        self._route_world_m = scenario.dense.points_world_m[:, :2].astype(np.float32)
        self._lanes_world_m = lanes_near(scenario.session.graph, self._route_world_m)

    def step(self, step: Step) -> None:
        tick, control = step.tick, step.control
        self._frames.append(tick.frame)
        self._rows.append(
            (
                tick.time_s,
                float(tick.location_world_m[0]),
                float(tick.location_world_m[1]),
                tick.speed_mps,
                tick.speed_limit_mps,
                control.steer,
                control.throttle,
                control.brake,
                step.completion_percent,
                step.stage_ms.get("agent", 0.0),
                sum(step.stage_ms.values()),
            )
        )

    def end(self) -> None:
        """A trace that cannot be written is no reason to lose a route."""
        if not self._rows:
            return
        trace = DriveTrace(
            np.array(self._rows, dtype=np.float32),
            np.array(self._frames, dtype=np.int64),
            self._route_world_m,
            self._lanes_world_m,
        )
        try:
            write_trace(self._path, trace)
        except OSError as error:
            logger.warning("%s was not written: %s", self._path, error.strerror)


def trace_path(run_folder: Path, name: str) -> Path:
    """Where the trace of a drive lies, by the name under which it is recorded."""
    return run_folder / TRACES_FOLDER / f"{name}.npz"


def lanes_near(graph: LaneGraph, route_world_m: F32) -> F32:
    """(k, 2) centres of the lanes around a route; a row of NaN ends a lane."""
    low = route_world_m.min(axis=0) - LANES_WITHIN_M
    high = route_world_m.max(axis=0) + LANES_WITHIN_M
    coarse = route_world_m[:: round(LANES_WITHIN_M / 4)]
    pieces: list[F32] = []
    for lane_id in graph.lane_ids():
        lane = graph.lane_points_m(lane_id)[:, :2].astype(np.float32)
        points = np.concatenate([lane[:-1:LANE_STEP], lane[-1:]])
        points = points[((points > low) & (points < high)).all(axis=1)]
        if not len(points):
            continue
        offsets_m = np.linalg.norm(points[:, None] - coarse[None], axis=2).min(axis=1)
        points = points[offsets_m < LANES_WITHIN_M]
        if len(points) > 1:
            pieces += [points, np.full((1, 2), np.nan, dtype=np.float32)]
    return np.concatenate(pieces) if pieces else np.empty((0, 2), dtype=np.float32)


def write_trace(path: Path, trace: DriveTrace) -> None:
    """Replaces the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, **vars(trace))
    part.replace(path)


def read_trace(path: Path) -> DriveTrace | None:
    """None where there is no file. Raises TraceError for one that is damaged."""
    try:
        with np.load(path, allow_pickle=False) as found:
            trace = DriveTrace(**{one.name: found[one.name] for one in fields(DriveTrace)})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise TraceError(f"{path} is no trace of a drive ({error})") from None
    shapes = [trace.ticks.shape, trace.route_world_m.shape, trace.lanes_world_m.shape]
    widths = [shape[1] if len(shape) == 2 else 0 for shape in shapes]
    if widths != [len(COLUMNS), 2, 2] or trace.frames.shape != trace.ticks.shape[:1]:
        raise TraceError(f"{path} is no trace of a drive (shapes {shapes})")
    return trace
