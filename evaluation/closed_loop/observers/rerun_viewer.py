"""A drive on Rerun's timeline: the agent's own log, and beside it what only the simulator knows."""

from __future__ import annotations

import math
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import carla
import numpy as np
from numpy.typing import NDArray

from agent.rerun_log import (
    INSTALL,
    SUFFIX,
    RerunLog,
    RerunMissingError,
    open_recording,
    require_rerun,
    shown,
)
from evaluation.closed_loop.episode import Observer, Step
from evaluation.closed_loop.observers.birds_eye import (
    EDGE_COLOUR,
    EGO_COLOUR,
    VEHICLE_COLOUR,
    WALKER_COLOUR,
    Body,
    lane_edges,
)
from evaluation.closed_loop.observers.passenger import Passenger
from evaluation.closed_loop.observers.road_users import RoadUsers
from evaluation.closed_loop.route_scenario import RouteScenario
from evaluation.closed_loop.sensor_interface import Spec
from evaluation.errors import UserError
from evaluation.scoring.penalty import Rules, score
from evaluation.scoring.tick import Infraction, Tick
from evaluation.servers.ports import LOOPBACK
from model.config import CameraConfig
from planner.frames import ego_from_world, wrap_angle_rad
from planner.records import EgoState

F64 = NDArray[np.float64]

VIEWER_PORT = 9876
VIEWER_ADDRESS = f"rerun+http://{LOOPBACK}:{VIEWER_PORT}/proxy"
"""Rerun's own defaults."""
VIEWER_PROGRAM = "rerun"
VIEWER_START_S = 60.0
"""Chosen: a busy machine without a GPU took six."""
VIEWER_SETTLE_S = 5.0
"""Chosen: the viewer listens before it has a window; where there is none it ended within two."""
REACH_M = 120.0
HEIGHT_M = 1.5
LIGHT_HEIGHT_M = 4.0
LIGHT_COLOURS = {
    carla.TrafficLightState.Red: (244, 67, 54),
    carla.TrafficLightState.Yellow: (255, 193, 7),
    carla.TrafficLightState.Green: (76, 175, 80),
}
UNLIT_COLOUR = (97, 97, 97)
INFRACTION_COLOUR = (255, 87, 34)
ERROR_LINES = ("along m", "across m", "yaw rad", "speed m/s")
ROUTE_LINES = ("completion %", "driving score")


class ViewerError(UserError, RuntimeError):
    """A drive cannot be shown or recorded as asked; the message names the fix."""


def require_recording(recording: Path | None, viewer: bool, predict: bool) -> None:
    """Raises ViewerError for what shows before anything is started."""
    if predict and recording is None and not viewer:
        raise ViewerError("--predict is shown on Rerun's timeline: add --record FILE.rrd")
    if recording is not None and recording.suffix != SUFFIX:
        raise ViewerError(f"--record {recording}: a recording's name ends in {SUFFIX}")
    if recording is None and not viewer:
        return
    try:
        require_rerun()
    except RerunMissingError as error:
        raise ViewerError(f"{'--viewer' if viewer else '--record'}: {error}") from None


