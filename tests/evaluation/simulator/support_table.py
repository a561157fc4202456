"""What is supported, as tables in the simulator's README: run this module to write them anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from evaluation.routes.scenario import KINDS
from evaluation.simulator.calls.call import Effect
from evaluation.simulator.calls.table import CALLS
from evaluation.simulator.catalogue.blueprints import ActorKind
from tests.evaluation.simulator.catalogue.blueprint_table import blueprints, what_becomes_of

README = Path(__file__).parents[3] / "evaluation/simulator/README.md"
START, END = "<!-- support -->\n", "<!-- end of support -->\n"
EFFECTS = {Effect.ANSWERED: "supported", Effect.NONE: "accepted", Effect.REFUSED: "refused"}
SENSORS = {
    "simulated": "supported",
    "computed by the client": "supported, computed by the client",
    "listed, not simulated": "refused when it is spawned",
}
FAMILIES = {
    ActorKind.VEHICLE: ("vehicle", "physics, lights and, where they have them, doors that open"),
    ActorKind.WALKER: ("walker.pedestrian", "controls, bones that can be posed"),
    ActorKind.PROP: ("static.prop", "fixed until their physics are switched on"),
    ActorKind.OTHER: ("", ""),
}
DRIVEN = """
    Accident AccidentTwoWays BlockedIntersection ConstructionObstacle ConstructionObstacleTwoWays
    ControlLoss DynamicObjectCrossing EnterActorFlow HardBreakRoute HazardAtSideLane
    HazardAtSideLaneTwoWays HighwayCutIn HighwayExit InterurbanActorFlow
    InterurbanAdvancedActorFlow InvadingTurn MergerIntoSlowTraffic NonSignalizedJunctionLeftTurn
    NonSignalizedJunctionLeftTurnEnterFlow NonSignalizedJunctionRightTurn
    OppositeVehicleRunningRedLight OppositeVehicleTakingPriority ParkedObstacle
    ParkedObstacleTwoWays ParkingCrossingPedestrian ParkingCutIn ParkingExit PedestrianCrossing
    SequentialLaneChange SignalizedJunctionLeftTurn SignalizedJunctionLeftTurnEnterFlow
    SignalizedJunctionRightTurn StaticCutIn T_Junction VehicleOpensDoorTwoWays VehicleTurningRoute
    YieldToEmergencyVehicle"""
"""Types of the official evaluators that were acted out on this simulator:
evaluation/official/README.md and the route files of tests/evaluation/official."""
NOT_TRIED = """
    CrossingBicycleFlow PriorityAtJunction VanillaNonSignalizedTurn
    VanillaNonSignalizedTurnEncounterStopsign VanillaSignalizedTurnEncounterGreenLight
    VanillaSignalizedTurnEncounterRedLight VehicleTurningRoutePedestrian"""
"""The others in the route files of leaderboard 2.1 and Bench2Drive 0.0.4."""


def render() -> str:
    """Return a table each of calls, sensors, blueprint families and scenario types."""
    parts = (_calls(), _sensors(), _families(), _scenarios())
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _calls() -> Iterator[str]:
    yield "| RPC | number | names |"
    yield "|---|---|---|"
    for effect, word in EFFECTS.items():
        names = sorted(name for name, call in CALLS.items() if call.effect is effect)
        yield f"| {word} | {len(names)} | {_listed(names)} |"


def _sensors() -> Iterator[str]:
    names = [one.definition.type_id for one in blueprints() if one.kind is ActorKind.SENSOR]
    yield "| sensor | what becomes of it |"
    yield "|---|---|"
    for name in names:
        yield f"| `{name}` | {SENSORS[what_becomes_of(name)]} |"


def _families() -> Iterator[str]:
    yield "| blueprints | number | what becomes of them |"
    yield "|---|---|---|"
    for kind, (prefix, what) in FAMILIES.items():
        names = [one.definition.type_id for one in blueprints() if one.kind is kind]
        if prefix:
            yield f"| `{prefix}.*` | {len(names)} | supported: {what} |"
        else:
            yield from (f"| `{name}` | 1 | supported |" for name in names)


def _scenarios() -> Iterator[str]:
    yield "| scenario type | acted out by | what becomes of it |"
    yield "|---|---|---|"
    yield f"| {_listed(KINDS)} | this program's runner | supported |"
    theirs = "an official evaluator"
    yield f"| {_listed(sorted(DRIVEN.split()))} | {theirs} | driven here |"
    yield f"| {_listed(sorted(NOT_TRIED.split()))} | {theirs} | not tried here |"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def written(readme: str) -> str:
    """Return the README with its tables as they are now."""
    before, rest = readme.split(START)
    return before + START + render() + END + rest.split(END)[1]


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
