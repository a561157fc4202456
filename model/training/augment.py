"""Changes of an image that leave its meaning: light, colour, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray

from model.strict_json import Within, check_fields

U8 = NDArray[np.uint8]
NOISE_VALUES = 1 << 16
Share = Annotated[float, Within(0, 1)]


@dataclass(frozen=True)
class AugmentSettings:
    """How far images are changed; 0 everywhere leaves them alone.

    ``share`` of the samples are changed at all. ``brightness`` is the largest offset as a share of
    the grey scale; ``contrast`` and ``colour`` are the largest factors minus one, ``colour`` for
    each channel by itself. ``blur_share`` and ``noise_share`` of the changed samples are blurred
    by up to ``blur_px`` (standard deviation), or get noise of up to ``noise`` grey levels.
    """

    share: Share
    brightness: Share
    contrast: Share
    colour: Share
    blur_share: Share
    blur_px: Annotated[float, Within(0, 100)]
    noise_share: Share
    noise: Annotated[float, Within(0, 255)]

    def __post_init__(self) -> None:
        check_fields(self, "data.augment")


def augment(images: U8, settings: AugmentSettings, rng: np.random.Generator) -> U8:
    """The images (n, rows, columns, 3) of one moment, all changed alike but for the noise."""
    if rng.uniform() >= settings.share:
        return images
    changed = _recolour(images, settings, rng)
    if rng.uniform() < settings.blur_share:
        sigma_px = settings.blur_px * rng.uniform(0.3, 1.0)
        views = [cv2.GaussianBlur(view, (0, 0), sigma_px) for view in changed]
        changed = np.stack(views).astype(np.uint8, copy=False)
    if rng.uniform() < settings.noise_share:
        changed = _add_noise(changed, settings.noise * rng.uniform(), rng)
    return changed


def _recolour(images: U8, settings: AugmentSettings, rng: np.random.Generator) -> U8:
    """Brightness, contrast and colour in one look-up table."""
    contrast = 1.0 + rng.uniform(-settings.contrast, settings.contrast)
    gains = contrast * (1.0 + rng.uniform(-settings.colour, settings.colour, size=3))
    offset = 255.0 * rng.uniform(-settings.brightness, settings.brightness)
    levels = np.arange(256.0)[:, None]
    changed = (levels - 128.0) * gains + 128.0 + offset
    table = changed.round().clip(0, 255).astype(np.uint8).reshape(256, 1, 3)
    flat = images.reshape(-1, images.shape[2], 3)
    recoloured = cv2.LUT(flat, table).reshape(images.shape)
    return recoloured.astype(np.uint8, copy=False)


def _add_noise(images: U8, deviation: float, rng: np.random.Generator) -> U8:
    """Normal noise, repeated from a short table: drawing a value per pixel takes ten times as
    long and looks the same."""
    values = (deviation * rng.standard_normal(NOISE_VALUES, dtype=np.float32)).round()
    noise = np.resize(values.astype(np.int16), images.size).reshape(images.shape)
    return (images.astype(np.int16) + noise).clip(0, 255).astype(np.uint8)
