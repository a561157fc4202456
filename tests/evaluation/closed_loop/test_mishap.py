"""Drives that gather examples end where there are no more of them."""

from __future__ import annotations

import pytest

from evaluation.closed_loop.mishap import FAR_M, mishap_of
from evaluation.scoring.tick import Infraction, Kind


@pytest.mark.parametrize(
    ("kind", "lateral_m", "expected"),
    [
        (Kind.COLLISION_LAYOUT, 0.0, "Collision"),
        (Kind.COLLISION_VEHICLE, 0.0, "Collision"),
        (Kind.RED_LIGHT, 0.5, ""),
        (Kind.OUTSIDE_LANES, FAR_M - 0.1, ""),
        (Kind.OUTSIDE_LANES, FAR_M + 0.1, "Far from the route"),
    ],
)
def test_a_drive_ends_with_a_collision_or_far_from_its_route(
    kind: Kind, lateral_m: float, expected: str
) -> None:
    assert mishap_of([Infraction(kind, 3, "")], lateral_m) == expected
    assert mishap_of([], 0.0) == ""
