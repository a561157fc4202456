"""Street lamps: on when it is dark, and as clients switch and colour them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.simulator.town.scenery import StreetLamps
from evaluation.simulator.wire.codec import (
    WeatherParameters,
    describe,
    flag,
    integer,
    real,
    sequence,
)
from evaluation.simulator.wire.errors import CallError

ON_BELOW_DEG = 2.0
"""Altitude of the sun below which lamps burn by themselves: it is dusk in our images."""
NOMINAL_LUMEN = 5000.0
"""Chosen; what clients are told of a lamp that nobody has changed, and what it is drawn with."""
NOMINAL_RGB = (255, 226, 168)
MOST_LUMEN = 1e6
_STREET = 2
"""LibCarla, rpc/LightState.h: LightGroup::Street."""
_BRIGHTEST = 2.0


class Lamp(NamedTuple):
    """What a client has told a lamp."""

    active: bool
    rgb: tuple[int, int, int]
    lumen: float


class StreetLights:
    """The lamps of a town; their ids are their places in `Scenery.street_lamps`.

    What clients told holds until day turns to night, or night to day, as with CARLA's day-night
    cycle; with the cycle off it holds for good, and the sun switches nothing.
    """

    def __init__(self, lamps: StreetLamps) -> None:
        self._lamps = lamps
        self._told: dict[int, Lamp] = {}
        self._dark = False
        self._follows_sun = True
        self._shine_rgb: npt.NDArray[np.float32] | None = None
        self._changed = False

    def follow_sun(self, *, enabled: bool) -> None:
        """Switch the day-night cycle."""
        self._follows_sun = enabled

    def see(self, weather: WeatherParameters) -> None:
        """Take a new weather."""
        dark = weather.sun_altitude_angle < ON_BELOW_DEG
        if self._follows_sun and dark != self._dark:
            self._dark = dark
            self._told.clear()
            self.announce()

    def announce(self) -> None:
        """Have clients ask anew, since a lamp may have changed."""
        self._shine_rgb = None
        self._changed = True

    def take_change(self) -> bool:
        """Whether a lamp has changed since this was asked last."""
        changed, self._changed = self._changed, False
        return changed

    def records(self) -> list[list[Any]]:
        """As CARLA's clients read them: id, place, lumen, group, RGB, whether the lamp burns."""
        return [
            [number, place, lamp.lumen, _STREET, list(lamp.rgb), lamp.active]
            for number, (place, lamp) in enumerate(
                zip(self._lamps.location.tolist(), self._all(), strict=True)
            )
        ]

    def tell(self, records: object) -> None:
        """Switch and colour the lamps of a client's records; where they stand is not changed.

        Raises:
            CallError: an id that no lamp has; then none is changed.
            WireError: a value of the wrong type or out of its range.
        """
        told = {}
        for record in sequence("lights", records):
            number, _, lumen, _, colour, active = sequence("LightState", record, at_least=6)[:6]
            index = integer("LightState.id", number)
            if not 0 <= index < len(self._lamps.height_m):
                raise CallError(f"unable to find light {describe(number)}: this town has no such")
            parts = sequence("LightState.color", colour, at_least=3)[:3]
            red, green, blue = (
                min(max(integer("LightState.color", part), 0), 255) for part in parts
            )
            told[index] = Lamp(
                flag("LightState.active", active),
                (red, green, blue),
                real("LightState.intensity", lumen, 0.0, MOST_LUMEN),
            )
        self._told.update(told)
        self.announce()

    def shine_rgb(self) -> npt.NDArray[np.float32]:
        """What each lamp shines with (n, 3): 1 is full, 0 is off."""
        if self._shine_rgb is None:
            colours = np.zeros((len(self._lamps.height_m), 3), np.float32)
            for number, lamp in enumerate(self._all()):
                if lamp.active:
                    share = min(lamp.lumen / NOMINAL_LUMEN, _BRIGHTEST)
                    colours[number] = np.array(lamp.rgb, np.float32) * (share / 255.0)
            self._shine_rgb = colours
        return self._shine_rgb

    def _all(self) -> Sequence[Lamp]:
        untold = Lamp(self._dark, NOMINAL_RGB, NOMINAL_LUMEN)
        return [self._told.get(number, untold) for number in range(len(self._lamps.height_m))]
