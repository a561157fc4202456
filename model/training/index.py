"""One pass over a dataset: which frames there are, and their labels, as flat arrays in a cache.

Reading a frame's measurements means unzipping eleven small files; doing that once and keeping the
numbers makes the start of a training a matter of seconds. Layout of the dataset: SimLingo's
(repository RenzKa/simlingo), with side cameras beside ``rgb`` where the drives have them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from model.training.labels import CameraShift, future_waypoints

WAYPOINTS = 10
STORED_ROUTE_POINTS = 40
SKIPPED_FIRST_FRAMES = 10
FORMAT = 1
# Below this share of unreadable drives they are reported and left out; above, the data are broken.
MAX_BROKEN_SHARE = 0.05


class DatasetError(ValueError):
    """A dataset that cannot be trained on; the message names the folder and the reason."""


@dataclass(frozen=True)
class DatasetIndex:
    """All usable frames of a split; every array has one row per frame.

    Attributes:
        drives: folders of the drives, relative to the dataset's root.
        drive: row of ``drives``.
        frame: number of the frame's files.
        speed_mps: forward speed.
        targets_ego_m: (n, 2, 2) next target point and next but one.
        commands: (n, 2) route commands of the two targets.
        waypoints_ego_m: (n, 10, 2) positions 0.25 s apart; NaN where the drive ends before.
        route_ego_m: (n, 40, 2) path ahead, 1 m apart; NaN beyond its end.
        shift: (n, 2) the augmented cameras' translation (m, right) and rotation (rad, clockwise).
    """

    drives: NDArray[np.str_]
    drive: NDArray[np.int32]
    frame: NDArray[np.int32]
    speed_mps: NDArray[np.float32]
    targets_ego_m: NDArray[np.float32]
    commands: NDArray[np.int8]
    waypoints_ego_m: NDArray[np.float32]
    route_ego_m: NDArray[np.float32]
    shift: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.frame)

    def camera_shift(self, row: int) -> CameraShift:
        return CameraShift(*(float(value) for value in self.shift[row]))

    def rows(self, chosen: NDArray[np.intp]) -> DatasetIndex:
        """The same index with these frames only."""
        kept = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "drives"}
        return DatasetIndex(drives=self.drives, **kept)

    def split(self, validation_share: float, seed: int) -> tuple[DatasetIndex, DatasetIndex]:
        """Training and validation frames; whole drives go to one side."""
        order = np.random.default_rng(seed).permutation(len(self.drives))
        held_out = order[: round(validation_share * len(order))]
        validation = np.isin(self.drive, held_out)
        return self.rows(np.flatnonzero(~validation)), self.rows(np.flatnonzero(validation))


def load_index(root: Path, split: str, workers: int = 1) -> DatasetIndex:
    """Read the cached index of ``<root>/data/simlingo/<split>``, or build and cache it.

    Raises:
        DatasetError: no folder, no usable frame, or too many unreadable drives.
    """
    folder = root / "data" / "simlingo" / split
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; expected a dataset in SimLingo's layout")
    drives = sorted(path.parent for path in folder.glob("**/measurements"))
    cache = root / "index" / f"{split}-{_fingerprint(drives)}.npz"
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        index = _build(root, drives, workers)
        partial = cache.with_suffix(".partial.npz")
        np.savez_compressed(partial, **{f.name: getattr(index, f.name) for f in fields(index)})
        partial.replace(cache)
    with np.load(cache, allow_pickle=False) as arrays:
        return DatasetIndex(**{field.name: arrays[field.name] for field in fields(DatasetIndex)})


def _fingerprint(drives: Sequence[Path]) -> str:
    """Changes when a drive comes, goes, grows or is judged anew."""
    digest = hashlib.sha256(str(FORMAT).encode())
    for drive in drives:
        results = drive / "results.json.gz"
        judged = results.stat().st_mtime_ns if results.is_file() else 0
        digest.update(f"{drive}:{len(list((drive / 'measurements').iterdir()))}:{judged};".encode())
    return digest.hexdigest()[:16]


def _build(root: Path, drives: Sequence[Path], workers: int) -> DatasetIndex:
    with ProcessPoolExecutor(max_workers=workers) as pool:
        results = list(track(pool.map(_read_drive, drives), "Indexing drives", len(drives)))
    usable = [(drive, r) for drive, r in zip(drives, results, strict=True) if isinstance(r, dict)]
    reasons = Counter(reason for reason in results if isinstance(reason, str))
    broken = reasons.total() - reasons["not a good drive"]
    if broken > MAX_BROKEN_SHARE * len(drives):
        raise DatasetError(f"{root}: {broken} of {len(drives)} drives are unreadable: {reasons}")
    if not usable:
        raise DatasetError(f"{root}: no usable drive among {len(drives)}: {dict(reasons)}")
    for reason, count in reasons.items():
        print(f"Left out {count} of {len(drives)} drives: {reason}")
    columns = {name: np.concatenate([r[name] for _, r in usable]) for name in usable[0][1]}
    sizes = [len(r["frame"]) for _, r in usable]
    return DatasetIndex(
        drives=np.array([str(drive.relative_to(root)) for drive, _ in usable]),
        drive=np.repeat(np.arange(len(usable), dtype=np.int32), sizes),
        **columns,
    )


def _read_drive(drive: Path) -> dict[str, NDArray[np.generic]] | str:
    """Columns of one drive's frames, or why it is left out."""
    try:
        if not is_good_drive(drive):
            return "not a good drive"
        files = sorted((drive / "measurements").glob("*.json.gz"))
        records = [json.loads(gzip.decompress(file.read_bytes())) for file in files]
        return _columns(files, records)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


