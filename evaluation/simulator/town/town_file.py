"""A built town as a file, and back: what was computed from its map need not be computed again.

The file is a checksum (SHA-256) and msgpack. Classes are named, and only those below are built, so
that a file can hold nothing that runs. Numbers come back bit by bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import shapely

from evaluation.simulator.town import scenery
from evaluation.simulator.town.ground import Areas, Ground
from evaluation.simulator.town.limits import StatedLimits
from evaluation.simulator.town.opendrive_records import SpeedRecord
from evaluation.simulator.town.signal_specs import TrafficLightSpec, TrafficSignSpec
from evaluation.simulator.wire.codec import BoundingBox, Rotation, Transform, Vector3D

_DIGEST_BYTES = hashlib.sha256().digest_size
_CLASSES: dict[str, Callable[..., Any]] = {
    kind.__name__: kind
    for kind in (
        Areas,
        BoundingBox,
        Ground,
        Rotation,
        SpeedRecord,
        StatedLimits,
        TrafficLightSpec,
        TrafficSignSpec,
        Transform,
        Vector3D,
        scenery.Buildings,
        scenery.LampHeads,
        scenery.Material,
        scenery.Mesh,
        scenery.Poles,
        scenery.Scenery,
        scenery.SignFaces,
        scenery.StreetLamps,
        scenery.Trees,
    )
}


class TownFileError(ValueError):
    """A file that holds no town of this program; the message says what is wrong."""


def write_town_file(path: Path, content: dict[str, Any]) -> None:
    """Write the fields of a town; `carla.Map` is left to be read from the text."""
    data = msgpack.packb({name: _plain(value) for name, value in content.items()})
    with path.open("wb") as file:
        file.write(hashlib.sha256(data).digest())
        file.write(data)


def read_town_file(path: Path) -> dict[str, Any]:
    """Return the fields that `write_town_file` was given.

    Raises:
        TownFileError: cut short, changed, or of another program.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if hashlib.sha256(data[_DIGEST_BYTES:]).digest() != data[:_DIGEST_BYTES]:
        raise TownFileError(f"{path}: cut short or changed")
    try:
        content = msgpack.unpackb(memoryview(data)[_DIGEST_BYTES:], max_bin_len=len(data))
        return {str(name): _built(value) for name, value in content.items()}
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError) as error:
        raise TownFileError(f"{path}: holds no town ({error})") from error


def _plain(value: Any) -> Any:
    """What msgpack can write: numbers and texts as they are, all else as [kind, ...]."""
    if isinstance(value, IntEnum):
        return ["object", type(value).__name__, [int(value)]]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        return ["array", value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes()]
    if isinstance(value, shapely.Geometry):
        return ["geometry", shapely.to_wkb(value)]
    if isinstance(value, dict):
        return ["dict", [[_plain(key), _plain(one)] for key, one in value.items()]]
    if type(value) is tuple:
        return ["tuple", [_plain(one) for one in value]]
    return ["object", type(value).__name__, [_plain(part) for part in _parts(value)]]


def _parts(value: Any) -> list[Any]:
    """With what the class of `value` is called to make it again."""
    if isinstance(value, Ground):
        return value.parts()
    if is_dataclass(value):
        return [getattr(value, item.name) for item in fields(value)]
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"no part of a town: {type(value).__name__}")


def _built(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind == "array":
        dtype, shape, data = rest
        # The caller's own: views of the file's bytes cannot be written to.
        return np.frombuffer(data, np.dtype(dtype)).reshape(shape).copy()
    if kind == "geometry":
        return shapely.from_wkb(rest[0])
    if kind == "dict":
        return {_built(key): _built(one) for key, one in rest[0]}
    if kind == "tuple":
        return tuple(_built(one) for one in rest[0])
    if kind == "object":
        return _CLASSES[rest[0]](*(_built(part) for part in rest[1]))
    raise ValueError(f"an unknown kind of value, {kind!r}")
