"""Curves of many vehicles, looked up together: vehicles that share a curve share one look-up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Curve = tuple[tuple[float, float], ...]

# Curves are the same if their points agree to so many decimals.
DECIMALS = 6


class CurveSet:
    """One curve per vehicle, as points (place, value) in rising order of place.

    Between points the value is interpolated linearly, beyond the ends it stays.
    """

    def __init__(self, curves: Sequence[Curve]) -> None:
        rows: dict[Curve, list[int]] = defaultdict(list)
        for row, curve in enumerate(curves):
            rows[tuple((round(x, DECIMALS), round(y, DECIMALS)) for x, y in curve)].append(row)
        self._groups = [
            (np.array([x for x, _ in curve]), np.array([y for _, y in curve]), np.array(members))
            for curve, members in rows.items()
        ]

    def at(self, places: Floats) -> Floats:
        """Return the value (n,) of each vehicle's curve at its own place (n,)."""
        if len(self._groups) == 1:
            x, y, _ = self._groups[0]
            alone: Floats = np.interp(places, x, y)
            return alone
        values = np.empty_like(places)
        for x, y, members in self._groups:
            values[members] = np.interp(places[members], x, y)
        return values
