"""Bench2Drive's five abilities: shares of successes by groups of scenario types.

Source: Thinklab-SJTU/Bench2Drive, tools/ability_benchmark.py of 0.0.3 and 0.0.4, which differ in
what passing a traffic sign is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

TRAFFIC_SIGNS = "Traffic_Signs"
TYPES: Mapping[str, frozenset[str]] = {
    "Overtaking": frozenset(
        [
            "Accident",
            "AccidentTwoWays",
            "ConstructionObstacle",
            "ConstructionObstacleTwoWays",
            "HazardAtSideLane",
            "HazardAtSideLaneTwoWays",
            "ParkedObstacle",
            "ParkedObstacleTwoWays",
            "VehicleOpensDoorTwoWays",
        ]
    ),
    "Merging": frozenset(
        [
            "CrossingBicycleFlow",
            "EnterActorFlow",
            "HighwayCutIn",
            "HighwayExit",
            "InterurbanActorFlow",
            "InterurbanAdvancedActorFlow",
            "MergerIntoSlowTraffic",
            "MergerIntoSlowTrafficV2",
            "NonSignalizedJunctionLeftTurn",
            "NonSignalizedJunctionLeftTurnEnterFlow",
            "NonSignalizedJunctionRightTurn",
            "ParkingExit",
            "SequentialLaneChange",
            "SignalizedJunctionLeftTurn",
            "SignalizedJunctionLeftTurnEnterFlow",
            "SignalizedJunctionRightTurn",
        ]
    ),
    "Emergency_Brake": frozenset(
        [
            "BlockedIntersection",
            "ControlLoss",
            "DynamicObjectCrossing",
            "HardBreakRoute",
            "OppositeVehicleRunningRedLight",
            "OppositeVehicleTakingPriority",
            "ParkingCrossingPedestrian",
            "ParkingCutIn",
            "PedestrianCrossing",
            "StaticCutIn",
            "VehicleTurningRoute",
            "VehicleTurningRoutePedestrian",
        ]
    ),
    "Give_Way": frozenset(["InvadingTurn", "YieldToEmergencyVehicle"]),
    TRAFFIC_SIGNS: frozenset(
        [
            "BlockedIntersection",
            "CrossingBicycleFlow",
            "EnterActorFlow",
            "NonSignalizedJunctionLeftTurn",
            "NonSignalizedJunctionLeftTurnEnterFlow",
            "NonSignalizedJunctionRightTurn",
            "OppositeVehicleRunningRedLight",
            "OppositeVehicleTakingPriority",
            "PedestrianCrossing",
            "SignalizedJunctionLeftTurn",
            "SignalizedJunctionLeftTurnEnterFlow",
            "SignalizedJunctionRightTurn",
            "T_Junction",
            "VanillaNonSignalizedTurn",
            "VanillaNonSignalizedTurnEncounterStopsign",
            "VanillaSignalizedTurnEncounterGreenLight",
            "VanillaSignalizedTurnEncounterRedLight",
            "VehicleTurningRoute",
            "VehicleTurningRoutePedestrian",
        ]
    ),
}
BEYOND_JUNCTION_POINTS = 8
"""A sign counts as passed this far behind the first point inside a junction."""


@dataclass(frozen=True)
class AbilityRoute:
    """One route with a record. scenario: its type; passed: whether it got by the sign of its first
    junction, None where that is not known."""

    scenario: str
    success: bool
    passed: bool | None


def sign_share(junction: Sequence[bool]) -> float | None:
    """Share of a route, points 1 m apart of which some lie in a junction, beyond which its first
    sign is passed; may exceed 1. None without a junction."""
    inside = list(junction)
    if not any(inside):
        return None
    return (inside.index(True) + 1 + BEYOND_JUNCTION_POINTS) / len(inside)


def abilities(routes: Sequence[AbilityRoute], *, signs_apart: bool) -> dict[str, float | None]:
    """Value 0..1 of each group. signs_apart: as 0.0.3 has it, where success and passing the sign
    count half each; else, as in 0.0.4, a failed route that passed counts as a success. None for a
    group without routes and where it is not known whether a sign was passed."""
    values: dict[str, float | None] = {}
    for name, types in TYPES.items():
        group = [route for route in routes if route.scenario in types]
        points = [_points(route, name, signs_apart) for route in group]
        known = [value for value in points if value is not None]
        values[name] = fmean(known) if group and len(known) == len(group) else None
    return values


def _points(route: AbilityRoute, group: str, signs_apart: bool) -> float | None:
    if group != TRAFFIC_SIGNS or (route.success and not signs_apart):
        return float(route.success)
    if route.passed is None:
        return None
    return (route.success + route.passed) / 2 if signs_apart else float(route.passed)


def mean_ability(values: Mapping[str, float | None]) -> float | None:
    """Plain mean of the five; None if one is not known."""
    known = [value for value in values.values() if value is not None]
    return fmean(known) if len(known) == len(values) else None
