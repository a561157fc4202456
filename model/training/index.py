"""One pass over a dataset: which frames there are, and their labels, as flat arrays in a cache.

Reading a frame's measurements means unzipping eleven small files; doing that once and keeping the
numbers makes the start of a training a matter of seconds.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from model.training.drives import Drive, find_drives, read_drive
from model.training.labels import CameraShift

logger = logging.getLogger(__name__)

FORMAT = 6
PER_DRIVE = ("drives", "rigs")
WHOLE = ("problems",)
SHOWN_PROBLEMS = 5


class DatasetError(ValueError):
    """A dataset that cannot be trained on; the message names the folder and the reason."""


@dataclass(frozen=True)
class DatasetIndex:
    """All usable frames of a split; every array has one row per frame but for the first three.

    Attributes:
        drives: (drives,) folders of the drives, relative to the dataset's root.
        rigs: (drives,) their cameras as JSON.
        problems: one line for each drive and frame that was left out.
        drive: row of ``drives``.
        frame: number of the frame's files.
        speeds_mps: (n, 8) forward speed now, 0.25 s ago and so on.
        targets_ego_m: (n, 2, 2) next target point and next but one.
        commands: (n, 2) route commands of the two targets.
        waypoints_ego_m: (n, 10, 2) positions 0.25 s apart; NaN where the drive ends before, and
            where the expert was made to brake for no reason.
        route_ego_m: (n, 40, 2) path ahead, 1 m apart; NaN beyond its end.
        route_original_ego_m: (n, 40, 2) the same before the expert moved it around obstacles.
        shift: (n, 2) the augmented cameras' translation (m, right) and rotation (rad, clockwise).
        obstacle: what the expert slows down for, as a row of ``drives.OBSTACLES``.
        light: what the next traffic light within reach shows, as a row of ``drives.LIGHTS``.
        changed_route: whether the expert's path differs from the planned one.
        corrected: whether another driver drove, and otherwise than the expert would have, or was
            about to break a rule; waypoints are the expert's way back then.
        has_augmented: whether the images of all augmented cameras are there.
    """

    drives: NDArray[np.str_]
    rigs: NDArray[np.str_]
    problems: NDArray[np.str_]
    drive: NDArray[np.int32]
    frame: NDArray[np.int32]
    speeds_mps: NDArray[np.float32]
    targets_ego_m: NDArray[np.float32]
    commands: NDArray[np.int8]
    waypoints_ego_m: NDArray[np.float32]
    route_ego_m: NDArray[np.float32]
    route_original_ego_m: NDArray[np.float32]
    shift: NDArray[np.float32]
    obstacle: NDArray[np.int8]
    light: NDArray[np.int8]
    changed_route: NDArray[np.bool_]
    corrected: NDArray[np.bool_]
    has_augmented: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frame)

    def camera_shift(self, row: int) -> CameraShift:
        return CameraShift(*(float(value) for value in self.shift[row]))

    def rows(self, chosen: NDArray[np.intp]) -> DatasetIndex:
        """The same index with these frames only."""
        kept = {
            field.name: getattr(self, field.name)[chosen]
            for field in fields(self)
            if field.name not in (*PER_DRIVE, *WHOLE)
        }
        return replace(self, **kept)

    def from_frame(self, first: int) -> DatasetIndex:
        """Without what comes before frame ``first`` of each drive."""
        return self.rows(np.flatnonzero(self.frame >= first))

    def fingerprint(self) -> str:
        """Tells two selections of frames apart."""
        digest = hashlib.sha256("\n".join(self.drives).encode())
        digest.update(self.drive.tobytes() + self.frame.tobytes())
        return digest.hexdigest()[:16]

    def split(self, validation_share: float, seed: int) -> tuple[DatasetIndex, DatasetIndex]:
        """Training and validation frames; whole drives go to one side.

        The drives are ranked by a number that depends on name and seed alone, so that hardly any
        changes sides when the dataset grows.
        """
        order = np.argsort([_draw(name, seed) for name in self.drives])
        wanted = round(validation_share * len(order))
        if validation_share > 0.0 and len(order) > 1:
            wanted = max(1, wanted)
        validation = np.isin(self.drive, order[:wanted])
        return self.rows(np.flatnonzero(~validation)), self.rows(np.flatnonzero(validation))


def load_index(
    root: Path, split: str, workers: int = 1, max_broken_share: float = 0.05
) -> DatasetIndex:
    """Read the cached index of a split's drives, or build and cache it.

    Raises:
        DatasetError: no folder, no usable frame, or more than ``max_broken_share`` of the drives or
            of the frames unreadable. Drives that were not finished, not driven well or recorded at
            another interval do not count as such; they are left out and reported.
    """
    folders = split_folders(root, split)
    paths = [drive for folder in folders for drive in find_drives(folder)]
    cache = root / "index" / f"{split}-{_state_of(paths, root)}.npz"
    if not cache.is_file():
        index = _build(root, folders, paths, workers, max_broken_share)
        try:
            cache.parent.mkdir(parents=True, exist_ok=True)
            outdated = list(cache.parent.glob(f"{cache.name.rpartition('-')[0]}-*.npz"))
            write_index(cache, index)
            for path in outdated:
                path.unlink()
        except OSError as error:
            logger.warning("%s: the index is not kept for the next start: %s", cache, error)
        return index
    return read_index(cache)


def split_folders(root: Path, split: str) -> list[Path]:
    """The folders below ``<root>/data/simlingo`` that make up a split, in order.

    That is the one of its name, or, as the public dataset has it, all that begin with it: of
    ``training`` training_1_scenario, training_3_scenarios and training_parking_lane. ``all`` is
    every folder, which is what SimLingo was trained on.

    Raises:
        DatasetError: there is none; names those that there are.
    """
    dataset = root / "data" / "simlingo"
    if not dataset.is_dir():
        raise DatasetError(f"{dataset}: no such folder; expected a dataset in SimLingo's layout")
    if (dataset / split).is_dir():
        return [dataset / split]
    present = sorted(path for path in dataset.iterdir() if path.is_dir())
    found = [path for path in present if split == "all" or path.name.startswith(f"{split}_")]
    if not found:
        names = ", ".join(path.name for path in present) or "none"
        raise DatasetError(
            f"{dataset / split}: no such folder, and none that begins so; there are {names}; "
            "data.split chooses (all: every one)"
        )
    return found


def write_index(path: Path, index: DatasetIndex) -> None:
    """Write ``index`` to an npz file, which is there whole or not at all."""
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez_compressed(partial, **{f.name: getattr(index, f.name) for f in fields(index)})
    partial.replace(path)


def read_index(path: Path) -> DatasetIndex:
    """Read what :func:`write_index` wrote, now or before it knew corrected drives."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in arrays.files}
        columns.setdefault("corrected", np.zeros(len(columns["frame"]), np.bool_))
        return DatasetIndex(**{f.name: columns[f.name] for f in fields(DatasetIndex)})
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: not an index of this version: {error}") from error


