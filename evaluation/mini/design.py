"""Chooses the routes of `mini` and writes them: `python -m evaluation.mini.design --out FILE`.

The same towns and seed give the same file; evaluation/mini/mini.xml is what it gave.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evaluation.mini.crossings import Town
from evaluation.mini.junction_scenes import (
    merge_into_stream,
    red_light_runner,
    signalled_junction,
    stop_sign_junction,
    unprotected_left_turn,
    walker_on_crosswalk,
)
from evaluation.mini.scene import Scene, Scenes, positions
from evaluation.mini.street_scenes import (
    cut_in_ahead,
    leader_brakes,
    parked_car_oncoming,
    walker_behind_car,
)
from evaluation.routes.lanes import LaneId
from evaluation.routes.random_routes import DEFAULT_WEATHER
from evaluation.routes.route import Route, WeatherPoint
from evaluation.routes.route_file import write_routes
from evaluation.routes.scenario import TWIN, Scenario
from evaluation.routes.towns import open_map

SCENES: dict[str, Scenes] = {
    "SignalledJunction": signalled_junction,
    "StopSignJunction": stop_sign_junction,
    "UnprotectedLeftTurn": unprotected_left_turn,
    "LeaderBrakes": leader_brakes,
    "CutInAhead": cut_in_ahead,
    "ParkedCarOncoming": parked_car_oncoming,
    "WalkerOnCrosswalk": walker_on_crosswalk,
    "WalkerBehindCar": walker_behind_car,
    "MergeIntoStream": merge_into_stream,
    "RedLightRunner": red_light_runner,
}
TRAINING_SEEDS = (1, 2, 3, 4)
HELD_OUT_SEEDS = (101, 102, 103, 104)
"""Towns of which no data were collected: README.md's `collect` takes seeds up to 20."""
EACH = 2
"""Routes of a type in the training towns of `mini`, and as many in the others."""
BACKGROUND = 8
"""Vehicles around the ego beside those of the scenario: about two of each kind and what comes next
to a junction, which leaves room for the thing to decide."""


def design(towns: Sequence[Town], first_id: int, seed: int, each: int = EACH) -> list[Route]:
    """`each` routes of every type with their twins, in different towns and at different places.

    Raises:
        RuntimeError: the towns have no room for one of the types.
    """
    generator = np.random.default_rng(seed)
    used: set[tuple[str, LaneId]] = set()
    chosen: list[tuple[Scene, str]] = []
    for turn, (kind, scenes) in enumerate(SCENES.items()):
        for again in range(each):
            scene = None
            for offset in range(len(towns)):
                town = towns[(turn + again * EACH + offset) % len(towns)]
                found = scenes(town, generator)
                scene = next((one for one in found if one.key not in used), None)
                if scene is not None:
                    break
            if scene is None:
                raise RuntimeError(f"{kind}: no place is left in {[one.name for one in towns]}")
            used.add(scene.key)
            chosen.append((scene, kind))
    # Routes of a town one after the other: a simulator is started for each town.
    chosen.sort(key=lambda one: [town.name for town in towns].index(one[0].key[0]))
    return [
        route
        for number, (scene, kind) in enumerate(chosen, start=first_id)
        for route in _routes_of(scene, kind, str(number))
    ]


def _routes_of(scene: Scene, kind: str, route_id: str) -> list[Route]:
    return [
        Route(
            route_id=name,
            town=scene.key[0],
            positions_world_m=positions(scene.points_world_m[[0, -1]]),
            weathers=(WeatherPoint(0.0, DEFAULT_WEATHER),),
            scenarios=(Scenario(kind, road_users, BACKGROUND).to_xml(name),),
        )
        for name, road_users in ((route_id, scene.original), (route_id + TWIN, scene.twin))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--towns",
        type=int,
        nargs="+",
        metavar="SEED",
        help="seeds of the generated towns (default: those of mini, training and held out)",
    )
    parser.add_argument(
        "--each", type=int, default=EACH, help="routes of a type, not counting twins (%(default)s)"
    )
    parsed = parser.parse_args()
    if parsed.each < 1:
        parser.error(f"--each {parsed.each}: expected at least 1")
    routes: list[Route] = []
    for seeds in [parsed.towns] if parsed.towns else [TRAINING_SEEDS, HELD_OUT_SEEDS]:
        towns = [Town(*open_map(f"generated:{seed}")) for seed in seeds]
        try:
            routes += design(towns, len(routes) // 2, parsed.seed, parsed.each)
        except RuntimeError as error:
            parser.error(f"{error}; name more towns, or a smaller --each")
    write_routes(parsed.out, routes)
    print(f"{len(routes)} routes: {parsed.out}")


if __name__ == "__main__":
    main()
