"""A session on Rerun's timeline: what the agent saw, estimated, planned and did, tick by tick.

World points are drawn in right-handed axes (x forward, y left, z up), because Rerun draws no
left-handed ones: y of CARLA's world is negated, and so is the yaw. Numbers in plots keep their
signs. Rerun is an optional package (extra `debug`); it is imported where a log is opened.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.observation import AgentStep
from agent.overlay import (
    FARTHEST_DRAWN_M,
    NEXT_TARGET_COLOUR,
    ROUTE_COLOUR,
    TARGET_COLOUR,
    WAYPOINT_COLOUR,
    Colour,
)
from agent.rig import project
from model.config import CameraConfig
from model.latency import Latency
from planner.controller import ControlTerms
from planner.frames import ego_from_world, world_from_ego
from planner.pid import PidTerms
from planner.records import EgoState, Plan

if TYPE_CHECKING:
    import rerun

F64 = NDArray[np.float64]

APPLICATION = "simlingo_carla"
SUFFIX = ".rrd"
INSTALL = "rerun is not installed: pip install 'simlingo-carla[debug]' (or rerun-sdk)"
TIMELINE, TICKS = "route_time", "tick"
SEAT = "world/seat"
"""Where the filter has the ego, as a frame: the world is seen from above it."""
JPEG_QUALITY = 75
FILE_PIECE_S, VIEWER_PIECE_S = 1.0, 0.1
LAST_SECOND_TICKS = 20
PREDICTION_COLOUR: Colour = (236, 64, 200)
PAST_COLOUR: Colour = (120, 144, 156)
GLOBAL_ROUTE_COLOUR: Colour = (76, 140, 100)
ESTIMATE_COLOUR: Colour = (255, 255, 255)
PLAN_HEIGHT_M = 0.2
PLOTS: Mapping[str, tuple[str, ...]] = {
    "plot/speed": ("estimate", "desired"),
    "plot/control": ("steer", "throttle", "brake"),
    "plot/steering": ("error", "P", "I", "D", "sum"),
    "plot/throttle": ("error", "P", "I", "D", "sum"),
    "plot/clipped": ("steer", "speed error", "throttle"),
    "plot/creep": ("standing ticks", "push ticks left"),
    "plot/prediction": ("route off by m", "waypoints off by m"),
}
"""Entity of each plot and the names of its lines."""


class RerunMissingError(RuntimeError):
    """Rerun is not installed; the message says how to install it."""


def require_rerun() -> None:
    """Raises RerunMissingError where the package is missing."""
    try:
        import rerun  # noqa: F401
    except ImportError:
        raise RerunMissingError(INSTALL) from None


def open_recording(
    name: str, path: Path | None = None, viewer: str | None = None
) -> rerun.RecordingStream:
    """A recording that goes to a file, or to the viewer at an address (`rerun+http://...`)."""
    require_rerun()
    import rerun as rr

    # Files are written once a second: each piece costs about a kilobyte beside what is in it.
    piece_s = FILE_PIECE_S if path is not None else VIEWER_PIECE_S
    batches = rr.ChunkBatcherConfig(flush_tick=piece_s)
    stream = rr.RecordingStream(APPLICATION, batcher_config=batches)
    stream.send_recording_name(name)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream.save(path)
    else:
        stream.connect_grpc(viewer)
    return stream


def shown(points_world_m: F64, height_m: float = 0.0) -> F64:
    """Points (n, 2) of CARLA's world as Rerun draws them (n, 3), at one height."""
    points = np.asarray(points_world_m, dtype=np.float64).reshape(-1, 2)
    return np.column_stack([points[:, 0], -points[:, 1], np.full(len(points), height_m)])


