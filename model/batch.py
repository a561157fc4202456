"""What goes into the model and what comes out of it.

NamedTuples, because Lightning's transfer to a device refuses frozen dataclasses. All points are in
the ego frame of the present moment (x forward, y right, metres), whose origin is the vehicle actor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

if TYPE_CHECKING:
    from model.config import ModelConfig


class InputError(ValueError):
    """An input that the model cannot take; the message names the field, expected and got."""


class DrivingInput(NamedTuple):
    """One batch of observations.

    Histories begin with the oldest moment. ``target_point`` holds the sparse targets, or the next
    route points when ``route_as`` is ``coords``. ``map_route`` is the bird's-eye route image and
    needed only when ``route_as`` is ``image``. Intrinsics are in pixels; extrinsics are the
    camera's pose in the ego frame.
    """

    camera_images: UInt8[Tensor, "batch time cameras 3 rows columns"]
    camera_intrinsics: Float[Tensor, "batch cameras 3 3"]
    camera_extrinsics: Float[Tensor, "batch cameras 4 4"]
    vehicle_speed: Float[Tensor, "batch history"]
    map_route: UInt8[Tensor, "batch 3 map_rows map_columns"] | None
    target_point: Float[Tensor, "batch 2"] | Float[Tensor, "batch points 2"] | None


class DrivingLabel(NamedTuple):
    """What the expert did: waypoints 0.25 s apart, and points of its path 1 m apart.

    ``speed_wps`` is what :class:`DrivingOutput` has: positions, or in mode ``1d`` distances along
    the way that the car took, which are the same from a shifted camera. A sample whose flag is
    False does not count in that loss (its route ends too early, say). ``light`` and ``obstacle``
    are classes for :mod:`model.training.auxiliary`, None where nothing learns from them.
    """

    speed_wps: Float[Tensor, "batch waypoints axes"]
    route: Float[Tensor, "batch points 2"]
    speed_wps_valid: Bool[Tensor, " batch"]
    route_valid: Bool[Tensor, " batch"]
    light: Int[Tensor, " batch"] | None = None
    obstacle: Int[Tensor, " batch"] | None = None


class DrivingExample(NamedTuple):
    """A batch of observations with its labels."""

    driving_input: DrivingInput
    driving_label: DrivingLabel


class DrivingOutput(NamedTuple):
    """Predicted positions, metres in the ego frame.

    ``speed_wps`` has two columns (x, y) in mode ``2d`` and one (distance along the path) in mode
    ``1d``. ``route`` is None when the model was built without a route head.
    """

    speed_wps: Float[Tensor, "batch waypoints axes"]
    route: Float[Tensor, "batch points 2"] | None


class TrainingOutput(NamedTuple):
    """The total loss and its parts; see :func:`model.loss.summarise_losses`."""

    loss: Float[Tensor, ""]
    loss_averages: dict[str, Tensor]
    loss_values: dict[str, Tensor]
    loss_counts: dict[str, Tensor]


def check_input(driving_input: DrivingInput, config: ModelConfig) -> None:
    """Raise :class:`InputError` unless the shapes and types are those that ``config`` asks for.

    Values are not looked at, so that the check costs no synchronisation with a GPU;
    :class:`model.runtime.Runtime` checks them where they still are on the host.
    """
    camera = config.cameras[0]
    images = driving_input.camera_images
    batch = images.shape[0]
    expected = (batch, config.hist_len, len(config.cameras), 3, camera.height_px, camera.width_px)
    _expect("camera_images", images, expected, torch.uint8)
    cameras = len(config.cameras)
    _expect("camera_intrinsics", driving_input.camera_intrinsics, (batch, cameras, 3, 3))
    _expect("camera_extrinsics", driving_input.camera_extrinsics, (batch, cameras, 4, 4))
    _expect("vehicle_speed", driving_input.vehicle_speed, (batch, config.speed_history))
    if config.route_as == "image":
        _expect_map_route(driving_input.map_route, batch)
    elif driving_input.target_point is None:
        raise InputError(f"target_point: route_as {config.route_as} expected points, got None")
    elif driving_input.target_point.dim() != 2 or config.route_tokens != 1:
        _expect("target_point", driving_input.target_point, (batch, config.route_tokens, 2))
    else:
        _expect("target_point", driving_input.target_point, (batch, 2))


def _expect(
    field: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None
) -> None:
    if tuple(tensor.shape) != shape:
        raise InputError(f"{field}: expected shape {shape}, got {tuple(tensor.shape)}")
    if dtype is not None and tensor.dtype != dtype:
        raise InputError(f"{field}: expected {dtype}, got {tensor.dtype}")
    if dtype is None and not tensor.dtype.is_floating_point:
        raise InputError(f"{field}: expected a floating-point type, got {tensor.dtype}")


def _expect_map_route(map_route: Tensor | None, batch: int) -> None:
    if map_route is None:
        raise InputError("map_route: expected an image because route_as is image, got None")
    if map_route.dim() != 4 or map_route.shape[:2] != (batch, 3):
        raise InputError(
            f"map_route: expected shape ({batch}, 3, rows, columns), got {tuple(map_route.shape)}"
        )
    if map_route.dtype != torch.uint8:
        raise InputError(f"map_route: expected torch.uint8, got {map_route.dtype}")
