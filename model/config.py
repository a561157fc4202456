"""The numbers that define a model, its presets, and their JSON form.

A checkpoint carries its ``config.json``; reading one with an unknown, missing or mistyped key is an
error, so that a model is never built from half of a configuration.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from model.strict_json import ConfigError, Within, check_fields, from_plain, parse, require

FRAME_INTERVAL_S = 0.25
"""Between the frames of a history, between waypoints, and so between recorded frames: five ticks of
a simulation at 20 Hz, as SimLingo has it."""

__all__ = [
    "BASE",
    "DEBUG",
    "LANGUAGE_PRESETS",
    "NANO",
    "PRESETS",
    "CameraConfig",
    "ConfigError",
    "LanguageConfig",
    "ModelConfig",
    "VisionConfig",
]

MAX_CAMERAS = 6

# Beyond these a number is a slip of the pen: several times what has ever been built or mounted.
MetresFromEgo = Annotated[float, Within(-100, 100)]
Degrees = Annotated[float, Within(-360, 360)]
Pixels = Annotated[int, Within(1, 4096)]
Layers = Annotated[int, Within(1, 100)]
Heads = Annotated[int, Within(1, 128)]
Width = Annotated[int, Within(1, 16384)]
HiddenWidth = Annotated[int, Within(1, 65536)]
Moments = Annotated[int, Within(1, 64)]
Points = Annotated[int, Within(1, 256)]
StepMetres = Annotated[float, Within(0, 50)]
# A transformer's; the largest preset has 1.1 billion.
MAX_PARAMETERS = 10_000_000_000


@dataclass(frozen=True)
class CameraConfig:
    """One camera: its pose in the ego frame (CARLA axes and degrees) and its image."""

    name: str
    x_m: MetresFromEgo
    y_m: MetresFromEgo
    z_m: MetresFromEgo
    roll_deg: Degrees
    pitch_deg: Degrees
    yaw_deg: Degrees
    width_px: Pixels
    height_px: Pixels
    fov_deg: Annotated[float, Within(1, 179)]

    def __post_init__(self) -> None:
        check_fields(self, f"camera {self.name}")

    def intrinsics(self) -> NDArray[np.float32]:
        """Pinhole matrix (3, 3) in pixels, principal point in the middle of the image."""
        focal_px = self.width_px / (2.0 * math.tan(math.radians(self.fov_deg) / 2.0))
        return np.array(
            [
                [focal_px, 0.0, self.width_px / 2.0],
                [0.0, focal_px, self.height_px / 2.0],
                [0.0, 0.0, 1.0],
            ],
            dtype=np.float32,
        )

    def extrinsics(self) -> NDArray[np.float32]:
        """Pose (4, 4) of the camera in the ego frame: ego from camera, metres, CARLA axes.

        The rotation is yaw, then pitch, then roll, with CARLA's signs (pitch up and yaw to the
        right are positive).
        """
        roll, pitch, yaw = np.radians([self.roll_deg, self.pitch_deg, self.yaw_deg])
        about_z = np.array(
            [[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]
        )
        about_y = np.array(
            [[np.cos(pitch), 0, -np.sin(pitch)], [0, 1, 0], [np.sin(pitch), 0, np.cos(pitch)]]
        )
        about_x = np.array(
            [[1, 0, 0], [0, np.cos(roll), np.sin(roll)], [0, -np.sin(roll), np.cos(roll)]]
        )
        pose = np.eye(4, dtype=np.float32)
        pose[:3, :3] = about_z @ about_y @ about_x
        pose[:3, 3] = self.x_m, self.y_m, self.z_m
        return pose


@dataclass(frozen=True)
class VisionConfig:
    """The image encoder. The defaults are LLaVA-NeXT's CLIP ViT-L/14 at 336 px.

    * ``encoder``: ``llava`` or ``resnet34``; to the latter only ``token_size`` and ``freeze``
      matter.
    * ``tile_px``, ``grid_pinpoints``: an image is cut into tiles of this side; of the possible
      grids (rows, columns in pixels) the one is taken that keeps most of it.
    * ``feature_layer`` counts hidden states from the end, as LLaVA does: -2 leaves the last layer
      out, and that layer is never built.
    * ``token_size``: width of the vision tokens; where it differs from the Llama's a projection
      follows.
    * ``downsample_feature_grid_factor``: side of the squares of patches that become one token;
      null and 1 keep every patch.
    * ``use_global_img``: the whole image, shrunk to one tile, comes before its tiles.
    * ``freeze``: the tower is not trained; projection and encodings are.
    """

    encoder: Literal["llava", "resnet34"] = "llava"
    tile_px: Pixels = 336
    patch_px: Pixels = 14
    grid_pinpoints: tuple[tuple[Pixels, Pixels], ...] = ((336, 672),)
    hidden_size: Width = 1024
    layers: Layers = 24
    heads: Heads = 16
    mlp_size: HiddenWidth = 4096
    activation: str = "quick_gelu"
    feature_layer: Annotated[int, Within(-100, -1)] = -2
    projector_size: HiddenWidth = 4096
    token_size: Width = 512
    downsample_feature_grid_factor: Annotated[int, Within(1, 2)] | None = 2
    use_global_img: bool = False
    freeze: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "vision")
        _require_buildable("vision", self, linears=2)
        require(self.tile_px % self.patch_px == 0, "vision.tile_px", "a multiple of patch_px", self)
        require(
            -self.layers <= self.feature_layer <= -1,
            "vision.feature_layer",
            f"-{self.layers}..-1",
            self,
        )
        fits = all(side % self.tile_px == 0 for point in self.grid_pinpoints for side in point)
        require(
            fits and bool(self.grid_pinpoints),
            "vision.grid_pinpoints",
            "multiples of tile_px",
            self,
        )
        require(self.hidden_size % self.heads == 0, "vision.heads", "a divisor", self)


@dataclass(frozen=True)
class LanguageConfig:
    """A Llama decoder without vocabulary. ``lora`` needs the optional package peft."""

    layers: Layers
    heads: Heads
    hidden_size: Width
    mlp_size: HiddenWidth
    lora: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "language")
        _require_buildable("language", self, linears=3)
        even = self.hidden_size % (2 * self.heads) == 0
        require(even, "language.hidden_size", "a multiple of twice the heads", self)


def _require_buildable(section: str, config: VisionConfig | LanguageConfig, linears: int) -> None:
    """Raise :class:`ConfigError` for a transformer, ``linears`` in each of its feed-forward
    networks, that no machine here can hold."""
    attention = 4 * config.hidden_size**2
    parameters = config.layers * (attention + linears * config.hidden_size * config.mlp_size)
    most = f"fewer (the layers have {parameters / 1e9:.0f} billion parameters together)"
    require(parameters <= MAX_PARAMETERS, f"{section}.layers", most, config)


LANGUAGE_PRESETS = {
    "debug": LanguageConfig(layers=2, heads=2, hidden_size=32, mlp_size=64),
    "tiny": LanguageConfig(layers=12, heads=8, hidden_size=512, mlp_size=2048),
    "x-small": LanguageConfig(layers=14, heads=8, hidden_size=1024, mlp_size=4096),
    "small": LanguageConfig(layers=22, heads=8, hidden_size=1024, mlp_size=4096),
    "medium": LanguageConfig(layers=22, heads=12, hidden_size=1536, mlp_size=4096),
    "large": LanguageConfig(layers=22, heads=16, hidden_size=2048, mlp_size=5632),
}


@dataclass(frozen=True)
class ModelConfig:
    """Everything that shapes a model, with the option names of SimLingo-Base's training code.

    * ``hist_len``: moments whose images are read, 0.25 s apart; ``speed_history``: speeds
      likewise.
    * ``cut_bottom_quarter``: drop the lowest 4.8/16 of each image (the bonnet).
    * ``image_enhancing``: equalise the histogram of each image's brightness.
    * ``route_as``: ``target_point`` (``target_points`` of them, one or two), ``coords`` (the next
      ``route_points`` points of the route) or ``image`` (a bird's-eye image of the route).
    * ``speed_as_input``: without it the speed has no token.
    * ``new_layer_norm_minmax``: normalise speeds and coordinates by the newer ranges of
      ``model/adaptors.py``.
    * ``speed_wps_mode``: waypoints are positions (``2d``) or distances along the route (``1d``).
    * ``predict_route_as_wps``: without it there is no route head, and the waypoints are followed.
    * ``speed_points``, ``route_points``: how many (a quarter of a second and a metre apart).
    * ``adaptor_size``: width of the heads' hidden layers.
    * ``route_head``: ``deep`` has three linear layers; ``published`` is the two-layer head of the
      released weights, whose last layers have no bias (so that those weights load).
    * ``speed_step_m``, ``route_step_m``: what the heads predict per step before any training, so
      that a small model does not spend its first hour learning to move forward.
    """

    name: str
    cameras: tuple[CameraConfig, ...]
    vision: VisionConfig
    language: LanguageConfig
    hist_len: Moments = 1
    speed_history: Moments = 1
    cut_bottom_quarter: bool = False
    image_enhancing: bool = False
    route_as: Literal["target_point", "coords", "image"] = "target_point"
    target_points: Annotated[int, Within(1, 2)] = 2
    speed_as_input: bool = True
    new_layer_norm_minmax: bool = False
    speed_wps_mode: Literal["2d", "1d"] = "2d"
    predict_route_as_wps: bool = True
    route_head: Literal["deep", "published"] = "deep"
    speed_points: Points = 10
    route_points: Points = 20
    adaptor_size: Width = 256
    speed_step_m: StepMetres = 0.0
    route_step_m: StepMetres = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        require(1 <= len(self.cameras) <= MAX_CAMERAS, "cameras", f"1 to {MAX_CAMERAS}", self)
        names = {camera.name for camera in self.cameras}
        require(len(names) == len(self.cameras), "cameras", "a name of its own for each", self)
        sizes = {(camera.width_px, camera.height_px) for camera in self.cameras}
        require(len(sizes) == 1, "cameras", "images of one size", self)
        routed = self.speed_wps_mode == "2d" or self.predict_route_as_wps
        require(routed, "predict_route_as_wps", "true with 1d (distances need a path)", self)
        biased = self.route_head == "deep" or self.speed_step_m == self.route_step_m == 0.0
        require(biased, "speed_step_m", "0 with the published heads (they have no bias)", self)

    @property
    def route_tokens(self) -> int:
        """How many tokens the route encoder emits."""
        by_route = {"target_point": self.target_points, "coords": self.route_points, "image": 1}
        return by_route[self.route_as]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Read :meth:`to_json`'s form; raises :class:`ConfigError` naming the key at fault."""
        return from_plain(cls, parse(text))


def _rig(
    x_m: float, z_m: float, yaw_deg: float, size_px: tuple[int, int], fov_deg: float
) -> tuple[CameraConfig, ...]:
    """A front camera and two side cameras turned by ``yaw_deg``, in the stored order."""
    yaws_deg = {"rgb": 0.0, "rgb_left": -yaw_deg, "rgb_right": yaw_deg}
    return tuple(
        CameraConfig(name, x_m, 0.0, z_m, 0.0, 0.0, yaw, size_px[0], size_px[1], fov_deg)
        for name, yaw in yaws_deg.items()
    )


BASE = ModelConfig(
    name="base",
    cameras=_rig(-1.5, 2.0, 55.0, (1024, 512), 110.0),
    vision=VisionConfig(),
    language=LANGUAGE_PRESETS["tiny"],
    cut_bottom_quarter=True,
)

# As many pixels per degree as a 400 px camera of 110 degrees, or a traffic lamp at 20 m would be a
# single pixel; three narrow views side by side still cover almost a half circle.
NANO = ModelConfig(
    name="nano",
    cameras=_rig(-1.0, 2.2, 58.0, (192, 96), 65.0),
    vision=VisionConfig(
        tile_px=96,
        patch_px=16,
        grid_pinpoints=((96, 192),),
        hidden_size=160,
        layers=5,
        heads=5,
        mlp_size=480,
        activation="relu",
        projector_size=192,
        token_size=192,
    ),
    language=LanguageConfig(layers=3, heads=6, hidden_size=192, mlp_size=384),
    speed_step_m=1.7,
    route_step_m=1.0,
)

DEBUG = ModelConfig(
    name="debug",
    cameras=_rig(-1.5, 2.0, 55.0, (64, 32), 110.0),
    vision=VisionConfig(
        tile_px=32,
        patch_px=8,
        grid_pinpoints=((32, 64),),
        hidden_size=32,
        layers=3,
        heads=2,
        mlp_size=64,
        projector_size=48,
        token_size=24,
    ),
    language=LANGUAGE_PRESETS["debug"],
    adaptor_size=16,
)

PRESETS = {preset.name: preset for preset in (BASE, NANO, DEBUG)}
