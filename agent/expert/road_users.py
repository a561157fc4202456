"""What the expert knows of the others: flat arrays of boxes, and where they will be.

World frame as in CARLA, metres, radians clockwise positive; a box is the actor's bounding box with
its centre already moved from the actor's origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class RoadUsers:
    """n boxes. `kinds` are "vehicle", "walker" or "prop"."""

    ids: tuple[int, ...]
    kinds: tuple[str, ...]
    centres_world_m: F64
    yaws_rad: F64
    heights_m: F64
    half_extents_m: F64
    velocities_world_mps: F64
    yaw_rates_radps: F64

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def speeds_mps(self) -> F64:
        speeds: F64 = np.linalg.norm(self.velocities_world_mps, axis=1)
        return speeds

    def select(self, mask: NDArray[np.bool_]) -> RoadUsers:
        """The boxes where `mask` (n,) is true."""
        return RoadUsers(
            ids=tuple(i for i, keep in zip(self.ids, mask, strict=True) if keep),
            kinds=tuple(k for k, keep in zip(self.kinds, mask, strict=True) if keep),
            centres_world_m=self.centres_world_m[mask],
            yaws_rad=self.yaws_rad[mask],
            heights_m=self.heights_m[mask],
            half_extents_m=self.half_extents_m[mask],
            velocities_world_mps=self.velocities_world_mps[mask],
            yaw_rates_radps=self.yaw_rates_radps[mask],
        )


NOBODY = RoadUsers(
    ids=(),
    kinds=(),
    centres_world_m=np.empty((0, 2)),
    yaws_rad=np.empty(0),
    heights_m=np.empty(0),
    half_extents_m=np.empty((0, 2)),
    velocities_world_mps=np.empty((0, 2)),
    yaw_rates_radps=np.empty(0),
)


@dataclass(frozen=True)
class Forecast:
    """Centres (n, t, 2) and yaws (n, t) of n boxes at the times (t,)."""

    times_s: F64
    centres_world_m: F64
    yaws_rad: F64

    def select(self, mask: NDArray[np.bool_]) -> Forecast:
        """The boxes where `mask` (n,) is true."""
        return Forecast(self.times_s, self.centres_world_m[mask], self.yaws_rad[mask])


def forecast(users: RoadUsers, times_s: F64) -> Forecast:
    """Constant speed and turn rate; walkers and props go straight.

    The turn rate of a car is faded out over two seconds: it seldom turns for longer than that at
    the same rate, and a car that straightens would be taken for one that circles.
    """
    turning = np.array([kind == "vehicle" for kind in users.kinds], dtype=bool)
    rates = np.where(turning, users.yaw_rates_radps, 0.0)[:, None]
    faded_s = 2.0 * (1.0 - np.exp(-times_s / 2.0))[None, :]
    turned = rates * faded_s
    velocity = users.velocities_world_mps
    direction = np.arctan2(velocity[:, 1], velocity[:, 0])[:, None] + turned
    speed = users.speeds_mps[:, None]
    steps_s = np.diff(times_s, prepend=0.0)[None, :]
    middle = direction - 0.5 * np.diff(turned, axis=1, prepend=0.0)
    offset = np.stack([np.cos(middle), np.sin(middle)], axis=-1) * (speed * steps_s)[..., None]
    centres = users.centres_world_m[:, None, :] + np.cumsum(offset, axis=1)
    return Forecast(
        times_s=times_s, centres_world_m=centres, yaws_rad=users.yaws_rad[:, None] + turned
    )