class RerunLog:
    """Logs the steps of one route to a recording.

    Args:
        stream: where to; owned by the caller.
        cameras: those whose images the steps hold, in order.
        route_world_m: (n, 2) the dense route.
    """

    def __init__(
        self, stream: rerun.RecordingStream, cameras: Sequence[CameraConfig], route_world_m: F64
    ) -> None:
        self._stream = stream
        self._cameras = tuple(cameras)
        self._past: deque[F64] = deque(maxlen=LAST_SECOND_TICKS)
        self._stages: dict[str, list[str]] = {}
        self._said: dict[str, str] = {}
        self._begin(route_world_m)

    def _begin(self, route_world_m: F64) -> None:
        import rerun as rr

        self._stream.send_blueprint(blueprint(self._cameras))
        self._stream.log("world", rr.ViewCoordinates.FLU, static=True)
        route = rr.LineStrips3D([shown(route_world_m)], colors=[GLOBAL_ROUTE_COLOUR], radii=0.5)
        self._stream.log("world/route", route, static=True)
        for entity, names in PLOTS.items():
            self.name_lines(entity, names)

    def name_lines(self, entity: str, names: Sequence[str]) -> None:
        """Gives the lines of a plot their names."""
        import rerun as rr

        self._stream.log(entity, rr.SeriesLines(names=list(names)), static=True)

    def at(self, time_s: float, frame: int) -> None:
        """What is logged from here on belongs to this moment."""
        self._stream.set_time(TIMELINE, duration=time_s)
        self._stream.set_time(TICKS, sequence=frame)

    def step(self, step: AgentStep) -> None:
        """Everything that the agent tells of a tick."""
        self.at(step.timestamp_s, step.frame)
        self._log_images(step)
        known = bool(np.isfinite([*step.ego.position_world_m, step.ego.yaw_rad]).all())
        if known:
            self._log_pose(step.ego)
            self._log_targets(step)
        self._log_plan(step, known)
        self._log_control(step)
        self.stages("agent", step.stage_ms)
        self.say("fault", step.notes.get("fault", ""))

    def prediction(self, step: AgentStep, predicted: Plan | None) -> None:
        """Another plan for the same tick, beside the step's own, and how far they are apart."""
        if predicted is None or not np.isfinite([*step.ego.position_world_m]).all():
            return
        self._draw(predicted, step.ego, "prediction", PREDICTION_COLOUR, PREDICTION_COLOUR)
        if step.plan is not None:
            self.plot("plot/prediction", apart_m(step.plan, predicted))

    def plot(self, entity: str, values: Sequence[float]) -> None:
        """One value for each line of a plot."""
        import rerun as rr

        self._stream.log(entity, rr.Scalars(list(values)))

    def stages(self, part: str, stage_ms: Mapping[str, float]) -> None:
        """What the stages of a part took; those that were not met before get another line."""
        entity, known = f"latency_ms/{part}", self._stages.setdefault(part, [])
        new = [name for name in stage_ms if name not in known]
        if new:
            known += new
            self.name_lines(entity, [f"{part} {name}" for name in known])
        self.plot(entity, [stage_ms.get(name, math.nan) for name in known])

    def say(self, topic: str, text: str, level: str = "WARN") -> None:
        """An event, once where the same is said tick after tick; "" ends it."""
        import rerun as rr

        if text and self._said.get(topic) != text:
            self._stream.log("events", rr.TextLog(f"{topic}: {text}", level=level))
        self._said[topic] = text

    def _log_images(self, step: AgentStep) -> None:
        import rerun as rr

        for image, camera in zip(step.images, self._cameras, strict=False):
            quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
            done, data = cv2.imencode(".jpg", image[:, :, ::-1], quality)
            if done:
                encoded = rr.EncodedImage(contents=data.tobytes(), media_type="image/jpeg")
                self._stream.log(f"camera/{camera.name}", encoded)

    def _log_pose(self, ego: EgoState) -> None:
        import rerun as rr

        nose = world_from_ego(np.array([[0.0, 0.0], [3.0, 0.0]]), ego)
        line = shown(nose, 1.6)
        arrow = rr.Arrows3D(
            origins=line[:1], vectors=line[1:] - line[:1], colors=[ESTIMATE_COLOUR], radii=0.12
        )
        self._stream.log("world/estimate", arrow)
        turn = rr.RotationAxisAngle(axis=(0, 0, 1), radians=-ego.yaw_rad)
        seat = rr.Transform3D(translation=shown(ego.position_world_m)[0], rotation=turn)
        self._stream.log(SEAT, seat)

    def _log_targets(self, step: AgentStep) -> None:
        import rerun as rr

        if not step.targets:
            return
        points = np.stack([target.position_world_m for target in step.targets])
        colours = [TARGET_COLOUR, *[NEXT_TARGET_COLOUR] * (len(points) - 1)]
        names = [target.command.name.replace("_", " ").lower() for target in step.targets]
        drawn = rr.Points3D(shown(points, 0.5), colors=colours, radii=1.0, labels=names)
        self._stream.log("world/targets", drawn)
        points_ego_m = ego_from_world(points, step.ego)
        for camera in self._cameras:
            pixels, inside = project(points_ego_m, camera)
            dots = rr.Points2D(
                pixels[inside], colors=np.array(colours)[inside], radii=camera.width_px / 90
            )
            self._stream.log(f"camera/{camera.name}/targets", dots)

    def _log_plan(self, step: AgentStep, known: bool) -> None:
        import rerun as rr

        if self._past:
            shades = np.linspace(40, 170, len(self._past)).astype(int).tolist()
            colours = [(*PAST_COLOUR, shade) for shade in shades]
            strips = rr.LineStrips3D(list(self._past), colors=colours, radii=0.06)
            self._stream.log("world/plans_of_last_second", strips)
        if step.plan is None or not known:
            for entity in ("world/plan", *(f"camera/{one.name}/plan" for one in self._cameras)):
                self._stream.log(entity, rr.Clear(recursive=True))
            return
        self._draw(step.plan, step.ego, "plan", ROUTE_COLOUR, WAYPOINT_COLOUR)
        world = world_from_ego(_drawable(step.plan.route_ego_m), step.ego)
        self._past.append(shown(world, PLAN_HEIGHT_M / 2))

    def _draw(
        self, plan: Plan, ego: EgoState, name: str, route_colour: Colour, dot_colour: Colour
    ) -> None:
        """A plan in the world and projected into every camera."""
        import rerun as rr

        route, dots = _drawable(plan.route_ego_m), _drawable(plan.waypoints_ego_m)
        line = shown(world_from_ego(route, ego), PLAN_HEIGHT_M)
        strip = rr.LineStrips3D([line], colors=[route_colour], radii=0.2)
        places = shown(world_from_ego(dots, ego), PLAN_HEIGHT_M)
        points = rr.Points3D(places, colors=[dot_colour], radii=0.35)
        self._stream.log(f"world/{name}", strip, points)
        for camera in self._cameras:
            size = camera.width_px / 200
            pixels, inside = project(route, camera)
            pieces = rr.LineStrips2D([pixels[inside]], colors=[route_colour], radii=size)
            pixels, inside = project(dots, camera)
            spots = rr.Points2D(pixels[inside], colors=[dot_colour], radii=1.6 * size)
            self._stream.log(f"camera/{camera.name}/{name}", pieces, spots)

    def _log_control(self, step: AgentStep) -> None:
        control, terms = step.control, step.terms
        self.plot("plot/control", (control.steer, control.throttle, control.brake))
        if terms is None:
            self.plot("plot/speed", (step.ego.speed_mps, math.nan))
            return
        self.plot("plot/speed", (step.ego.speed_mps, terms.desired_mps))
        self.plot("plot/steering", _parts(terms.steer))
        self.plot("plot/throttle", _parts(terms.throttle))
        clipped = [float(name in terms.clipped) for name in PLOTS["plot/clipped"]]
        self.plot("plot/clipped", clipped)
        creep = terms.creep
        self.plot("plot/creep", (float(creep.standing_ticks), float(creep.push_ticks_left)))
        self._say_state(terms)

    def _say_state(self, terms: ControlTerms) -> None:
        self.say("held", terms.halted, "INFO")
        pushed = "pushed on after long standing" if terms.creep.push_ticks_left else ""
        self.say("creep", pushed, "INFO")