def start_viewer() -> str:
    """Address of the viewer, one that runs already or a new window.

    Raises ViewerError where there is no display for a window, or it does not open.
    """
    if _answers():
        return VIEWER_ADDRESS
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        raise ViewerError(
            "--viewer rerun: there is no display here; write a recording with --record FILE.rrd "
            "and open it elsewhere (rerun FILE.rrd), or serve a viewer for a browser first: "
            "rerun --serve-web"
        )
    # Beside the interpreter first: an environment that was not activated is not on the PATH.
    program = shutil.which(VIEWER_PROGRAM, path=str(Path(sys.executable).parent))
    program = program or shutil.which(VIEWER_PROGRAM)
    if program is None:
        raise ViewerError(f"--viewer rerun: no program `{VIEWER_PROGRAM}`: {INSTALL}")
    # Not by rerun.spawn: it would have the viewer listen to the whole network.
    where = ("--bind", LOOPBACK, "--port", str(VIEWER_PORT), "--expect-data-soon")
    viewer = subprocess.Popen([program, *where], start_new_session=True)
    deadline_s = time.monotonic() + VIEWER_START_S
    while not _answers():
        if viewer.poll() is not None or time.monotonic() > deadline_s:
            viewer.kill()
            raise ViewerError(
                f"--viewer rerun: the viewer did not start within {VIEWER_START_S:g} s; write a "
                "recording with --record FILE.rrd instead"
            )
        time.sleep(0.1)
    try:
        viewer.wait(VIEWER_SETTLE_S)
    except subprocess.TimeoutExpired:
        return VIEWER_ADDRESS
    raise ViewerError(
        "--viewer rerun: the viewer cannot open a window (what it says stands above); see to "
        "DISPLAY and the graphics driver, or write a recording with --record FILE.rrd instead"
    )


