"""Reading one recorded drive: which of its frames can be used, and their numbers.

Layout: SimLingo's (repository RenzKa/simlingo), a folder per drive, with side cameras beside
``rgb`` where the drive's ``rig.json`` names them. Nothing is trusted: a file that is missing,
truncated or holds NaN costs its frame and is named in the reader's report.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.config import FRAME_INTERVAL_S
from model.training.labels import future_waypoints

WAYPOINTS = 10
STORED_ROUTE_POINTS = 40
STORED_SPEEDS = 8
# Chosen: frames of a simulation at 20 Hz are off by 50 ms or not at all; times are kept in 32 bits.
INTERVAL_TOLERANCE_S = 0.01
AUGMENTED_SUFFIX = "_augmented"
# SimLingo's one camera; its drives carry no rig.json.
UPSTREAM_RIG: tuple[dict[str, Any], ...] = (
    {
        "name": "rgb",
        "x_m": -1.5,
        "y_m": 0.0,
        "z_m": 2.0,
        "roll_deg": 0.0,
        "pitch_deg": 0.0,
        "yaw_deg": 0.0,
        "width_px": 1024,
        "height_px": 512,
        "fov_deg": 110.0,
    },
)
OBSTACLES = ("none", "vehicle", "walker", "traffic_light", "stop_sign")
LIGHTS = ("none", "green", "yellow", "red")
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    RecursionError,
    zlib.error,
)

LARGE_DISAGREEMENT_M = 1.0
"""Chosen: twice what a trained small network's waypoints are off by in the mean."""
MISTAKE_TICKS = (100, 20)
"""Five seconds before an infraction to one after it, in ticks of 0.05 s."""
STANDING_M = 0.02
STANDING_FRAMES = 8
"""Of a car that stands, one frame in so many is used; it stands if it moves less from frame to
frame."""

Columns = dict[str, NDArray[Any]]


class FrameIntervalError(ValueError):
    """Frames whose distances in time are not those that a network's history and waypoints have."""


@dataclass(frozen=True)
class Drive:
    """What one folder holds.

    ``columns`` has a row per usable frame (names as in ``DatasetIndex``), and none when the drive
    is left out; ``verdict`` says why: ``not finished``, ``not a good drive``, ``another frame
    interval`` or ``broken``.
    ``frames`` counts the frames looked at, ``problems`` are lines for the report.
    """

    rig: str
    columns: Columns
    verdict: str
    frames: int
    problems: tuple[str, ...]


def find_drives(folder: Path) -> list[Path]:
    """Every folder with measurements below ``folder``; folders of images are not looked into."""
    found = []
    for path, names, _ in os.walk(folder):
        if "measurements" in names:
            found.append(Path(path))
            names.clear()
    return sorted(found)


def read_drive(drive: Path) -> Drive:
    """Columns of one drive's usable frames, or why it is left out."""
    try:
        rig = read_rig(drive)
        results = drive / "results.json.gz"
        if not results.is_file():
            return Drive("", {}, "not finished", 0, (f"{drive}: no results.json.gz",))
        record = read_json(results)
        if not is_good_drive(record):
            return Drive("", {}, "not a good drive", 0, (f"{drive}: not a good drive",))
        found = [int(frame) for frame in record.get("infraction_frames", [])]
        columns, frames, problems = _read_frames(drive, [camera["name"] for camera in rig], found)
    except FrameIntervalError as error:
        return Drive("", {}, "another frame interval", 0, (f"{drive}: {error}",))
    except UNREADABLE as error:
        return Drive("", {}, "broken", 0, (f"{drive}: {type(error).__name__}: {error}",))
    return Drive(json.dumps(rig), columns, "", frames, tuple(problems))


def read_json(path: Path) -> Any:
    """The content of a gzipped JSON file."""
    return json.loads(gzip.decompress(path.read_bytes()))


def read_rig(drive: Path) -> list[dict[str, Any]]:
    """The cameras of a drive as dicts; SimLingo's one camera where there is no ``rig.json``."""
    path = drive / "rig.json"
    if not path.is_file():
        return [dict(camera) for camera in UPSTREAM_RIG]
    return [dict(camera) for camera in json.loads(path.read_text(encoding="utf-8"))]


def is_good_drive(results: Mapping[str, Any]) -> bool:
    """SimLingo's rule: a perfect score, or nearly complete and only too slow or out of lane.

    A drive of another driver that the expert labelled is good in every case: its labels are.
    """
    if results.get("labels") == "expert":
        return True
    if results["scores"]["score_composed"] >= 100.0:
        return True
    harmless = {"min_speed_infractions", "outside_route_lanes"}
    committed = {name for name, events in results["infractions"].items() if events}
    return bool(results["scores"]["score_route"] > 94.0 and committed <= harmless)


