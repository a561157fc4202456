"""Simulated time counted from where something began."""

from __future__ import annotations

DIGITS = 6
"""Of a second that are kept: a tick is far longer, what summing up adds is far shorter."""


def since_s(now_s: float, began_s: float) -> float:
    """Time since something began, without what a simulator that sums its ticks up adds to it.

    That depends on how long the simulator has run: without this, a wait would end a tick sooner or
    later on a route that comes after others.
    """
    return round(now_s - began_s, DIGITS)
