"""Debug sessions: a video of what the agent saw and meant, one JSON line per tick, and how long
the network took."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from agent.observation import AgentStep
from agent.overlay import compose_step, drawing_of
from model.config import CameraConfig
from model.latency import Latency

U8 = NDArray[np.uint8]

TICKS_PER_S = 20
VIDEO_FILE, STEPS_FILE, LATENCY_FILE = "video.mp4", "steps.jsonl", "latency.json"


class VideoWriter:
    """An mp4 file (H.264) that grows image by image; the first sets the size.

    The file is playable after `close`, which may be called more than once.
    """

    def __init__(self, path: Path, images_per_s: int) -> None:
        self._path = path
        self._rate = images_per_s
        self._container: Any = None
        self._stream: Any = None

    def write(self, image: U8) -> None:
        """Append an (H, W, 3) RGB image with even sides."""
        if self._container is None:
            self._open(image.shape[1], image.shape[0])
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        container, self._container = self._container, None
        if container is None:
            return
        for packet in self._stream.encode():
            container.mux(packet)
        container.close()

    def _open(self, width: int, height: int) -> None:
        self._container = av.open(str(self._path), mode="w")
        self._stream = self._container.add_stream("libx264", rate=Fraction(self._rate))
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"preset": "veryfast", "crf": "23"}


class SessionRecorder:
    """Records the steps of one route into a folder."""

    def __init__(
        self, directory: Path, cameras: Sequence[CameraConfig], every_ticks: int = 2
    ) -> None:
        self._directory = directory
        self._cameras = tuple(cameras)
        self._every = every_ticks
        self._count = 0
        self._video = VideoWriter(directory / VIDEO_FILE, max(1, TICKS_PER_S // every_ticks))
        self._steps = (directory / STEPS_FILE).open("w", encoding="utf-8")

    def record(self, step: AgentStep) -> None:
        """Append one step."""
        self._steps.write(json.dumps(step_to_plain(step)) + "\n")
        if self._count % self._every == 0:
            self._video.write(compose_step(step, self._cameras))
        self._count += 1

    def close(self, latency: Mapping[str, Latency] | None = None) -> None:
        """Finish the files; may be called again. `latency`: the network's figures by stage."""
        self._steps.close()
        self._video.close()
        if latency:
            plain = {stage: asdict(figures) for stage, figures in latency.items()}
            text = json.dumps(plain, indent=2) + "\n"
            (self._directory / LATENCY_FILE).write_text(text, encoding="utf-8")


def session_directory(root: Path, name: str) -> Path:
    """A new folder below `root` for one session: `name` (or "session"), numbered where taken."""
    stem = name or "session"
    number = 1
    while True:
        directory = root / (stem if number == 1 else f"{stem}_{number}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            number += 1
            continue
        return directory


def step_to_plain(step: AgentStep) -> dict[str, Any]:
    """A step without its images, ready for JSON; numbers that are not finite become None."""
    plan = step.plan
    return {
        "frame": step.frame,
        "timestamp_s": _number(step.timestamp_s),
        "position_world_m": _numbers(step.ego.position_world_m),
        "yaw_rad": _number(step.ego.yaw_rad),
        "speed_mps": _number(step.ego.speed_mps),
        "targets_ego_m": [_numbers(point) for point in drawing_of(step).targets_ego_m],
        "commands": [target.command.name for target in step.targets],
        "route_ego_m": [_numbers(p) for p in plan.route_ego_m] if plan else None,
        "waypoints_ego_m": [_numbers(p) for p in plan.waypoints_ego_m] if plan else None,
        "steer": step.control.steer,
        "throttle": step.control.throttle,
        "brake": step.control.brake,
        "stage_ms": {name: round(value, 3) for name, value in step.stage_ms.items()},
        "notes": dict(step.notes),
        "warnings": dict(step.warnings),
    }


def _numbers(values: Any) -> list[float | None]:
    return [_number(value) for value in np.asarray(values, dtype=np.float64)]


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