def _state_of(drives: Sequence[Path], root: Path) -> str:
    """Changes when a drive comes, goes, grows or is judged anew."""
    digest = hashlib.sha256(str(FORMAT).encode())
    for drive in drives:
        watched = [path for path in drive.iterdir() if path.name != "boxes"]
        changes = ",".join(f"{p.name} {p.stat().st_mtime_ns}" for p in sorted(watched))
        digest.update(f"{drive.relative_to(root)}:{changes};".encode())
    return digest.hexdigest()[:16]


def _build(
    root: Path,
    folders: Sequence[Path],
    paths: Sequence[Path],
    workers: int,
    max_broken_share: float,
) -> DatasetIndex:
    results = _read_all(paths, workers)
    verdicts = Counter(result.verdict for result in results if result.verdict)
    problems = [line for result in results for line in result.problems]
    _check_share("drives", verdicts["broken"], len(paths), max_broken_share, problems)
    usable = [(path, r) for path, r in zip(paths, results, strict=True) if not r.verdict]
    frames = sum(result.frames for _, result in usable)
    lost = sum(len(result.problems) for _, result in usable)
    _check_share("frames", lost, frames, max_broken_share, problems)
    usable = [(path, result) for path, result in usable if len(result.columns["frame"])]
    if not usable:
        where = ", ".join(map(str, folders))
        raise DatasetError(
            f"{where}: no usable drive among {len(paths)}: {dict(verdicts)}"
            + "".join(f"\n  {line}" for line in problems[:SHOWN_PROBLEMS])
        )
    columns = {
        name: np.concatenate([result.columns[name] for _, result in usable])
        for name in usable[0][1].columns
    }
    sizes = [len(result.columns["frame"]) for _, result in usable]
    return DatasetIndex(
        drives=np.array([str(path.relative_to(root)) for path, _ in usable]),
        rigs=np.array([result.rig for _, result in usable]),
        problems=np.array(problems, dtype=np.str_),
        drive=np.repeat(np.arange(len(usable), dtype=np.int32), sizes),
        **columns,
    )


def _read_all(paths: Sequence[Path], workers: int) -> list[Drive]:
    if workers <= 1:
        return [read_drive(path) for path in track(paths, "Indexing drives")]
    # A forked copy of a process that has started torch's threads can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        return list(track(pool.map(read_drive, paths), "Indexing drives", len(paths)))


def _check_share(
    what: str, broken: int, total: int, max_share: float, problems: Sequence[str]
) -> None:
    if broken > max_share * total:
        examples = "\n  ".join(problems[:SHOWN_PROBLEMS])
        raise DatasetError(
            f"{broken} of {total} {what} are unreadable, more than data.max_broken_share "
            f"({max_share:.0%}). The first of them:\n  {examples}"
        )


def _draw(name: str, seed: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64
