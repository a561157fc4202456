"""Images and labels of one frame as a training example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from model.batch import DrivingExample, DrivingInput, DrivingLabel
from model.config import ConfigError, ModelConfig
from model.enhance import equalise
from model.loss import distance_along
from model.route import draw_route, planned_points
from model.training.augment import AugmentSettings, augment
from model.training.drives import AUGMENTED_SUFFIX, STORED_SPEEDS
from model.training.images import ImageCache, ImageError, read_image
from model.training.index import DatasetIndex
from model.training.labels import NO_SHIFT, CameraShift, equally_spaced
from model.training.sampler import Draw


class Unreadable(NamedTuple):
    """Stands for an example whose images cannot be read; ``blank`` has its shapes, black images
    and labels that do not count."""

    problem: str
    blank: DrivingExample


class LoadedBatch(NamedTuple):
    """A batch, how many of its samples were ``readable``, and what is missing in it. Where nothing
    could be read, the example is a single blank one: there is nothing to learn from it, but each
    process of a training still takes its step."""

    example: DrivingExample
    readable: int
    problems: list[str]


class DrivingDataset(Dataset["DrivingExample | Unreadable"]):
    """Examples by :class:`model.training.sampler.Draw`.

    Images have the size that the model's rig says; another size is an error, since a resized
    image would not be what the agent's cameras see. They are handed over as they were taken, or
    equalised: the model cuts and normalises them itself, in training as at the wheel.
    """

    def __init__(
        self,
        root: Path,
        index: DatasetIndex,
        config: ModelConfig,
        augmentation: AugmentSettings | None = None,
        cache: ImageCache | None = None,
    ) -> None:
        if config.speed_history > STORED_SPEEDS:
            raise ConfigError(
                f"speed_history: expected at most {STORED_SPEEDS}, got {config.speed_history}"
            )
        self.root = root
        self.index = index
        self.config = config
        self.augmentation = augmentation
        self.read = read_image if cache is None else cache.read
        self.intrinsics = torch.from_numpy(np.stack([c.intrinsics() for c in config.cameras]))
        self.extrinsics = torch.from_numpy(np.stack([c.extrinsics() for c in config.cameras]))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, draw: Draw) -> DrivingExample | Unreadable:
        shift, label = self._shift(draw), self.label(draw)
        try:
            images = self.images(draw)
        except ImageError as error:
            invalid = torch.tensor(False)
            unjudged = label._replace(speed_wps_valid=invalid, route_valid=invalid)
            blank = self._input(draw.row, shift, self._black_images())
            return Unreadable(str(error), DrivingExample(blank, unjudged))
        return DrivingExample(self._input(draw.row, shift, images), label)

    def _black_images(self) -> Tensor:
        camera = self.config.cameras[0]
        rig = self.config.hist_len, len(self.config.cameras)
        return torch.zeros(*rig, 3, camera.height_px, camera.width_px, dtype=torch.uint8)

    def _shift(self, draw: Draw) -> CameraShift:
        return self.index.camera_shift(draw.row) if draw.shifted else NO_SHIFT

    def _input(self, row: int, shift: CameraShift, images: Tensor) -> DrivingInput:
        index, config = self.index, self.config
        speeds = index.speeds_mps[row, : config.speed_history][::-1].copy()
        targets = shift.seen(index.targets_ego_m[row].astype(np.float64))[: config.target_points]
        map_route = None
        if config.route_as != "target_point":
            planned = shift.seen(index.route_original_ego_m[row].astype(np.float64))
            points = planned_points(planned, config.route_points)
            if config.route_as == "coords":
                targets = points.astype(np.float64)
            else:
                map_route = torch.from_numpy(draw_route(points))
        return DrivingInput(
            camera_images=images,
            camera_intrinsics=self.intrinsics,
            camera_extrinsics=self.extrinsics,
            vehicle_speed=torch.from_numpy(speeds),
            map_route=map_route,
            target_point=torch.from_numpy(targets).float(),
        )

    def label(self, draw: Draw) -> DrivingLabel:
        """What the expert did, as seen in this draw."""
        index, config, row, shift = self.index, self.config, draw.row, self._shift(draw)
        driven = index.waypoints_ego_m[row, : config.speed_points].astype(np.float64)
        waypoints = torch.from_numpy(shift.seen(driven))
        if config.speed_wps_mode == "1d":
            waypoints = distance_along(torch.from_numpy(driven)[None])[0]
        path = shift.seen(index.route_ego_m[row].astype(np.float64))
        route = equally_spaced(path, config.route_points)
        return DrivingLabel(
            speed_wps=waypoints.float(),
            route=torch.from_numpy(route).float(),
            speed_wps_valid=torch.tensor(bool(torch.isfinite(waypoints).all())),
            route_valid=torch.tensor(bool(np.isfinite(route).all())),
            light=torch.tensor(int(index.light[row])),
            obstacle=torch.tensor(int(index.obstacle[row])),
        )

    def images(self, draw: Draw) -> UInt8[Tensor, "time cameras 3 rows columns"]:
        """The images of the frame and of those before it, oldest first, in the rig's order.

        Raises:
            ImageError: an image that cannot be read or has another size.
        """
        drive = self.root / str(self.index.drives[self.index.drive[draw.row]])
        present = int(self.index.frame[draw.row])
        frames = range(present - self.config.hist_len + 1, present + 1)
        views = np.stack([self._view(drive, f, draw.shifted) for f in frames])
        if self.config.image_enhancing:
            # First, as in SimLingo's training code: afterwards it would even the changes out.
            views = equalise(views)
        if self.augmentation is not None and draw.key is not None:
            rng = np.random.default_rng(draw.key)
            flat = views.reshape(-1, *views.shape[2:])
            views = augment(flat, self.augmentation, rng).reshape(views.shape)
        return torch.from_numpy(views).permute(0, 1, 4, 2, 3)

    def _view(self, drive: Path, frame: int, shifted: bool) -> NDArray[np.uint8]:
        suffix = AUGMENTED_SUFFIX if shifted else ""
        cameras = self.config.cameras
        paths = [drive / f"{camera.name}{suffix}" / f"{frame:04d}.jpg" for camera in cameras]
        views = [self.read(path) for path in paths]
        expected = (cameras[0].height_px, cameras[0].width_px, 3)
        for path, view in zip(paths, views, strict=True):
            if view.shape != expected:
                raise ImageError(
                    f"{path}: expected {expected[1]}x{expected[0]} px, "
                    f"got {view.shape[1]}x{view.shape[0]}"
                )
        return np.stack(views)


def collate(examples: Sequence[DrivingExample | Unreadable]) -> LoadedBatch:
    """Stack the readable examples into a batch; a field that is None stays None."""
    unreadable = [example for example in examples if isinstance(example, Unreadable)]
    readable = [example for example in examples if isinstance(example, DrivingExample)]
    stacked = readable or [unreadable[0].blank]
    images, *others = zip(*(example.driving_input for example in stacked), strict=True)
    labels = [example.driving_label for example in stacked]
    example = DrivingExample(
        DrivingInput(_stack_images(images), *map(_stack, others)),  # type: ignore[arg-type]
        DrivingLabel(*map(_stack, zip(*labels, strict=True))),  # type: ignore[arg-type]
    )
    return LoadedBatch(example, len(readable), [example.problem for example in unreadable])


def _stack_images(images: Sequence[Tensor]) -> Tensor:
    """In memory colour comes last, as decoders write it, so that whole blocks are copied."""
    return torch.stack([image.permute(0, 1, 3, 4, 2) for image in images]).permute(0, 1, 2, 5, 3, 4)


def _stack(values: tuple[Tensor | None, ...]) -> Tensor | None:
    present = [value for value in values if value is not None]
    return torch.stack(present) if present else None