def _read_frames(
    drive: Path, cameras: list[str], infraction_frames: list[int]
) -> tuple[Columns, int, list[str]]:
    """Columns of the usable frames, how many frames were looked at, and what is wrong."""
    files = {int(file.name.split(".")[0]): file for file in _files(drive / "measurements")}
    if not files:
        raise ValueError("no measurements")
    first, count = min(files), max(files) - min(files) + 1
    columns = _empty_columns(count)
    poses = np.full((count, 4, 4), np.nan)
    usable = np.zeros(count, dtype=np.bool_)
    problems = []
    for row in range(count):
        try:
            if first + row not in files:
                raise ValueError("no measurement")
            poses[row] = _fill(columns, row, read_json(files[first + row]))
            usable[row] = True
        except UNREADABLE as error:
            problems.append(f"{drive}: frame {first + row}: {type(error).__name__}: {error}")
    _check_interval(columns.pop("timestamp_s"))
    columns["frame"] = np.arange(first, first + count, dtype=np.int32)
    for camera in cameras:
        present = _present(drive / camera, columns["frame"])
        columns["has_augmented"] &= _present(
            drive / f"{camera}{AUGMENTED_SUFFIX}", columns["frame"]
        )
        missing = columns["frame"][usable & ~present]
        problems += [f"{drive}: {camera}/{frame:04d}.jpg: missing or empty" for frame in missing]
        usable &= present
    told = columns.pop("told_waypoints_ego_m")
    is_told = np.asarray(np.isfinite(told).all(axis=(1, 2)), dtype=np.bool_)
    usable &= ~(is_told & _stands_on(poses[:, :3, 3]))
    driven = future_waypoints(poses, WAYPOINTS).astype(np.float32)
    # Who was corrected has not driven well: where it came to is never an example.
    waypoints = np.where(is_told[:, None, None], told, np.nan if is_told.any() else driven)
    columns["corrected"] = _needs_correction(
        columns.pop("disagreement_m"), columns.pop("tick"), infraction_frames
    )
    waypoints[_leads_into(columns.pop("hesitates"), WAYPOINTS)] = np.nan
    columns["waypoints_ego_m"] = waypoints
    columns["speeds_mps"] = _history(columns.pop("speed_mps"), STORED_SPEEDS)
    return {name: column[usable] for name, column in columns.items()}, count, problems


def _check_interval(timestamp_s: NDArray[np.float64]) -> None:
    """Refuse times (n,) of consecutive frames, NaN where unknown, unless FRAME_INTERVAL_S apart.

    SimLingo's own drives do not tell their times; its recorder writes a frame every 0.25 s.
    """
    steps_s = np.diff(timestamp_s)
    wrong = np.flatnonzero(np.abs(steps_s - FRAME_INTERVAL_S) > INTERVAL_TOLERANCE_S)
    if len(wrong):
        raise FrameIntervalError(
            f"frames {wrong[0]} and {wrong[0] + 1} are {steps_s[wrong[0]]:.2f} s apart, expected "
            f"{FRAME_INTERVAL_S} s; record with --expert interval_s={FRAME_INTERVAL_S}"
        )


def _files(folder: Path) -> Iterator[Path]:
    return folder.glob("*.json.gz")


def _empty_columns(count: int) -> Columns:
    def unknown(*shape: int) -> NDArray[np.float32]:
        return np.full((count, *shape), np.nan, dtype=np.float32)

    return {
        "timestamp_s": np.full(count, np.nan),
        "speed_mps": unknown(),
        "targets_ego_m": unknown(2, 2),
        "commands": np.zeros((count, 2), dtype=np.int8),
        "route_ego_m": unknown(STORED_ROUTE_POINTS, 2),
        "route_original_ego_m": unknown(STORED_ROUTE_POINTS, 2),
        "shift": np.zeros((count, 2), dtype=np.float32),
        "obstacle": np.zeros(count, dtype=np.int8),
        "light": np.zeros(count, dtype=np.int8),
        "changed_route": np.zeros(count, dtype=np.bool_),
        "hesitates": np.zeros(count, dtype=np.bool_),
        "told_waypoints_ego_m": unknown(WAYPOINTS, 2),
        "disagreement_m": np.zeros(count),
        "tick": np.full(count, np.nan),
        "has_augmented": np.ones(count, dtype=np.bool_),
    }


