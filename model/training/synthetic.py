"""Small made-up drives in the dataset's layout: for tests, and to try a training without data."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from model.config import DEBUG, FRAME_INTERVAL_S, CameraConfig
from model.training.drives import AUGMENTED_SUFFIX

SPEED_MPS = 8.0
PERFECT = {"scores": {"score_composed": 100.0, "score_route": 100.0}, "infractions": {}}


def write_json(path: Path, content: Any) -> None:
    """Write JSON as the dataset has it, gzipped."""
    path.write_bytes(gzip.compress(json.dumps(content).encode(), compresslevel=1))


def measurement(frame: int, curve_per_m: float = 0.02, **changes: Any) -> dict[str, Any]:
    """A car that goes round a circle at 8 m/s, seen by itself."""
    heading = SPEED_MPS * FRAME_INTERVAL_S * frame * curve_per_m
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]]
    pose[:2, 3] = np.sin(heading) / curve_per_m, (1.0 - np.cos(heading)) / curve_per_m
    arc = curve_per_m * np.arange(30.0)
    route = np.stack([np.sin(arc), 1.0 - np.cos(arc)], axis=1) / curve_per_m
    return {
        "timestamp_s": FRAME_INTERVAL_S * frame,
        "speed": SPEED_MPS,
        "target_point": [30.0, 9.0],
        "target_point_next": [45.0, 20.0],
        "command": 4,
        "next_command": 2,
        "route": route.tolist(),
        "route_original": route.tolist(),
        "ego_matrix": pose.tolist(),
        "augmentation_translation": 0.5,
        "augmentation_rotation": 5.0,
        **changes,
    }


def write_drive(
    drive: Path,
    cameras: Sequence[CameraConfig] = DEBUG.cameras,
    frames: int = 24,
    curve_per_m: float = 0.02,
    rig: bool = True,
    augmented: bool = True,
) -> Path:
    """A good drive: images of coloured clouds, and measurements of a car on a circle.

    Args:
        drive: folder to be made.
        cameras: whose images are written.
        frames: how many, 0.25 s apart.
        curve_per_m: curvature of the circle, to the right.
        rig: False leaves ``rig.json`` out, as upstream does.
        augmented: also the shifted cameras.
    """
    (drive / "measurements").mkdir(parents=True)
    rng = np.random.default_rng(frames)
    for camera in cameras:
        for name in (camera.name, camera.name + AUGMENTED_SUFFIX)[: 1 + augmented]:
            (drive / name).mkdir()
            for frame in range(frames):
                shape = camera.height_px, camera.width_px, 3
                noise = rng.integers(0, 255, shape, dtype=np.uint8)
                # Pure noise would compress like no image that a camera takes.
                image = cv2.GaussianBlur(noise, (0, 0), 3.0)
                cv2.imwrite(str(drive / name / f"{frame:04d}.jpg"), image)
    for frame in range(frames):
        path = drive / "measurements" / f"{frame:04d}.json.gz"
        write_json(path, measurement(frame, curve_per_m))
    if rig:
        plain = [dataclasses.asdict(camera) for camera in cameras]
        (drive / "rig.json").write_text(json.dumps(plain), encoding="utf-8")
    write_json(drive / "results.json.gz", PERFECT)
    return drive


def write_dataset(
    root: Path, cameras: Sequence[CameraConfig] = DEBUG.cameras, drives: int = 4, **settings: Any
) -> Path:
    """A dataset of ``drives`` good drives; ``settings`` as for :func:`write_drive`.

    Returns:
        The folder of its split ``training``.
    """
    split = root / "data" / "simlingo" / "training"
    for number in range(drives):
        write_drive(split / "group" / "scenario" / f"Town_{number}", cameras, **settings)
    return split
