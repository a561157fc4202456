"""What one image needs to know: bodies, lamps, weather and cameras.

Frame: CARLA's world (x forward/east, y right/south, z up, metres, left-handed). Rotations are
(roll, pitch, yaw) in radians with CARLA's signs: yaw clockwise from above, pitch up, and roll
clockwise seen from behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]


MAX_SIDE_PX = 4096
"""Every driver of the required OpenGL version takes framebuffers of four times this size."""
MIN_FOV_DEG, MAX_FOV_DEG = 0.1, 179.0
"""Beyond these the matrices of a camera leave what float32 can tell apart."""


SKY_TAG = 11
NO_NORMAL = 0x808080
"""The code of a normal of length 0."""


class BodyKind(IntEnum):
    """Shape of a body; `PROP` becomes a cone, a barrier or a box by its extent, `DOOR` is the open
    door of a car."""

    CAR = 0
    VAN = 1
    TRUCK = 2
    BUS = 3
    MOTORCYCLE = 4
    BICYCLE = 5
    WALKER = 6
    PROP = 7
    DOOR = 8


class LightFlag:
    """Bits of `Bodies.light_flags`, the values of carla.VehicleLightState."""

    POSITION = 0x1
    LOW_BEAM = 0x2
    HIGH_BEAM = 0x4
    BRAKE = 0x8
    RIGHT_BLINKER = 0x10
    LEFT_BLINKER = 0x20
    REVERSE = 0x40
    FOG = 0x80
    SPECIAL_1 = 0x200
    SPECIAL_2 = 0x400


class LampState(IntEnum):
    """Active lamp of a traffic light, the values of carla.TrafficLightState."""

    RED = 0
    YELLOW = 1
    GREEN = 2
    OFF = 3
    UNKNOWN = 4


class WeatherLike(Protocol):
    """The fields of carla.WeatherParameters that are drawn: percentages, degrees and metres."""

    @property
    def cloudiness(self) -> float: ...
    @property
    def precipitation(self) -> float: ...
    @property
    def precipitation_deposits(self) -> float: ...
    @property
    def sun_azimuth_angle(self) -> float: ...
    @property
    def sun_altitude_angle(self) -> float: ...
    @property
    def fog_density(self) -> float: ...
    @property
    def fog_distance(self) -> float: ...
    @property
    def wetness(self) -> float: ...


@dataclass(frozen=True)
class ClearWeather:
    """A plain day, for images where nobody asked for a weather."""

    cloudiness: float = 10.0
    precipitation: float = 0.0
    precipitation_deposits: float = 0.0
    sun_azimuth_angle: float = 40.0
    sun_altitude_angle: float = 50.0
    fog_density: float = 0.0
    fog_distance: float = 0.0
    wetness: float = 0.0


@dataclass(frozen=True)
class Bodies:
    """Everything that moves, one row a body; all arrays share their first dimension n.

    kind (n,) BodyKind; position_world_m (n, 3) of the actor's origin; rotation_rad (n, 3) roll,
    pitch, yaw; half_extent_m (n, 3) and box_centre_m (n, 3) of the bounding box in the actor's
    frame; colour_rgb (n, 3) of paint or clothes; light_flags (n,) bits of LightFlag; semantic_tag
    and object_id (n,) are what label images and rays tell of a body, zeros where they are empty.
    Raises ValueError where the lengths differ.
    """

    kind: U8 = field(default_factory=lambda: np.zeros(0, np.uint8))
    position_world_m: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    rotation_rad: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    half_extent_m: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    box_centre_m: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    colour_rgb: U8 = field(default_factory=lambda: np.zeros((0, 3), np.uint8))
    light_flags: U32 = field(default_factory=lambda: np.zeros(0, np.uint32))
    semantic_tag: U8 = field(default_factory=lambda: np.zeros(0, np.uint8))
    object_id: U32 = field(default_factory=lambda: np.zeros(0, np.uint32))

    def __post_init__(self) -> None:
        count = len(self.kind)
        for name in ("semantic_tag", "object_id"):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.zeros(count, getattr(self, name).dtype))
        expected = {
            "kind": (count,),
            "position_world_m": (count, 3),
            "rotation_rad": (count, 3),
            "half_extent_m": (count, 3),
            "box_centre_m": (count, 3),
            "colour_rgb": (count, 3),
            "light_flags": (count,),
            "semantic_tag": (count,),
            "object_id": (count,),
        }
        for name, shape in expected.items():
            got = np.shape(getattr(self, name))
            if got != shape:
                raise ValueError(f"Bodies.{name}: expected shape {shape}, got {got}")


@dataclass(frozen=True)
class Strokes:
    """Straight bars that clients have drawn, one row a bar: their ends (n, 3) in world m, how thick
    they are (n,) and their colour (n, 3). A bar without length is a point, drawn as a cube.
    Raises ValueError where the lengths differ."""

    start_world_m: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    end_world_m: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    thickness_m: F64 = field(default_factory=lambda: np.zeros(0))
    colour_rgb: U8 = field(default_factory=lambda: np.zeros((0, 3), np.uint8))

    def __post_init__(self) -> None:
        count = len(self.thickness_m)
        for name in ("start_world_m", "end_world_m", "colour_rgb"):
            got = np.shape(getattr(self, name))
            if got != (count, 3):
                raise ValueError(f"Strokes.{name}: expected shape ({count}, 3), got {got}")


@dataclass(frozen=True)
class RenderFrame:
    """State of the world at one tick.

    `lamp_states` (n,) holds a LampState for each row of `Scenery.lamp_heads`, or is empty: then
    no lamp is lit. `time_s` is the simulated time; it drives blinkers, rain and clouds. `strokes`
    are seen in colour only, not in label images. `street_lights` (n, 3) is the RGB that each of
    `Scenery.street_lamps` shines with, 1 full and 0 off, or is empty: then none is on.
    """

    bodies: Bodies = field(default_factory=Bodies)
    lamp_states: U8 = field(default_factory=lambda: np.zeros(0, np.uint8))
    weather: WeatherLike = field(default_factory=ClearWeather)
    time_s: float = 0.0
    strokes: Strokes = field(default_factory=Strokes)
    street_lights: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32))


@dataclass(frozen=True)
class LabelImage:
    """What a camera sees in every pixel: depth_m (height, width) along its axis, semantic tag,
    number of the object, and the surface's normal towards the camera. Nothing within sight is the
    sky, `SKY_TAG`, at an infinite depth and without a normal.

    normal_code (height, width): the normal in the world's axes, x highest and z lowest of three
    bytes, 0 for -1 and 255 for 1; `NO_NORMAL` is none.
    """

    depth_m: F32
    tag: U8
    object_id: U32
    normal_code: U32


@dataclass(frozen=True)
class CameraView:
    """A pinhole camera: pixel (u, v) of a point (x, y, z) in camera axes (x forward, y right, z up)
    is u = W/2 + f y/x, v = H/2 - f z/x with f = W / (2 tan(fov/2)), fov horizontal in degrees.

    Raises ValueError for a shape, size or field of view that no camera has.
    """

    world_from_camera: F64
    width_px: int
    height_px: int
    fov_deg: float

    def __post_init__(self) -> None:
        if np.shape(self.world_from_camera) != (4, 4):
            shape = np.shape(self.world_from_camera)
            raise ValueError(f"CameraView.world_from_camera: expected shape (4, 4), got {shape}")
        for name, side_px in (("width_px", self.width_px), ("height_px", self.height_px)):
            if not 1 <= side_px <= MAX_SIDE_PX:
                raise ValueError(f"{name}: expected 1 to {MAX_SIDE_PX} pixels, got {side_px}")
        if not MIN_FOV_DEG <= self.fov_deg <= MAX_FOV_DEG:
            expected = f"{MIN_FOV_DEG} to {MAX_FOV_DEG} degrees"
            raise ValueError(f"fov: expected {expected}, got {self.fov_deg}")