class RerunRecorder:
    """A log in a file of its own, which the agent writes by itself under any leaderboard."""

    def __init__(self, path: Path, cameras: Sequence[CameraConfig], route_world_m: F64) -> None:
        self.path = path
        self._stream = open_recording(path.stem, path)
        self._log = RerunLog(self._stream, cameras, route_world_m)

    def record(self, step: AgentStep) -> None:
        """Append one step."""
        self._log.step(step)

    def close(self, latency: Mapping[str, Latency] | None = None) -> None:
        """Finish the file. `latency` is told tick by tick already."""
        self._stream.disconnect()


def numbered(path: Path) -> Path:
    """The path, or one with a number before its ending where it is taken."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_stem(f"{path.stem}_{number}")
    return found


def apart_m(plan: Plan, other: Plan) -> tuple[float, float]:
    """Mean distances of the points of two plans: of their routes and of their waypoints."""
    pairs = (
        (plan.route_ego_m, other.route_ego_m),
        (plan.waypoints_ego_m, other.waypoints_ego_m),
    )
    found = []
    for first, second in pairs:
        count = min(len(first), len(second))
        steps = np.linalg.norm(first[:count] - second[:count], axis=1)
        found.append(float(steps.mean()) if count else math.nan)
    return found[0], found[1]


def blueprint(cameras: Sequence[CameraConfig]) -> Any:
    """How the viewer lays a session out: the world from above, cameras, plots, events."""
    import rerun.blueprint as rrb

    above = rrb.Spatial3DView(
        # In the ego's axes: where an eye of the world's was to track the ego, it stayed at the
        # world's origin, and a drive begins anywhere.
        origin=SEAT,
        contents="world/**",
        name="From above",
        eye_controls=rrb.EyeControls3D(
            kind=rrb.Eye3DKind.Orbital,
            position=(-22.0, 0.0, 55.0),
            look_target=(14.0, 0.0, 0.0),
        ),
    )
    left_to_right = sorted(cameras, key=lambda camera: camera.yaw_deg)
    views = [rrb.Spatial2DView(origin=f"camera/{one.name}", name=one.name) for one in left_to_right]
    plots = [
        rrb.TimeSeriesView(origin=entity, name=entity.removeprefix("plot/"))
        for entity in (*PLOTS, "plot/estimate_error", "plot/route")
    ]
    latency = rrb.TimeSeriesView(origin="latency_ms", name="latency ms")
    seen = [above, rrb.Horizontal(*views)] if views else [above]
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(*seen, row_shares=[3, 1][: len(seen)]),
            rrb.Vertical(
                *plots[:4],
                rrb.Tabs(*plots[4:], latency),
                rrb.TextLogView(origin="events", name="events"),
            ),
            column_shares=[3, 2],
        ),
        rrb.TimePanel(timeline=TIMELINE, state="collapsed"),
        collapse_panels=True,
    )


def _parts(terms: PidTerms | None) -> tuple[float, ...]:
    if terms is None:
        return (math.nan,) * 5
    return (terms.error, terms.proportional, terms.integral, terms.derivative, terms.output)


def _drawable(points_ego_m: F64) -> F64:
    points = np.asarray(points_ego_m, dtype=np.float64)
    kept: F64 = points[(np.abs(points) <= FARTHEST_DRAWN_M).all(axis=1)]
    return kept
