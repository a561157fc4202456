"""The weights that are judged, and the frames that they are judged on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from evaluation.errors import UserError
from evaluation.open_loop.left_out import OTHER_CAMERAS, by_kind, without_drives
from evaluation.open_loop.settings import MAX_BROKEN_SHARE, OpenLoopSettings
from model.checkpoint import CONFIG_FILE, load_checkpoint
from model.driving import DrivingModel
from model.training.dataset import DrivingDataset
from model.training.index import DatasetIndex, load_index, read_index
from model.training.layout import BEST, EXPORTED, INDEX_FILE, MADE_UP_DATA, SETTINGS_FILE
from model.training.rig_check import with_cameras

# The first of them that there is gets judged: a training without validation knows no best weights.
RUN_CHECKPOINTS = (BEST, EXPORTED)
EXPECTED = "expected --run, or --checkpoint and --data"


def open_subject(
    settings: OpenLoopSettings,
) -> tuple[DrivingModel, DrivingDataset, dict[str, list[str]]]:
    """Model, frames to be judged, and by kind a line for each thing that is left out of them."""
    if settings.run is not None and not (settings.run / SETTINGS_FILE).is_file():
        raise UserError(
            f"{settings.run / SETTINGS_FILE}: no such file; expected the output folder of a "
            "training"
        )
    model = load_checkpoint(_weights(settings))
    root, index = _frames(settings)
    elsewhere = np.setdiff1d(np.arange(len(index.drives)), index.drive)
    not_asked_for = tuple(str(drive) for drive in index.drives[elsewhere])
    problems = without_drives(not_asked_for, index.problems.tolist())
    index, other_cameras = with_cameras(index, model.config.cameras, MAX_BROKEN_SHARE)
    index = index.from_frame(model.config.hist_len - 1)
    dataset = DrivingDataset(root, index, model.config)
    left_out = {**by_kind(problems), OTHER_CAMERAS: without_drives(not_asked_for, other_cameras)}
    return model.to(settings.device).eval(), dataset, left_out


def _weights(settings: OpenLoopSettings) -> Path:
    """The folder of the checkpoint to be judged."""
    if settings.checkpoint is not None:
        return settings.checkpoint
    if settings.run is None:
        raise UserError(EXPECTED)
    for name in RUN_CHECKPOINTS:
        if (settings.run / name / CONFIG_FILE).is_file():
            return settings.run / name
    raise UserError(
        f"{settings.run}: the training has written no checkpoint yet (none of "
        f"{', '.join(RUN_CHECKPOINTS)}); wait for its end, or give --checkpoint"
    )


def _frames(settings: OpenLoopSettings) -> tuple[Path, DatasetIndex]:
    """The root of a dataset, and those of its frames that are asked for."""
    if settings.data is not None:
        return settings.data, load_index(settings.data, settings.split)
    if settings.run is None:
        raise UserError(EXPECTED)
    return _held_out(settings.run)


def _held_out(run: Path) -> tuple[Path, DatasetIndex]:
    """The root of a training's dataset, and the frames that it was validated with."""
    path = run / SETTINGS_FILE
    plain: Any = OmegaConf.to_container(OmegaConf.load(path))
    index = read_index(run / INDEX_FILE)
    _, validation = index.split(float(plain["data"]["validation_share"]), int(plain["seed"]))
    if not len(validation):
        raise UserError(f"{path}: the training held out no drive; choose frames with --data")
    root = Path(plain["data"]["root"] or run / MADE_UP_DATA)
    return root, validation.from_frame(int(plain["data"]["first_frame"]))


def chosen_rows(index: DatasetIndex, settings: OpenLoopSettings) -> NDArray[np.intp]:
    """Rows of the index: all, those with shifted cameras, or ``limit`` of them, evenly spread."""
    rows = np.flatnonzero(index.has_augmented) if settings.shifted else np.arange(len(index))
    if not len(rows):
        raise UserError("no frame to judge")
    if settings.limit and settings.limit < len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, settings.limit).astype(np.intp)]
    return rows
