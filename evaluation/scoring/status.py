"""What the leaderboard calls the way in which a route ended.

Source: carla-simulator/leaderboard, leaderboard/utils/statistics_manager.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evaluation.scoring.tick import Infraction, Kind

PERFECT = "Perfect"
COMPLETED = "Completed"
FAILED = "Failed"
TIMED_OUT = "Agent timed out"
ENDINGS: Mapping[Kind, str] = {
    Kind.ROUTE_DEVIATION: "Agent deviated from the route",
    Kind.BLOCKED: "Agent got blocked",
}


def status_of(
    completion_percent: float, infractions: Iterable[Infraction], failure: str = ""
) -> str:
    """A route's status. failure: what broke it off, "" if nothing did.

    It only tells of a route that is not complete; the last deviation or block goes before a
    time-out, and a time-out before the failure.
    """
    kinds = [found.kind for found in infractions]
    if completion_percent >= 100.0:
        return COMPLETED if kinds else PERFECT
    timed_out = [TIMED_OUT for kind in kinds if kind is Kind.ROUTE_TIMEOUT]
    endings = [ENDINGS[kind] for kind in kinds if kind in ENDINGS]
    reason = [failure, *timed_out, *endings][-1]
    return f"{FAILED} - {reason}" if reason else FAILED
