"""Draws a town from a seed and returns it as OpenDRIVE text."""

from __future__ import annotations

import numpy as np

from evaluation.simulator.town.layout import PlanRejectedError, Traits, draw_layout, draw_traits
from evaluation.simulator.town.movements import choose_control, plan_movements
from evaluation.simulator.town.opendrive import Regulated, write_opendrive
from evaluation.simulator.town.streets import build_streets, draw_profiles

_ATTEMPTS = 60
_DATE = "2024-01-01T00:00:00"


def generate_opendrive(name: str, seed: int) -> str:
    """OpenDRIVE text of the town of a seed; the same seed gives the same text.

    Raises:
        RuntimeError: no buildable plan was drawn (never seen).
    """
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([seed, attempt])
        try:
            return _generate(name, draw_traits(rng), rng)
        except PlanRejectedError:
            continue
    raise RuntimeError(f"town seed {seed}: no buildable street plan in {_ATTEMPTS} attempts")


def _generate(name: str, traits: Traits, rng: np.random.Generator) -> str:
    layout = draw_layout(traits, rng)
    profiles = draw_profiles(layout, traits, rng)
    crossings, streets = build_streets(layout, profiles, traits, rng)
    junctions = [
        Regulated(crossing, choose_control(crossing, traits, rng), plan_movements(crossing))
        for crossing in crossings
    ]
    return write_opendrive(name, streets, junctions, _DATE)
