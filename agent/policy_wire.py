"""What passes between an agent and its policy server: names, addresses, and messages in msgpack.

Arrays travel as their bytes, so that a plan made elsewhere is the plan to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from agent.plan_source import Planned
from planner.records import Command, EgoState, Plan, Target

SERVICE = "simlingo.Policy"
DESCRIBE, PLANS = "Describe", "Plans"
LOOPBACK = "127.0.0.1"
UNIX = "unix:"
LAST_PORT = 65535
# A history of three full-size images over several moments; gRPC's own limit is 4 MiB.
LARGEST_MESSAGE = 256 * 2**20
MESSAGE_OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
)
KINDS: dict[str, type[np.generic]] = {"|u1": np.uint8, "<f8": np.float64}


class WireError(ValueError):
    """A message or an address that cannot be read; the message says what was expected."""


@dataclass(frozen=True)
class PlanRequest:
    """The arguments of `Policy.plan`, and which checkpoint is meant (as Describe named it)."""

    images: NDArray[np.uint8]
    speeds_mps: NDArray[np.float64]
    ego: EgoState
    targets: tuple[Target, ...]
    route_world_m: NDArray[np.float64]
    checkpoint: str


@dataclass(frozen=True)
class Description:
    """What a server holds. config: the text of a config.json; checkpoint: a digest of it and of
    the weights; runs_on: see `PlanSource`."""

    config: str
    checkpoint: str
    runs_on: str


def parse_address(text: str) -> str:
    """An address as gRPC takes it: unix:PATH, HOST:PORT, or a PORT of this machine alone."""
    if text.startswith(UNIX):
        if not text[len(UNIX) :].strip("/"):
            raise WireError(f"address {text!r}: expected a path after {UNIX}")
        return text
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) <= LAST_PORT:
        raise WireError(
            f"address {text!r}: expected unix:PATH, HOST:PORT or PORT (0 to {LAST_PORT})"
        )
    return f"{host or LOOPBACK}:{port}"


def pack_request(request: PlanRequest) -> bytes:
    ego = request.ego
    return _pack(
        {
            "images": _array(request.images),
            "speeds": _array(request.speeds_mps),
            "ego": [*map(float, ego.position_world_m), ego.yaw_rad, ego.speed_mps],
            "targets": [
                [*map(float, target.position_world_m), int(target.command)]
                for target in request.targets
            ],
            "route": _array(request.route_world_m),
            "checkpoint": request.checkpoint,
        }
    )


def unpack_request(data: bytes) -> PlanRequest:
    """Raises WireError for anything but what `pack_request` makes."""
    content = _unpack(data)
    try:
        x_m, y_m, yaw_rad, speed_mps = map(_float, content["ego"])
        return PlanRequest(
            images=_as_array(content["images"], np.uint8, 5),
            speeds_mps=_as_array(content["speeds"], np.float64, 1),
            ego=EgoState(np.array([x_m, y_m]), yaw_rad, speed_mps),
            targets=tuple(
                Target(np.array([_float(x), _float(y)]), Command(command))
                for x, y, command in content["targets"]
            ),
            route_world_m=_as_array(content["route"], np.float64, 2),
            checkpoint=str(content["checkpoint"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"plan request: {type(error).__name__}: {error}") from error


def pack_planned(planned: Planned) -> bytes:
    plan = planned.plan
    return _pack(
        {
            "route": _array(plan.route_ego_m),
            "waypoints": _array(plan.waypoints_ego_m),
            "interval_s": plan.waypoint_interval_s,
            "stage_ms": dict(planned.stage_ms),
        }
    )


def unpack_planned(data: bytes) -> Planned:
    """Raises WireError for anything but what `pack_planned` makes."""
    content = _unpack(data)
    try:
        plan = Plan(
            route_ego_m=_as_array(content["route"], np.float64, 2),
            waypoints_ego_m=_as_array(content["waypoints"], np.float64, 2),
            waypoint_interval_s=_float(content["interval_s"]),
        )
        stages = {str(name): _float(value) for name, value in content["stage_ms"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WireError(f"plan: {type(error).__name__}: {error}") from error
    return Planned(plan, stages)


def pack_description(description: Description) -> bytes:
    return _pack(vars(description))


def unpack_description(data: bytes) -> Description:
    """Raises WireError for anything but what `pack_description` makes."""
    content = _unpack(data)
    try:
        return Description(**{name: str(content[name]) for name in Description.__annotations__})
    except KeyError as error:
        raise WireError(f"description: {error} is missing") from error


def _pack(content: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(content)
    return packed


def _unpack(data: bytes) -> dict[str, Any]:
    try:
        content = msgpack.unpackb(data)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise WireError(f"expected a msgpack message, got {error or 'something else'}") from error
    if not isinstance(content, dict):
        raise WireError(f"expected a msgpack map, got {type(content).__name__}")
    return content


def _array(values: NDArray[Any]) -> list[Any]:
    flat = np.ascontiguousarray(values)
    return [flat.dtype.str, list(flat.shape), flat.tobytes()]


def _as_array(packed: Sequence[Any], kind: type[np.generic], dimensions: int) -> NDArray[Any]:
    name, shape, data = packed
    if KINDS.get(name) is not kind or len(shape) != dimensions:
        raise ValueError(f"expected {kind.__name__} in {dimensions} dimensions, got {name} {shape}")
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"expected whole numbers as a shape, got {shape}")
    # A copy, because torch takes no memory that cannot be written.
    return np.frombuffer(data, dtype=kind).reshape(shape).copy()


def _float(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"expected a number, got {type(value).__name__}")
    return float(value)
