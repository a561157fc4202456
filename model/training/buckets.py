"""Which frames show what, and how often each is drawn.

Most recorded frames are straight road. Frames are put into buckets by what happens in them, and
a frame is drawn the more often the rarer its buckets are.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from model.config import FRAME_INTERVAL_S, ConfigError
from model.strict_json import Within, check_fields
from model.training.drives import LIGHTS, OBSTACLES
from model.training.index import DatasetIndex

F64 = NDArray[np.float64]

STANDING_MPS = 0.2
STARTED_MPS = 1.0
FAST_CHANGE_MPS2 = 1.0
GENTLE_CURVE_M = 1.0
SHARP_CURVE_M = 5.0
CURVE_AHEAD_M = 20
# Speeds are compared with those this many frames later.
OUTLOOK_FRAMES = 4
# The sum need not be 1, so that a share may as well be a percentage.
BucketShare = Annotated[float, Within(0, 100)]


@dataclass(frozen=True)
class BucketWeights:
    """Share of the samples that is drawn from each bucket; the sum need not be 1.

    ``all`` has every frame but those of ``standing``, so that the weight of the latter decides
    alone how much waiting is seen. A curve counts by how far the path is to the side after 20 m.
    The four obstacles are what the expert slows down for while it moves; ``standing`` is waiting in
    front of anything, and ``green_light`` the counterpart of ``traffic_light``. ``stopping``,
    ``starting`` and ``changing_speed`` compare the speed with that in one second; who waits for
    something that is about to end does not start yet, because nothing in the image tells.
    ``corrected`` is where another driver's mistakes are, in drives of ``collect --driver``.
    """

    all: BucketShare
    gentle_curve: BucketShare
    sharp_curve: BucketShare
    stopping: BucketShare
    starting: BucketShare
    changing_speed: BucketShare
    standing: BucketShare
    vehicle: BucketShare
    walker: BucketShare
    traffic_light: BucketShare
    green_light: BucketShare
    stop_sign: BucketShare
    changed_route: BucketShare
    corrected: BucketShare

    def __post_init__(self) -> None:
        check_fields(self, "data.buckets")


@dataclass(frozen=True)
class Buckets:
    """``member`` (frames, buckets) says which frames are in which of the named buckets."""

    names: tuple[str, ...]
    member: NDArray[np.bool_]


def find_buckets(index: DatasetIndex) -> Buckets:
    """Buckets by the expert's speeds, path and reasons."""
    speed_mps = index.speeds_mps[:, 0].astype(np.float64)
    later_mps = _later_speed(index)
    change_mps2 = (later_mps - speed_mps) / (OUTLOOK_FRAMES * FRAME_INTERVAL_S)
    aside_m = np.nan_to_num(np.abs(index.route_ego_m[:, CURVE_AHEAD_M - 1, 1]))
    moving = speed_mps >= STANDING_MPS
    free = index.obstacle == OBSTACLES.index("none")
    starting = (speed_mps < STARTED_MPS) & (later_mps > STARTED_MPS)
    standing = ~moving & ~(starting & free)
    found = {
        "all": ~standing,
        "gentle_curve": (aside_m >= GENTLE_CURVE_M) & (aside_m < SHARP_CURVE_M) & moving,
        "sharp_curve": (aside_m >= SHARP_CURVE_M) & moving,
        "stopping": (change_mps2 < -FAST_CHANGE_MPS2) & moving,
        "starting": starting & free,
        "changing_speed": (np.abs(change_mps2) > FAST_CHANGE_MPS2) & moving,
        "standing": standing,
        "green_light": (index.light == LIGHTS.index("green")) & free,
        "changed_route": index.changed_route,
        "corrected": index.corrected & ~standing,
    }
    for number, name in enumerate(OBSTACLES[1:], start=1):
        found[name] = (index.obstacle == number) & moving
    names = tuple(field.name for field in fields(BucketWeights))
    return Buckets(names, np.stack([found[name] for name in names], axis=1))


def draw_weights(buckets: Buckets, weights: tuple[float, ...], max_repeats: float) -> F64:
    """Probability (frames,) of each frame to be drawn.

    Each bucket hands its weight out evenly to its frames; the weight of an empty one goes to the
    others. No frame is drawn more than ``max_repeats`` times as often as with equal chances, since
    a few frames seen over and over teach nothing but themselves.

    Raises:
        ConfigError: a weight that is negative or no finite number, or weights that give every frame
            the chance 0; names ``data.buckets``.
    """
    for name, weight in zip(buckets.names, weights, strict=True):
        if not (np.isfinite(weight) and weight >= 0.0):
            raise ConfigError(f"data.buckets.{name}: expected a weight of at least 0, got {weight}")
    sizes = buckets.member.sum(axis=0)
    shares = np.where(sizes > 0, np.array(weights, dtype=np.float64), 0.0)
    if shares.sum() <= 0.0:
        filled = [name for name, size in zip(buckets.names, sizes, strict=True) if size]
        raise ConfigError(
            "data.buckets: expected a weight above 0 for a bucket that has frames "
            f"({', '.join(filled) or 'none has'}), got {weights}"
        )
    chances: F64 = buckets.member @ (shares / shares.sum() / np.maximum(sizes, 1))
    return _limited(chances, max_repeats / len(chances))


def _limited(chances: F64, most: float) -> F64:
    """Cut chances at ``most`` and hand what is over to the others in proportion."""
    most = max(most, 1.0 / len(chances))
    for _ in range(len(chances)):
        over = chances >= most
        rest = chances[~over].sum()
        left = 1.0 - most * over.sum()
        if rest <= 0.0 or rest >= left - 1e-12:
            break
        chances = np.where(over, most, chances * (left / rest))
    limited: F64 = chances / chances.sum()
    return limited


def summary(buckets: Buckets, chances: F64) -> list[tuple[str, int, float, float]]:
    """Per bucket: name, frames, their share of the dataset and their share of the samples."""
    return [
        (name, int(rows.sum()), float(rows.mean()), float(chances[rows].sum()))
        for name, rows in zip(buckets.names, buckets.member.T, strict=True)
    ]


def computed_weights(weights: BucketWeights) -> tuple[float, ...]:
    """The weights in the order of :func:`find_buckets`."""
    return tuple(float(value) for value in astuple(weights))


def _later_speed(index: DatasetIndex) -> F64:
    """Speed in a second, from the waypoints; the present one where the drive ends before."""
    way = index.waypoints_ego_m[:, OUTLOOK_FRAMES] - index.waypoints_ego_m[:, OUTLOOK_FRAMES - 1]
    later_mps = np.linalg.norm(way.astype(np.float64), axis=1) / FRAME_INTERVAL_S
    later: F64 = np.where(np.isfinite(later_mps), later_mps, index.speeds_mps[:, 0])
    return later
