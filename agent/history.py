"""The last moments of a drive, for networks that look back."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]


class History:
    """Values of the present and of moments before it.

    Args:
        moments: how many, the present included.
        interval_ticks: how far apart.
    """

    def __init__(self, moments: int, interval_ticks: int) -> None:
        self._interval = interval_ticks
        self._moments = moments
        self._values: deque[Values] = deque(maxlen=(moments - 1) * interval_ticks + 1)

    def add(self, value: Values) -> Values:
        """Take the present value; (moments, ...), oldest first. The first value stands in for
        moments before the drive, or what came behind a gap, began."""
        if self._moments == 1:
            # The images of a whole rig are not to be copied in every tick for nothing.
            return value[np.newaxis]
        self._values.append(value)
        newest = len(self._values) - 1
        ages = self._interval * np.arange(self._moments)[::-1]
        return np.stack([self._values[max(newest - age, 0)] for age in ages])

    def clear(self) -> None:
        """Forget everything: what follows is not continuous with what was."""
        self._values.clear()
