"""Recorded drives: what the world did, and what scenario_runner's criteria said about it.

A trace is two files of plain data: NAME.npz holds what changes from tick to tick, NAME.json the
rest; a town's OpenDRIVE text, lights and stop signs lie beside them. `record_traces` writes all.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.routes.lane_graph import DenseRoute
from evaluation.scoring.criteria.red_light import find_lights
from evaluation.scoring.criteria.stop_sign import find_stop_signs
from evaluation.scoring.criteria_set import RoadRules
from evaluation.scoring.tick import CollisionEvent, Tick
from planner.records import Command

FOLDER = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Trace:
    """One drive of t ticks along a route of n points, with l lights and m other vehicles.

    columns: route_points_m (n, 3), route_yaw_deg (n,); frame (t,), elapsed_s (t,), location_m
    (t, 3), yaw_deg (t,), velocity_mps (t, 3), speed_limit_kmh (t,), traffic_mps (t, m), light_id
    (l,), red (t, l), percent (t,) of the route as scenario_runner has it; hit_frame, hit_id and
    hit_type (c,) of collisions. facts: `town`, `half_extent_m` of the ego, `start_s` of the route,
    and `official`: what scenario_runner said.
    """

    name: str
    columns: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        np.savez_compressed(folder / f"{self.name}.npz", allow_pickle=False, **self.columns)
        text = json.dumps(self.facts, indent=1)
        (folder / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")

    @property
    def official(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.facts["official"]
        return found

    @property
    def route(self) -> DenseRoute:
        count = len(self.columns["route_yaw_deg"])
        return DenseRoute(
            points_world_m=self.columns["route_points_m"].astype(np.float64),
            yaw_rad=np.radians(self.columns["route_yaw_deg"].astype(np.float64)),
            commands=(Command.LANE_FOLLOW,) * count,
            lane_ids=((0, 0, -1),) * count,
            junction=np.zeros(count, dtype=bool),
        )

    @property
    def rules(self) -> RoadRules:
        world_map, signals = town_of(self.facts["town"])
        return RoadRules(world_map, find_lights(signals, world_map), find_stop_signs(signals))

    def ticks(self) -> Iterator[Tick]:
        columns = self.columns
        light_ids = columns["light_id"]
        collisions = [
            CollisionEvent(int(frame), int(actor_id), str(type_id))
            for frame, actor_id, type_id in zip(
                columns["hit_frame"], columns["hit_id"], columns["hit_type"], strict=True
            )
        ]
        for index, frame in enumerate(columns["frame"].tolist()):
            yield Tick(
                frame=frame,
                time_s=float(columns["elapsed_s"][index]) - self.facts["start_s"],
                location_world_m=columns["location_m"][index].astype(np.float64),
                yaw_rad=math.radians(float(columns["yaw_deg"][index])),
                velocity_world_mps=columns["velocity_mps"][index].astype(np.float64),
                half_extent_m=np.array(self.facts["half_extent_m"]),
                speed_limit_mps=float(columns["speed_limit_kmh"][index]) / 3.6,
                red_light_ids=frozenset(light_ids[columns["red"][index]].tolist()),
                collisions=tuple(event for event in collisions if event.frame == frame),
                traffic_speeds_mps=columns["traffic_mps"][index].astype(np.float64),
            )


def load(name: str) -> Trace:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as columns:
        facts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        return Trace(name, dict(columns), facts)


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


@cache
def town_of(name: str) -> tuple[carla.Map, tuple[Any, ...]]:
    """A town's map and stand-ins for its lights and stop signs."""
    text = gzip.decompress((FOLDER / f"{name}.xodr.gz").read_bytes()).decode()
    signals = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return carla.Map(name, text), tuple(_signal(facts) for facts in signals)


def save_town(
    name: str, opendrive: str, signals: Iterable[carla.TrafficSign], folder: Path
) -> None:
    # Without a time stamp, so that recording again writes the same file.
    (folder / f"{name}.xodr.gz").write_bytes(gzip.compress(opendrive.encode(), mtime=0))
    lines = ",\n".join(json.dumps(_facts_of(signal)) for signal in signals)
    (folder / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _facts_of(signal: carla.TrafficSign) -> dict[str, Any]:
    """What criteria need to know of a traffic light or sign."""
    transform, box = signal.get_transform(), signal.trigger_volume
    place, centre, extent = transform.location, box.location, box.extent
    return {
        "id": signal.id,
        "type": signal.type_id,
        "place_m": [place.x, place.y, place.z],
        "yaw_deg": transform.rotation.yaw,
        "box_centre_m": [centre.x, centre.y, centre.z],
        "box_half_extent_m": [extent.x, extent.y, extent.z],
    }


def _signal(facts: Mapping[str, Any]) -> Any:
    """Stands in for the actor that `facts_of` described."""
    transform = carla.Transform(
        carla.Location(*facts["place_m"]), carla.Rotation(yaw=facts["yaw_deg"])
    )
    box = carla.BoundingBox(
        carla.Location(*facts["box_centre_m"]), carla.Vector3D(*facts["box_half_extent_m"])
    )
    return SimpleNamespace(
        id=facts["id"],
        type_id=facts["type"],
        trigger_volume=box,
        get_transform=lambda: transform,
    )