def is_good_drive(drive: Path) -> bool:
    """SimLingo's rule: a perfect score, or nearly complete and only too slow or out of lane."""
    results = json.loads(gzip.decompress((drive / "results.json.gz").read_bytes()))
    if results["scores"]["score_composed"] >= 100.0:
        return True
    harmless = {"min_speed_infractions", "outside_route_lanes"}
    committed = {name for name, events in results["infractions"].items() if events}
    return bool(results["scores"]["score_route"] > 94.0 and committed <= harmless)


def _columns(
    files: Sequence[Path], records: Sequence[dict[str, Any]]
) -> dict[str, NDArray[np.generic]]:
    frame = np.array([int(file.name.split(".")[0]) for file in files], dtype=np.int32)
    if not np.array_equal(frame, np.arange(frame[0], frame[0] + len(frame))):
        raise ValueError("frames are missing between the first and the last")
    poses = _numbers(records, "ego_matrix", (4, 4))
    route = np.full((len(frame), STORED_ROUTE_POINTS, 2), np.nan)
    for row, record in zip(route, records, strict=True):
        points = np.array(record["route"], dtype=np.float64).reshape(-1, 2)[:STORED_ROUTE_POINTS]
        row[: len(points)] = points
    names = ("target_point", "target_point_next")
    targets = np.stack([_numbers(records, name, (2,)) for name in names], axis=1)
    names = ("command", "next_command")
    commands = np.stack([_numbers(records, name, ()) for name in names], axis=1)
    rotation_rad = np.radians(_numbers(records, "augmentation_rotation", ()))
    translation_m = _numbers(records, "augmentation_translation", ())
    columns: dict[str, NDArray[Any]] = {
        "frame": frame,
        "speed_mps": _numbers(records, "speed", ()).astype(np.float32),
        "targets_ego_m": targets.astype(np.float32),
        "commands": commands.astype(np.int8),
        "waypoints_ego_m": future_waypoints(poses, WAYPOINTS).astype(np.float32),
        "route_ego_m": route.astype(np.float32),
        "shift": np.stack([translation_m, rotation_rad], axis=1).astype(np.float32),
    }
    # Standing still before the start says nothing about driving.
    return {name: column[SKIPPED_FIRST_FRAMES:] for name, column in columns.items()}


def _numbers(
    records: Sequence[dict[str, Any]], key: str, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    values = np.array([record[key] for record in records], dtype=np.float64)
    if values.shape != (len(records), *shape) or not np.isfinite(values).all():
        raise ValueError(f"{key}: expected finite numbers of shape {shape} in every frame")
    return values
