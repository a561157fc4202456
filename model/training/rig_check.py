"""Whether drives were recorded with the cameras that a model has."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.config import CameraConfig
from model.training.index import DatasetError, DatasetIndex

TOLERANCE = 1e-3


def with_cameras(
    index: DatasetIndex, cameras: Sequence[CameraConfig], max_broken_share: float
) -> tuple[DatasetIndex, list[str]]:
    """The frames of the drives that have all of ``cameras``, and a line for each other drive.

    Raises:
        DatasetError: more than ``max_broken_share`` of the drives have other cameras.
    """
    verdicts = {rig: difference(json.loads(rig), cameras) for rig in np.unique(index.rigs)}
    problems = [
        f"{drive}: {verdicts[rig]}"
        for drive, rig in zip(index.drives, index.rigs, strict=True)
        if verdicts[rig]
    ]
    if len(problems) > max_broken_share * len(index.drives):
        raise DatasetError(
            f"{len(problems)} of {len(index.drives)} drives were not recorded with the model's "
            f"cameras; the first: {problems[0]}. Record with the model's rig, or choose the "
            "cameras that the drives have (setting cameras) or another model"
        )
    fits = np.array([not verdicts[rig] for rig in index.rigs])
    return index.rows(np.flatnonzero(fits[index.drive])), problems


def difference(rig: Sequence[Mapping[str, Any]], cameras: Sequence[CameraConfig]) -> str:
    """The first thing in which a drive's rig differs from ``cameras``, or nothing."""
    recorded = {camera.get("name"): camera for camera in rig}
    for camera in cameras:
        if camera.name not in recorded:
            names = ", ".join(str(name) for name in recorded)
            return f"camera {camera.name}: expected, but the rig has only {names}"
        for field, want in dataclasses.asdict(camera).items():
            got = recorded[camera.name].get(field)
            if not _same(want, got):
                return f"camera {camera.name}: expected {field} {want!r}, got {got!r}"
    return ""


def _same(want: object, got: object) -> bool:
    if isinstance(want, (int, float)) and isinstance(got, (int, float)):
        return math.isclose(want, got, abs_tol=TOLERANCE)
    return want == got
