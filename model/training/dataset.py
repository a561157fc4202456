"""Pictures and labels of one frame as a training example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from model.batch import DrivingExample, DrivingInput, DrivingLabel
from model.config import ModelConfig
from model.training.index import DatasetError, DatasetIndex
from model.training.labels import NO_SHIFT, equally_spaced


class DrivingDataset(Dataset[DrivingExample]):
    """Every frame once as driven and, with ``augmented``, once more from the shifted cameras.

    Row ``i`` and row ``i + len(index)`` are the same moment. Pictures have the size that the
    model's rig says; another size is a :class:`DatasetError`, since a resized picture would not be
    what the agent's cameras see.
    """

    def __init__(
        self, root: Path, index: DatasetIndex, config: ModelConfig, augmented: bool
    ) -> None:
        self.root = root
        self.index = index
        self.config = config
        self.augmented = augmented
        self.intrinsics = torch.from_numpy(np.stack([c.intrinsics() for c in config.cameras]))
        self.extrinsics = torch.from_numpy(np.stack([c.extrinsics() for c in config.cameras]))

    def __len__(self) -> int:
        return len(self.index) * (2 if self.augmented else 1)

    def __getitem__(self, item: int) -> DrivingExample:
        row, shifted = item % len(self.index), item >= len(self.index)
        index, config = self.index, self.config
        shift = index.camera_shift(row) if shifted else NO_SHIFT
        waypoints = shift.seen(index.waypoints_ego_m[row, : config.speed_points].astype(np.float64))
        route = equally_spaced(
            shift.seen(index.route_ego_m[row].astype(np.float64)), config.route_points
        )
        targets = shift.seen(index.targets_ego_m[row].astype(np.float64))[: config.target_points]
        driving_input = DrivingInput(
            camera_images=self.pictures(row, shifted).unsqueeze(0),
            camera_intrinsics=self.intrinsics,
            camera_extrinsics=self.extrinsics,
            vehicle_speed=torch.tensor([float(index.speed_mps[row])]),
            map_route=None,
            target_point=torch.from_numpy(targets).float(),
        )
        label = DrivingLabel(
            speed_wps=torch.from_numpy(waypoints).float(),
            route=torch.from_numpy(route).float(),
            speed_wps_valid=torch.tensor(bool(np.isfinite(waypoints).all())),
            route_valid=torch.tensor(bool(np.isfinite(route).all())),
        )
        return DrivingExample(driving_input, label)

    def pictures(self, row: int, shifted: bool) -> UInt8[Tensor, "cameras 3 rows columns"]:
        """The frame's pictures in the rig's order."""
        drive = self.root / self.index.drives[self.index.drive[row]]
        name = f"{self.index.frame[row]:04d}.jpg"
        suffix = "_augmented" if shifted else ""
        views = [
            read_picture(drive / f"{camera.name}{suffix}" / name) for camera in self.config.cameras
        ]
        camera = self.config.cameras[0]
        for view in views:
            if view.shape != (camera.height_px, camera.width_px, 3):
                raise DatasetError(
                    f"{drive}: expected pictures of {camera.width_px}x{camera.height_px} px, "
                    f"got {view.shape[1]}x{view.shape[0]}"
                )
        return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)


def read_picture(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """RGB (rows, columns, 3); raises :class:`DatasetError` when it is missing or truncated."""
    try:
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}") from error
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
    if picture is None:
        raise DatasetError(f"{path}: not a readable picture")
    return picture.astype(np.uint8, copy=False)


def collate(examples: Sequence[DrivingExample]) -> DrivingExample:
    """Stack examples into a batch; a field that is None stays None."""
    inputs = [example.driving_input for example in examples]
    labels = [example.driving_label for example in examples]
    return DrivingExample(
        DrivingInput(*map(_stack, zip(*inputs, strict=True))),  # type: ignore[arg-type]
        DrivingLabel(*map(_stack, zip(*labels, strict=True))),  # type: ignore[arg-type]
    )


def _stack(values: tuple[Tensor | None, ...]) -> Tensor | None:
    present = [value for value in values if value is not None]
    return torch.stack(present) if present else None
