"""The tables in the README of the catalogue: run this module to write them anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evaluation.simulator.catalogue.blueprints import ActorKind, Blueprint, BlueprintLibrary
from evaluation.simulator.simulator import NO_STREAM, SIMULATED_SENSORS

README = Path(__file__).parents[4] / "evaluation/simulator/catalogue/README.md"
START, END = "<!-- blueprints -->\n", "<!-- end of blueprints -->\n"


def blueprints() -> list[Blueprint]:
    """Return all blueprints, by name."""
    return sorted(BlueprintLibrary(), key=lambda one: one.definition.type_id)


def render() -> str:
    """Return the tables: sensors one by one, everything else by kind."""
    return "\n".join([*_sensors(), "", *_bodies()]) + "\n"


def what_becomes_of(type_id: str) -> str:
    """Say whether a sensor is simulated."""
    if type_id in NO_STREAM:
        return "computed by the client"
    return "simulated" if type_id in SIMULATED_SENSORS else "listed, not simulated"


def _sensors() -> Iterator[str]:
    yield "| sensor | what becomes of it | attributes |"
    yield "|---|---|---|"
    for blueprint in blueprints():
        if blueprint.kind is ActorKind.SENSOR:
            definition = blueprint.definition
            names = ", ".join(attribute.name for attribute in definition.attributes)
            yield f"| `{definition.type_id}` | {what_becomes_of(definition.type_id)} | {names} |"


def _bodies() -> Iterator[str]:
    yield "| kind | number | names |"
    yield "|---|---|---|"
    for kind, prefix in (
        (ActorKind.VEHICLE, "vehicle."),
        (ActorKind.WALKER, "walker.pedestrian."),
        (ActorKind.PROP, "static.prop."),
        (ActorKind.OTHER, ""),
    ):
        names = [one.definition.type_id for one in blueprints() if one.kind is kind]
        short = ", ".join(name.removeprefix(prefix) for name in names)
        yield f"| `{prefix}*` | {len(names)} | {short} |"


def written(readme: str) -> str:
    """Return the README with its tables as they are now."""
    before, rest = readme.split(START)
    return before + START + render() + END + rest.split(END)[1]


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
