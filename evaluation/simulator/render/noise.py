"""A small tileable noise texture: what makes asphalt, grass and clouds look like themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

SIDE_PX = 256
_SEED = 20


def _band(generator: np.random.Generator, wave_px: float, roughness: float) -> F64:
    """Noise (SIDE_PX, SIDE_PX) in 0..1 with energy from wavelength `wave_px` downwards.

    Amplitudes fall with frequency to the power `roughness`; made by filtering white noise, so it
    repeats without a seam.
    """
    axis = np.fft.fftfreq(SIDE_PX) * SIDE_PX
    frequency = np.hypot(axis[:, None], axis[None, :])
    corner = SIDE_PX / wave_px
    gain = np.where(frequency < corner, (frequency / corner) ** 2, 1.0)
    gain /= np.maximum(frequency, 1.0) ** roughness
    white = generator.standard_normal((SIDE_PX, SIDE_PX))
    filtered = np.fft.ifft2(np.fft.fft2(white) * gain).real
    return np.clip(0.5 + filtered / (5.0 * filtered.std()), 0.0, 1.0)


def noise_texture() -> U8:
    """Four channels (SIDE_PX, SIDE_PX, 4): fine grain, patches, blades and clouds."""
    generator = np.random.default_rng(_SEED)
    bands = [(5.0, 0.0), (128.0, 1.2), (12.0, 0.5), (256.0, 1.7)]
    channels = [_band(generator, wave, roughness) for wave, roughness in bands]
    return np.rint(np.stack(channels, axis=-1) * 255.0).astype(np.uint8)
