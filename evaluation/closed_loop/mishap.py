"""When a drive that only gathers examples has come to an end: nothing that follows would be one."""

from __future__ import annotations

from collections.abc import Iterable

from evaluation.scoring.tick import Infraction, Kind

COLLISIONS = (Kind.COLLISION_LAYOUT, Kind.COLLISION_PEDESTRIAN, Kind.COLLISION_VEHICLE)
FAR_M = 5.0
"""Chosen: a lane and a half beside the route; from further away the way back leads over kerbs."""


def mishap_of(infractions: Iterable[Infraction], lateral_m: float) -> str:
    """What has ended the drive, "" if nothing did. lateral_m: distance from the route."""
    if any(found.kind in COLLISIONS for found in infractions):
        return "Collision"
    return "Far from the route" if lateral_m > FAR_M else ""
