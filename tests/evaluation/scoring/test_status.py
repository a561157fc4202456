"""What a route's end is called."""

from __future__ import annotations

import pytest

from evaluation.scoring.status import status_of
from evaluation.scoring.tick import Infraction, Kind

RED, DEVIATED = Infraction(Kind.RED_LIGHT, 1, ""), Infraction(Kind.ROUTE_DEVIATION, 2, "")
BLOCKED, LATE = Infraction(Kind.BLOCKED, 2, ""), Infraction(Kind.ROUTE_TIMEOUT, 2, "")
SLOW = Infraction(Kind.MIN_SPEED, 2, "", percent=80.0)
CRASHED = "Agent crashed"


@pytest.mark.parametrize(
    ("percent", "infractions", "failure", "status"),
    [
        (100.0, (), "", "Perfect"),
        (100.0, (RED,), "", "Completed"),
        (100.0, (SLOW,), "", "Completed"),
        # At 100 % nothing else is looked at.
        (100.0, (), CRASHED, "Perfect"),
        (100.0, (RED,), CRASHED, "Completed"),
        (100.0, (BLOCKED,), "", "Completed"),
        (100.0, (LATE,), "", "Completed"),
        (99.99, (), "", "Failed"),
        (99.99, (RED,), "TickRuntime", "Failed - TickRuntime"),
        (0.0, (), CRASHED, "Failed - Agent crashed"),
        (50.0, (RED, BLOCKED), "", "Failed - Agent got blocked"),
        (50.0, (DEVIATED,), "", "Failed - Agent deviated from the route"),
        (50.0, (LATE,), "", "Failed - Agent timed out"),
        # Deviations and blocks go before time-outs, those before what the evaluator says.
        (50.0, (DEVIATED, BLOCKED), "", "Failed - Agent got blocked"),
        (50.0, (BLOCKED, DEVIATED), "", "Failed - Agent deviated from the route"),
        (50.0, (BLOCKED, LATE), CRASHED, "Failed - Agent got blocked"),
        (50.0, (LATE, DEVIATED), CRASHED, "Failed - Agent deviated from the route"),
        (50.0, (LATE,), CRASHED, "Failed - Agent timed out"),
        (50.0, (RED,), CRASHED, "Failed - Agent crashed"),
    ],
)
def test_status(
    percent: float, infractions: tuple[Infraction, ...], failure: str, status: str
) -> None:
    assert status_of(percent, infractions, failure) == status
