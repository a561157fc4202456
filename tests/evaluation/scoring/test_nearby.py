from __future__ import annotations

import numpy as np

from evaluation.scoring.nearby import Nearby


def test_the_same_as_looking_through_all_of_them_wherever_the_vehicle_goes() -> None:
    rng = np.random.default_rng(5)
    places_m = list(rng.uniform(-60.0, 60.0, (80, 3)) * (1.0, 1.0, 0.05))
    near, here_m = Nearby(places_m, 15.0), np.zeros(3)
    for tick in range(2000):
        here_m = here_m + rng.normal(0.0, 0.7, 3) * (1.0, 1.0, 0.0)
        if tick % 300 == 299:
            here_m = rng.uniform(-50.0, 50.0, 3)
        expected = [n for n, one in enumerate(places_m) if np.linalg.norm(one - here_m) <= 15.0]
        x, y, z = here_m.tolist()
        assert near.within((x, y, z)) == expected


def test_nothing_is_near_where_there_is_nothing() -> None:
    assert Nearby([], 15.0).within((0.0, 0.0, 0.0)) == []
