"""drive.mp4: what the car sees and means to do, from the front, the sides and above."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import carla
import cv2
import numpy as np
from numpy.typing import NDArray

from agent.overlay import BACKGROUND, TEXT_COLOUR, Drawing, draw_on_camera, drawing_of
from evaluation.closed_loop.episode import Observer, Step
from evaluation.closed_loop.observers.birds_eye import BirdsEye, Body
from evaluation.closed_loop.observers.road_users import RoadUsers
from evaluation.closed_loop.route_scenario import RouteScenario
from evaluation.closed_loop.sensor_interface import Spec, bgra_of, mount_of
from evaluation.scoring.penalty import Rules, score
from model.config import CameraConfig

U8 = NDArray[np.uint8]

FRONT_PX = (960, 480)
DRAWN_PX = (768, 384)
"""What the front view's camera draws: enlarged to FRONT_PX it is hardly softer, and it takes two
thirds of the time."""
STRIP_PX = 240
INSET_WIDTH_PX = 360
WIDE_INSET_PX = 560
"""Width of the view from above where no side cameras need the place."""
INSET_METRES = 70.0
SIDE_PX = (300, 150)
KEPT_STEPS = 10
WAITING_IMAGES = 8
"""So many images may wait to be encoded before the drive waits. Each holds its tick's inputs too:
under 80 MB for the cameras of BASE."""
WARNING_COLOUR = (255, 112, 67)
WARNING_S = 3.0
DEFAULT_FRONT: Spec = {
    "type": "sensor.camera.rgb",
    "x": -1.0,
    "y": 0.0,
    "z": 2.4,
    "roll": 0.0,
    "pitch": 0.0,
    "yaw": 0.0,
    "fov": 80.0,
    "id": "front",
}


class Video(Observer):
    """Writes one file per route. The front view comes from a camera of its own, placed like the
    agent's front camera; its images are drawn on when both they and the agent's step are there.
    Drawing and encoding have a thread of their own, so the drive waits for neither the camera nor
    the file, unless the file falls far behind."""

    def __init__(self, path: Path, fps: int, rules: Rules) -> None:
        self._path = path
        self._fps = fps
        self._rules = rules
        self._images: queue.Queue[tuple[int, U8]] = queue.Queue()
        self._steps: dict[int, tuple[Step, list[Body]]] = {}
        self._camera: carla.Sensor | None = None
        self._file: _VideoFile | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="video")
        self._waiting: deque[Future[None]] = deque()
        self._next_s = 0.0
        self._seen_infractions = 0
        self._warning_until_s = -1.0

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        front = front_camera_of(specs)
        self._front = CameraConfig(
            name="front",
            x_m=float(front["x"]),
            y_m=float(front["y"]),
            z_m=float(front["z"]),
            roll_deg=float(front["roll"]),
            pitch_deg=float(front["pitch"]),
            yaw_deg=float(front["yaw"]),
            width_px=FRONT_PX[0],
            height_px=FRONT_PX[1],
            fov_deg=float(front["fov"]),
        )
        self._inset_px = WIDE_INSET_PX if front is DEFAULT_FRONT else INSET_WIDTH_PX
        self._birds_eye = BirdsEye(
            scenario.session.world_map, scenario.dense, self._inset_px, STRIP_PX, INSET_METRES
        )
        self._canvas = np.empty((FRONT_PX[1] + STRIP_PX, FRONT_PX[0], 3), dtype=np.uint8)
        self._users = RoadUsers(scenario)
        self._file = _VideoFile(self._path, (FRONT_PX[0], FRONT_PX[1] + STRIP_PX), self._fps)
        self._camera = self._spawn_camera(scenario, front)
        self._camera.listen(self._receive)

    def _spawn_camera(self, scenario: RouteScenario, front: Spec) -> carla.Sensor:
        world = scenario.session.world
        blueprint = world.get_blueprint_library().find("sensor.camera.rgb")
        settings = {
            "image_size_x": DRAWN_PX[0],
            "image_size_y": DRAWN_PX[1],
            "fov": front["fov"],
            "sensor_tick": 1.0 / self._fps,
        }
        for name, value in settings.items():
            blueprint.set_attribute(name, str(value))
        return world.spawn_actor(blueprint, mount_of(front), attach_to=scenario.ego)

    def _receive(self, image: Any) -> None:
        self._images.put((int(image.frame), bgra_of(image)))

    def step(self, step: Step) -> None:
        self._steps[step.tick.frame] = (step, self._users.near(INSET_METRES))
        while len(self._steps) > KEPT_STEPS:
            self._steps.pop(next(iter(self._steps)))
        if len(step.infractions) > self._seen_infractions:
            self._seen_infractions = len(step.infractions)
            self._warning_until_s = step.tick.time_s + WARNING_S
        self._write_ready()

    def _write_ready(self) -> None:
        while not self._images.empty():
            frame, image = self._images.get()
            entry = self._steps.get(frame)
            if entry is None or self._file is None:
                continue
            step, others = entry
            if step.tick.time_s < self._next_s:
                continue
            self._next_s = step.tick.time_s + 0.9 / self._fps
            warns = step.tick.time_s < self._warning_until_s
            self._hand_over(self._file, image, step, others, warns)

    def _hand_over(
        self, file: _VideoFile, image: U8, step: Step, others: Sequence[Body], warns: bool
    ) -> None:
        """Let the thread draw and encode; what it has raised by now is raised here."""
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= WAITING_IMAGES):
            self._waiting.popleft().result()
        self._waiting.append(
            self._thread.submit(
                lambda: file.write(self._compose(image, step, others, warns)),
            )
        )

    def _compose(self, image: U8, step: Step, others: Sequence[Body], warns: bool) -> U8:
        drawing = Drawing(None, np.empty((0, 2)))
        if step.agent_step is not None:
            drawing = drawing_of(step.agent_step)
        front = draw_on_camera(_enlarged(image), self._front, drawing)
        tick = step.tick
        half_m = tick.half_extent_m
        ego = Body(tick.location_world_m[:2], tick.yaw_rad, (float(half_m[0]), float(half_m[1])))
        canvas = self._canvas
        canvas[: FRONT_PX[1]] = front
        canvas[FRONT_PX[1] :] = BACKGROUND
        canvas[FRONT_PX[1] :, -self._inset_px :] = self._birds_eye.draw(ego, others, drawing)
        images = () if step.agent_step is None else step.agent_step.images[1:3]
        for column, image in enumerate(images):
            tile = cv2.resize(image, SIDE_PX, interpolation=cv2.INTER_AREA)
            left = column * SIDE_PX[0]
            canvas[FRONT_PX[1] : FRONT_PX[1] + SIDE_PX[1], left : left + SIDE_PX[0]] = tile
        top = FRONT_PX[1] + (SIDE_PX[1] if len(images) else 0)
        for index, line in enumerate(self._lines(step)):
            _write(canvas, line, (12, top + 24 + 26 * index), TEXT_COLOUR)
        if warns and step.infractions:
            kind = step.infractions[-1].kind.value.removesuffix("_infractions").replace("_", " ")
            _write(canvas, f"infraction: {kind}", (12, FRONT_PX[1] - 16), WARNING_COLOUR)
        return canvas

    def _lines(self, step: Step) -> list[str]:
        tick, control = step.tick, step.control
        now = score(step.completion_percent, step.infractions, self._rules)
        target = ""
        if step.agent_step is not None and step.agent_step.targets:
            target = step.agent_step.targets[0].command.name.replace("_", " ").lower()
        who = "a person drives" if step.by_person else ""
        minutes, seconds = divmod(tick.time_s, 60.0)
        return [
            f"{int(minutes)}:{seconds:04.1f}   {tick.speed_mps:4.1f} m/s   steer "
            f"{control.steer:+.2f}   throttle {control.throttle:.2f}   brake {control.brake:.2f}",
            f"route {now['score_route']:5.1f} %   penalty {now['score_penalty']:.2f}   "
            f"driving score {now['score_composed']:5.1f}",
            "   ".join(text for text in (f"next {target}" if target else "", who) if text),
        ]

    def end(self) -> None:
        if self._camera is not None:
            self._camera.stop()
            self._camera.destroy()
            self._camera = None
        self._write_ready()
        file, self._file = self._file, None
        try:
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self._thread.shutdown(cancel_futures=True)
            if file is not None:
                file.close()


def front_camera_of(specs: Sequence[Spec]) -> Spec:
    """The agent's camera that looks straight ahead, or a place for one."""
    cameras = [spec for spec in specs if spec["type"] == "sensor.camera.rgb"]
    if not cameras:
        return DEFAULT_FRONT
    return min(cameras, key=lambda spec: abs(float(spec["yaw"])))


def _enlarged(image_bgra: U8) -> U8:
    """The front view in RGB, FRONT_PX large."""
    # Not turned by numpy, whose loop over turned channels takes thirty times as long.
    image = cv2.cvtColor(image_bgra, cv2.COLOR_BGRA2RGB)
    return np.asarray(cv2.resize(image, FRONT_PX, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _write(canvas: U8, text: str, origin: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)


class _VideoFile:
    """An H.264 file, or MPEG-4 where the encoder is missing."""

    def __init__(self, path: Path, size_px: tuple[int, int], fps: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w")
        codec, options = "mpeg4", {}
        if "libx264" in av.codecs_available:
            # One thread: the cores are the simulator's and the agent's.
            codec, options = "libx264", {"preset": "ultrafast", "crf": "25", "threads": "1"}
        stream = self._container.add_stream(codec, rate=fps, options=options)
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        self._stream.width, self._stream.height = size_px
        self._stream.pix_fmt = "yuv420p"

    def write(self, image: U8) -> None:
        """image: (height, width, 3) RGB."""
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode())
        self._container.close()
