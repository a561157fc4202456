"""A run's folder as `drive` leaves it, with traces, made without driving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np

from evaluation.closed_loop.observers.trace import COLUMNS, DriveTrace, trace_path, write_trace
from evaluation.scoring.tick import Kind
from tests.evaluation.runs.result_records import Record, record

TICKS = 1200
FIRST_FRAME = 40
HIT_FRAME = FIRST_FRAME + 200
"""A collision 10 s after the start of every third route."""


def sample_trace(seed: int, ticks: int = TICKS) -> DriveTrace:
    """A winding way at a changing speed, 0.05 s a tick."""
    noise = np.random.default_rng(seed)
    time_s = 0.05 * np.arange(ticks)
    yaw_rad = np.cumsum(noise.normal(0.0, 0.01, ticks))
    speed_mps = 6.0 + 3.0 * np.sin(time_s / 5.0)
    x, y = (np.cumsum(0.05 * speed_mps * way) for way in (np.cos(yaw_rad), np.sin(yaw_rad)))
    columns = {
        "time_s": time_s,
        "x_world_m": x,
        "y_world_m": y,
        "speed_mps": speed_mps,
        "speed_limit_mps": np.full(ticks, 13.9),
        "steer": np.clip(yaw_rad, -1, 1),
        "throttle": np.full(ticks, 0.4),
        "brake": (time_s % 7 > 6).astype(float),
        "completion_percent": np.linspace(0, 100, ticks),
        "agent_ms": noise.gamma(4.0, 5.0, ticks),
        "tick_ms": noise.gamma(4.0, 9.0, ticks),
    }
    route = np.stack([x, y], axis=1)[::3].astype(np.float32)
    lanes = np.concatenate([route + 1.75, np.full((1, 2), np.nan, np.float32), route - 1.75])
    return DriveTrace(
        np.stack([columns[name] for name in COLUMNS], axis=1).astype(np.float32),
        np.arange(FIRST_FRAME, FIRST_FRAME + ticks),
        route,
        lanes.astype(np.float32),
    )


def sample_run(
    folder: Path,
    routes: int,
    *,
    video: bool = False,
    seed: int = 0,
    disturbances: str = "clean",
    agent_config: str = "",
) -> Path:
    """Every third route hits a vehicle; one video, of the first route."""
    folder.mkdir(parents=True)
    records: list[Record] = []
    extras: dict[str, Any] = {}
    for number in range(routes):
        trace = sample_trace(seed + number)
        write_trace(trace_path(folder, f"RouteScenario_{number}_rep0"), trace)
        hits = number % 3 == 0
        messages = {Kind.COLLISION_VEHICLE: ["Agent collided against object at (x=1.0, y=2.0)"]}
        one = record(number, messages, 0.6) if hits else record(number)
        place = [float(trace.column(f"{axis}_world_m")[200]) for axis in "xy"]
        hit = {"kind": "collisions_vehicle", "frame": HIT_FRAME, "place_world_m": [*place, 0.0]}
        extras[one["route_id"]] = {
            "town": ("Demo", "Generated7")[number % 2],
            "scenario": "cut_in",
            "infractions": [hit] if hits else [],
            "stage_ms_p50_p95_max": {"agent": [20.0, 31.5, 90.2]},
            **({"video": "drive_0.mp4"} if video and number == 0 else {}),
        }
        records.append(one)
    if video:
        write_video(folder / "drive_0.mp4", seconds=14)
    conditions = {
        "agent": "expert_agent.py",
        "agent config": agent_config,
        "seed": seed,
        "disturbances": disturbances,
        "versions": {"carla": "0.9.16"},
    }
    results = {
        "entry_status": "Finished",
        "_checkpoint": {"progress": [routes, routes], "records": records},
        "extra": {"run": {"conditions": conditions}, "routes": extras},
    }
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return folder


def write_video(path: Path, seconds: int, fps: int = 10) -> None:
    """Grey that becomes lighter: a second's level is 16 times its number."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(seconds * fps):
            image = np.full((240, 320, 3), 16 * (number // fps), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