def _answers() -> bool:
    """Whether a viewer takes connections."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, VIEWER_PORT)) == 0


class RerunViewer(Observer):
    """Writes one recording per route, to a file or to a viewer.

    Args:
        name: of the recording, as the viewer lists it.
        rules: by which the score is told.
        path: file to write.
        viewer: address of a running viewer, where no file is asked for.
        passenger: another driver that is asked for its plan in every tick.
    """

    def __init__(
        self,
        name: str,
        rules: Rules,
        path: Path | None = None,
        viewer: str | None = None,
        passenger: Passenger | None = None,
    ) -> None:
        self._name = name
        self._rules = rules
        self._path = path
        self._viewer = viewer
        self._passenger = passenger

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        import rerun as rr

        self._stream = open_recording(self._name, self._path, self._viewer)
        route = scenario.dense.points_world_m[:, :2]
        self._log = RerunLog(self._stream, cameras_of(specs), route)
        self._log.name_lines("plot/estimate_error", ERROR_LINES)
        self._log.name_lines("plot/route", ROUTE_LINES)
        edges = lane_edges(scenario.session.world_map)
        lines = shown(edges.reshape(-1, 2)).reshape(-1, 2, 3)
        lanes = rr.LineStrips3D(list(lines), colors=[EDGE_COLOUR], radii=0.05)
        self._stream.log("world/lanes", lanes, static=True)
        self._users = RoadUsers(scenario)
        actors = scenario.session.world.get_actors().filter("traffic.traffic_light")
        self._lights = tuple(actors)
        self._light_places = np.array(
            [(one.get_location().x, one.get_location().y) for one in self._lights]
        ).reshape(-1, 2)
        self._told = 0
        if self._passenger is not None:
            self._passenger.begin(scenario, specs)

    def step(self, step: Step) -> None:
        tick = step.tick
        if step.agent_step is not None:
            self._log.step(step.agent_step)
        self._log.at(tick.time_s, tick.frame)
        self._log_truth(tick)
        self._log_lights(tick)
        self._log_users()
        if step.agent_step is not None:
            self._log.plot("plot/estimate_error", estimate_error(step.agent_step.ego, tick))
            if self._passenger is not None:
                predicted = self._passenger.step(step)
                self._log.prediction(step.agent_step, predicted)
        self._log.stages("loop", step.stage_ms)
        now = score(step.completion_percent, step.infractions, self._rules)
        self._log.plot("plot/route", (step.completion_percent, now["score_composed"]))
        self._log.say("at the wheel", "a person" if step.by_person else "the agent", "INFO")
        self._log.say("paused", "single steps" if step.single else "", "INFO")
        for infraction in step.infractions[self._told :]:
            self._log_infraction(infraction, tick)
        self._told = len(step.infractions)

    def _log_truth(self, tick: Tick) -> None:
        import rerun as rr

        place, half = tick.location_world_m, tick.half_extent_m
        centre = shown(place[:2], float(half[2]))[0]
        turn = rr.RotationAxisAngle(axis=(0, 0, 1), radians=-tick.yaw_rad)
        self._stream.log("world/ego", rr.Transform3D(translation=centre, rotation=turn))
        box = rr.Boxes3D(half_sizes=[half], colors=[EGO_COLOUR], fill_mode="solid")
        self._stream.log("world/ego/body", box)

    def _log_lights(self, tick: Tick) -> None:
        import rerun as rr

        offsets = np.abs(self._light_places - tick.location_world_m[:2]).max(axis=1, initial=0.0)
        near = np.flatnonzero(offsets < REACH_M)
        states = [self._lights[index].state for index in near.tolist()]
        points = rr.Points3D(
            shown(self._light_places[near], LIGHT_HEIGHT_M),
            colors=[LIGHT_COLOURS.get(state, UNLIT_COLOUR) for state in states],
            radii=1.2,
            labels=[str(state).lower() for state in states],
            show_labels=False,
        )
        self._stream.log("world/lights", points)

    def _log_users(self) -> None:
        import rerun as rr

        bodies = self._users.near(REACH_M)
        centres = np.array([body.centre_world_m for body in bodies]).reshape(-1, 2)
        boxes = rr.Boxes3D(
            centers=shown(centres, 0.5 * HEIGHT_M),
            half_sizes=[(*body.half_extent_m, 0.5 * HEIGHT_M) for body in bodies],
            quaternions=[_quaternion(body) for body in bodies],
            colors=[WALKER_COLOUR if body.walks else VEHICLE_COLOUR for body in bodies],
            fill_mode="solid",
        )
        self._stream.log("world/road_users", boxes)

    def _log_infraction(self, infraction: Infraction, tick: Tick) -> None:
        import rerun as rr

        kind = infraction.kind.value
        self._stream.log("events", rr.TextLog(f"{kind}: {infraction.message}", level="ERROR"))
        place = infraction.place_world_m or tick.place_world_m
        point = rr.Points3D(
            shown(np.array(place[:2]), HEIGHT_M), colors=[INFRACTION_COLOUR], radii=1.5, labels=kind
        )
        self._stream.log(f"world/infractions/{self._told}_{kind}", point)

    def end(self) -> None:
        try:
            if self._passenger is not None:
                self._passenger.end()
        finally:
            self._stream.flush()
            self._stream.disconnect()


def cameras_of(specs: Sequence[Spec]) -> tuple[CameraConfig, ...]:
    """The agent's colour cameras, in its order, which is that of its images."""
    return tuple(
        CameraConfig(
            name=str(spec["id"]),
            **{f"{axis}_m": float(spec[axis]) for axis in "xyz"},
            **{f"{angle}_deg": float(spec[angle]) for angle in ("roll", "pitch", "yaw", "fov")},
            width_px=int(spec["width"]),
            height_px=int(spec["height"]),
        )
        for spec in specs
        if spec["type"] == "sensor.camera.rgb"
    )


def estimate_error(ego: EgoState, tick: Tick) -> tuple[float, float, float, float]:
    """How far the estimate is from the truth: along and across (right) of where the car really
    looks in metres, in yaw and in forward speed."""
    truth = EgoState(tick.location_world_m[:2], tick.yaw_rad, tick.speed_mps)
    along_m, across_m = ego_from_world(ego.position_world_m, truth)[0].tolist()
    forward_mps = float(tick.velocity_world_mps[:2] @ tick.forward)
    turned_rad = wrap_angle_rad(ego.yaw_rad - tick.yaw_rad)
    return along_m, across_m, turned_rad, ego.speed_mps - forward_mps


def _quaternion(body: Body) -> tuple[float, float, float, float]:
    """x, y, z, w of the body's turn in the axes that are drawn."""
    half_rad = -0.5 * body.yaw_rad
    return (0.0, 0.0, math.sin(half_rad), math.cos(half_rad))