def _fill(columns: Columns, row: int, record: Mapping[str, Any]) -> NDArray[np.float64]:
    """Put a frame's record into the columns; returns its pose (4, 4), world from ego."""
    pose = _numbers(record, "ego_matrix", (4, 4))
    if "timestamp_s" in record:
        columns["timestamp_s"][row] = _numbers(record, "timestamp_s", ())
    columns["speed_mps"][row] = _numbers(record, "speed", ())
    for column, name in enumerate(("target_point", "target_point_next")):
        columns["targets_ego_m"][row, column] = _numbers(record, name, (2,))
    for column, name in enumerate(("command", "next_command")):
        columns["commands"][row, column] = int(_numbers(record, name, ()))
    for column_name, name in (("route_ego_m", "route"), ("route_original_ego_m", "route_original")):
        points = np.array(record.get(name) or record["route"], dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(points).all():
            raise ValueError(f"{name}: expected finite numbers")
        points = points[:STORED_ROUTE_POINTS]
        columns[column_name][row, : len(points)] = points
    # Drives without shifted cameras need not say how far they were shifted.
    columns["shift"][row, 0] = _numbers(
        {"augmentation_translation": 0.0, **record}, "augmentation_translation", ()
    )
    columns["shift"][row, 1] = np.radians(
        _numbers({"augmentation_rotation": 0.0, **record}, "augmentation_rotation", ())
    )
    columns["obstacle"][row] = OBSTACLES.index(_obstacle(record))
    light = str(record.get("light_state") or "none").lower()
    columns["light"][row] = LIGHTS.index(light) if light in LIGHTS else 0
    columns["changed_route"][row] = bool(record.get("changed_route", False))
    columns["hesitates"][row] = bool(record.get("hesitates", False))
    if "waypoints" in record:
        columns["told_waypoints_ego_m"][row] = _numbers(record, "waypoints", (WAYPOINTS, 2))
        columns["disagreement_m"][row] = _numbers(record, "disagreement", ())
        columns["tick"][row] = _numbers(record, "frame", ())
    return pose


def _numbers(record: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    values = np.array(record[key], dtype=np.float64)
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(f"{key}: expected finite numbers of shape {shape}, got {record[key]!r}")
    return values


def _obstacle(record: Mapping[str, Any]) -> str:
    """What the expert slows down or stops for; the keys are those of PDM-Lite's recordings."""
    kind = str(record.get("speed_reduced_by_obj_type") or "")
    if record.get("light_hazard") or "traffic_light" in kind:
        return "traffic_light"
    if record.get("stop_sign_hazard") or "traffic.stop" in kind:
        return "stop_sign"
    if record.get("walker_hazard") or kind.startswith("walker"):
        return "walker"
    if record.get("vehicle_hazard") or kind.startswith("vehicle"):
        return "vehicle"
    return "none"


def _present(folder: Path, frames: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each frame has an image there that is not empty."""
    if not folder.is_dir():
        return np.zeros(len(frames), dtype=np.bool_)
    sizes = {entry.name: entry.stat().st_size for entry in os.scandir(folder)}
    return np.array([sizes.get(f"{frame:04d}.jpg", 0) > 0 for frame in frames], dtype=np.bool_)


def _needs_correction(
    disagreement_m: NDArray[np.float64], tick: NDArray[np.float64], infractions: list[int]
) -> NDArray[np.bool_]:
    """Which frames (n,) another driver drove otherwise than the expert would have, or shortly
    before or after it broke a rule. tick: the simulator's frame of each, NaN if the expert drove.
    """
    before, after = MISTAKE_TICKS
    wrong: NDArray[np.bool_] = disagreement_m > LARGE_DISAGREEMENT_M
    for frame in infractions:
        wrong |= (tick >= frame - before) & (tick <= frame + after)
    return wrong


def _stands_on(position_m: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which frames show the place (n, 3) of the one before again, but for one in two seconds. A
    network that does not start stands for long, and the same frame would be learned over and over.
    """
    moved_m = np.linalg.norm(np.diff(position_m, axis=0, prepend=np.nan), axis=1)
    stands = moved_m < STANDING_M
    since = np.arange(len(stands)) - np.maximum.accumulate(
        np.where(stands, 0, np.arange(len(stands)))
    )
    repeated: NDArray[np.bool_] = since % STANDING_FRAMES != 0
    return repeated


def _leads_into(event: NDArray[np.bool_], frames: int) -> NDArray[np.bool_]:
    """Whether ``event`` is true in each frame or in one of the next ``frames``."""
    ends = np.minimum(np.arange(len(event)) + frames + 1, len(event))
    so_far = np.concatenate([[0], np.cumsum(event)])
    leads: NDArray[np.bool_] = so_far[ends] > so_far[:-1]
    return leads


def _history(speed_mps: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """(n, count) speeds of each frame and those before, newest first; a gap repeats the newer."""
    history = np.full((len(speed_mps), count), np.nan, dtype=np.float32)
    history[:, 0] = speed_mps
    for age in range(1, count):
        history[age:, age] = speed_mps[:-age]
        history[:, age] = np.where(
            np.isfinite(history[:, age]), history[:, age], history[:, age - 1]
        )
    return history
