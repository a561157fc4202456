"""How strongly a radio message arrives: CARLA's models of path loss and fading.

Sources: CARLA 0.9.16, `PathLossModel`; ETSI TR 103 257-1 (V2X channel models) and WINNER+ D5.3 for
the numbers of the `winner` model and of the fading; ITU-R P.526 for the knife edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import WireError, describe, real

LIGHT_MPS = 299_792_458.0
_GROUND_PERMITTIVITY = 1.02
_NEAREST_M = 0.01
"""Antennas in one place would have no loss to be computed."""


class Sight(Enum):
    """What is between two antennas."""

    CLEAR = "line of sight"
    VEHICLES = "vehicles"
    BUILDINGS = "buildings"


_FADING_DB = {
    "highway": {Sight.CLEAR: 3.3, Sight.VEHICLES: 3.8, Sight.BUILDINGS: 6.8},
    "rural": {Sight.CLEAR: 4.25, Sight.VEHICLES: 4.55, Sight.BUILDINGS: 6.8},
    "urban": {Sight.CLEAR: 5.2, Sight.VEHICLES: 5.3, Sight.BUILDINGS: 6.8},
}
"""Standard deviations; rural ones are CARLA's, between those of the norm."""


@dataclass(frozen=True)
class Link:
    """One way of a message.

    Attributes:
        distance_m: between the antennas.
        heights_m: of both antennas above the lower of the two stations.
        sight: what is between them.
        edges: of each vehicle between, horizontal distances (m) to both antennas and the height (m)
            of its roof above the lower station.
    """

    distance_m: float
    heights_m: tuple[float, float]
    sight: Sight = Sight.CLEAR
    edges: Sequence[tuple[float, float, float]] = ()


class RadioChannel:
    """What one sensor sends with and how well it hears.

    Raises:
        WireError: an attribute of the sensor is out of its range.
    """

    def __init__(self, description: Description) -> None:
        def read(name: str, default: float, least: float, largest: float) -> float:
            value = description.number(name, default)
            return real(f"{description.type_id}: {name}", value, least, largest)

        self.transmit_power_dbm = read("transmit_power", 21.5, -200.0, 200.0)
        self.sensitivity_dbm = read("receiver_sensitivity", -99.0, -1000.0, 200.0)
        self.reach_m = read("filter_distance", 500.0, 0.0, 100_000.0)
        self._gain_dbi = read("combined_antenna_gain", 10.0, -200.0, 200.0)
        self._frequency_ghz = read("frequency_ghz", 5.9, 0.001, 1000.0)
        self._wavelength_m = LIGHT_MPS / (self._frequency_ghz * 1e9)
        self._exponent = read("path_loss_exponent", 2.7, 0.0, 20.0)
        self._reference_m = read("d_ref", 1.0, _NEAREST_M, 100_000.0)
        self._scenario = _choice(description, "scenario", tuple(_FADING_DB))
        self._is_winner = (
            _choice(description, "path_loss_model", ("winner", "geometric")) == "winner"
        )
        etsi = _choice(description, "use_etsi_fading", ("true", "false")) == "true"
        own_db = read("custom_fading_stddev", 0.0, 0.0, 200.0)
        self._fading_db = _FADING_DB[self._scenario] if etsi else dict.fromkeys(Sight, own_db)

    def received_dbm(
        self, sent_dbm: float, link: Link, generator: np.random.Generator
    ) -> float | None:
        """Return the power at the receiver, None where it is below its sensitivity."""
        fading_db = self._fading_db[link.sight] * float(generator.standard_normal())
        received = sent_dbm + self._gain_dbi - self.loss_db(link) - fading_db
        return received if received >= self.sensitivity_dbm else None

    def loss_db(self, link: Link) -> float:
        """Return the loss on the way, without fading."""
        distance_m = max(link.distance_m, _NEAREST_M)
        blocked_db = max((self._knife_edge_db(*edge) for edge in link.edges), default=0.0)
        if self._is_winner:
            return self._winner_db(distance_m, link.sight) + blocked_db
        if link.sight is Sight.CLEAR:
            return self._two_ray_db(distance_m, link.heights_m)
        if link.sight is Sight.BUILDINGS:
            decades = math.log10(distance_m / self._reference_m)
            return self._free_space_db(self._reference_m) + 10.0 * self._exponent * decades
        return self._free_space_db(distance_m) + blocked_db

    def _free_space_db(self, distance_m: float) -> float:
        return 20.0 * math.log10(4.0 * math.pi * distance_m / self._wavelength_m)

    def _winner_db(self, distance_m: float, sight: Sight) -> float:
        decades, frequency = math.log10(distance_m), math.log10(self._frequency_ghz)
        if sight is Sight.BUILDINGS:
            return 36.85 + 30.0 * decades + 18.9 * frequency
        if self._scenario == "highway":
            return 32.4 + 20.0 * decades + 20.0 * frequency
        return 38.77 + 16.7 * decades + 18.2 * frequency

    def _knife_edge_db(self, before_m: float, behind_m: float, height_m: float) -> float:
        """CARLA takes the roof's height above the ground, not above the line between antennas."""
        before_m, behind_m = max(before_m, _NEAREST_M), max(behind_m, _NEAREST_M)
        curvature = 2.0 * (before_m + behind_m) / (self._wavelength_m * before_m * behind_m)
        parameter = height_m * math.sqrt(curvature)
        if parameter < -0.78:
            return 0.0
        return 6.9 + 20.0 * math.log10(math.hypot(parameter - 0.1, 1.0) + parameter - 0.1)

    def _two_ray_db(self, distance_m: float, heights_m: tuple[float, float]) -> float:
        """The straight ray, and the one that the ground reflects, add up."""
        low_m, high_m = sorted(heights_m)
        ground_m = math.sqrt(max(distance_m**2 - (high_m - low_m) ** 2, _NEAREST_M**2))
        reflected_m = math.sqrt(distance_m**2 + 4.0 * low_m * high_m)
        sine, cosine = (low_m + high_m) / reflected_m, ground_m / reflected_m
        root = math.sqrt(_GROUND_PERMITTIVITY - min(cosine, 1.0) ** 2)
        reflection = (sine - root) / (sine + root)
        phase = 2.0 * math.pi * (distance_m - reflected_m) / self._wavelength_m
        strength = math.hypot(1.0 + reflection * math.cos(phase), reflection * math.sin(phase))
        return self._free_space_db(ground_m) - 20.0 * math.log10(max(strength, 1e-6))


def _choice(description: Description, name: str, allowed: tuple[str, ...]) -> str:
    """Return an attribute that is one of some words, the first of them where none is given."""
    value = description.value(name, allowed[0]).lower() or allowed[0]
    if value not in allowed:
        owner = f"{description.type_id}: {name}"
        raise WireError(f"{owner}: expected {' or '.join(allowed)}, got {describe(value)}")
    return value
