"""What the page's script draws: drives as JSON, series of numbers packed into 16 bits each."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.closed_loop.observers.trace import DriveTrace
from evaluation.reports.run_data import RunData, ShownDrive

Json = dict[str, Any]

POINTS = 400
"""Samples of a drive that are drawn; more than a plot has pixels for are not seen."""
LEVELS = 65534
"""A value is one of so many steps between the least and the greatest; the step above is no number.
500 m in such steps are 8 mm."""
SERIES = ("speed_mps", "speed_limit_mps", "steer", "throttle", "brake", "completion_percent")
LATENCIES = ("agent_ms", "tick_ms")


def drives_json(run: RunData, page: Path, clips: Mapping[tuple[str, int], bytes]) -> Json:
    """By record. page: where the page will lie; clips: MP4 files by record and infraction."""
    return {drive.record.route_id: _drive(drive, page, clips) for drive in run.drives}


def _drive(drive: ShownDrive, page: Path, clips: Mapping[tuple[str, int], bytes]) -> Json:
    record = drive.record
    shown: Json = {
        "route": drive.route,
        "status": record.status,
        "score": record.score,
        "completion": record.completion_percent,
        "penalty": record.penalty,
        "failure": str(dict(record.extra.get("failure") or {}).get("what", "")),
        "log": str(record.extra.get("trace") or ""),
        "stages": {name: list(values) for name, values in drive.stage_ms.items()},
        "infractions": [
            {
                "kind": one.kind,
                "message": one.message,
                "time": one.time_s,
                "place": one.place_world_m,
                "clip": _data_uri(clips.get((record.route_id, number))),
            }
            for number, one in enumerate(drive.infractions)
        ],
    }
    if drive.video is not None:
        shown["video"] = os.path.relpath(drive.video, page.parent)
    if drive.trace is not None:
        shown["trace"] = trace_json(drive.trace)
    elif drive.positions_world_m:
        shown["route_x"], shown["route_y"], _ = map(
            list, zip(*drive.positions_world_m, strict=True)
        )
    return shown


def _data_uri(clip: bytes | None) -> str | None:
    return None if clip is None else "data:video/mp4;base64," + base64.b64encode(clip).decode()


def trace_json(trace: DriveTrace) -> Json:
    """Every so many ticks one, and of the latencies the worst in between."""
    count = len(trace.frames)
    starts = np.linspace(0, count, min(count, POINTS), endpoint=False).astype(np.intp)
    columns = {name: trace.column(name)[starts] for name in ("time_s", *SERIES)}
    columns |= {name: np.maximum.reduceat(trace.column(name), starts) for name in LATENCIES}
    columns |= {axis: trace.column(f"{axis}_world_m")[starts] for axis in "xy"}
    for name, line in (("route", trace.route_world_m[::2]), ("lanes", trace.lanes_world_m)):
        columns |= {f"{name}_x": line[:, 0], f"{name}_y": line[:, 1]}
    return {name: packed(values) for name, values in columns.items()}


def packed(values: NDArray[np.floating[Any]]) -> Json:
    """low, step and the numbers of the steps, little-endian 16 bits each in base64."""
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    step = (high - low) / LEVELS or 1.0
    steps = np.full(len(values), LEVELS + 1, dtype="<u2")
    steps[np.isfinite(values)] = np.round((finite - low) / step)
    return {"low": low, "step": step, "steps": base64.b64encode(steps.tobytes()).decode()}


def compressed(text: str) -> str:
    """gzip in base64, the same for the same text."""
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def compressed_json(content: Json) -> str:
    return compressed(json.dumps(content, separators=(",", ":"), allow_nan=False))
