"""Recorded drives: what the world did, and what scenario_runner's criteria said about it.

A trace is two files of plain data: NAME.npz holds the world and what changes in it from tick to
tick, NAME.json the rest. The OpenDRIVE text of the town, which they share, lies beside them.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.criteria.red_light import find_lights
from evaluation.scoring.criteria.stop_sign import find_stop_signs
from evaluation.scoring.criteria_set import RoadRules
from evaluation.scoring.tick import CollisionEvent, Tick
from planner.records import Command

FOLDER = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Trace:
    """One drive of t ticks along a route of n points, with l lights and signs and m other vehicles.

    columns: route_points_m (n, 3), route_yaw_deg (n,); frame (t,), elapsed_s (t,), location_m
    (t, 3), yaw_deg (t,), velocity_mps (t, 3), speed_limit_kmh (t,), traffic_mps (t, m), red (t, l),
    percent (t,) of the route as scenario_runner has it; signal_id, signal_type, signal_yaw_deg
    (l,), signal_place_m, signal_box_m, signal_box_half_m (l, 3); hit_frame, hit_id and hit_type
    (c,) of collisions. facts: `town`, `half_extent_m` of the ego, `start_s` of the route, and
    `official`: what scenario_runner said.
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
        world_map, signals = map_of(self.facts["town"]), tuple(self._signals())
        return RoadRules(world_map, find_lights(signals, world_map), find_stop_signs(signals))

    def _signals(self) -> Iterator[Any]:
        """Stand-ins for the actors that `signal_columns` described."""
        keys = ("id", "type", "yaw_deg", "place_m", "box_m", "box_half_m")
        columns = (self.columns[f"signal_{key}"].tolist() for key in keys)
        for actor_id, type_id, yaw_deg, place_m, box_m, half_m in zip(*columns, strict=True):
            yield _Signal(
                id=actor_id,
                type_id=type_id,
                transform=carla.Transform(carla.Location(*place_m), carla.Rotation(yaw=yaw_deg)),
                trigger_volume=carla.BoundingBox(carla.Location(*box_m), carla.Vector3D(*half_m)),
            )

    def ticks(self) -> Iterator[Tick]:
        columns = self.columns
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
                red_light_ids=frozenset(columns["signal_id"][columns["red"][index]].tolist()),
                collisions=tuple(event for event in collisions if event.frame == frame),
                traffic_speeds_mps=columns["traffic_mps"][index].astype(np.float64),
            )


def load(name: str) -> Trace:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as columns:
        facts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        return Trace(name, dict(columns), facts)


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


@dataclass(frozen=True)
class _Signal:
    id: int
    type_id: str
    transform: carla.Transform
    trigger_volume: carla.BoundingBox

    def get_transform(self) -> carla.Transform:
        return self.transform


def signal_columns(signals: Sequence[carla.TrafficSign]) -> dict[str, NDArray[Any]]:
    """What criteria need to know of traffic lights and signs."""
    transforms = [signal.get_transform() for signal in signals]
    boxes = [signal.trigger_volume for signal in signals]
    return {
        "signal_id": np.array([signal.id for signal in signals], np.int32),
        "signal_type": np.array([signal.type_id for signal in signals], np.str_),
        "signal_yaw_deg": np.array([one.rotation.yaw for one in transforms], np.float32),
        "signal_place_m": np.array([xyz(one.location) for one in transforms], np.float32),
        "signal_box_m": np.array([xyz(box.location) for box in boxes], np.float32),
        "signal_box_half_m": np.array([xyz(box.extent) for box in boxes], np.float32),
    }


def xyz(vector: carla.Vector3D) -> list[float]:
    return [vector.x, vector.y, vector.z]


def opendrive_of(town: str) -> str:
    return gzip.decompress((FOLDER / f"{town}.xodr.gz").read_bytes()).decode()


@cache
def map_of(town: str) -> carla.Map:
    return carla.Map(town, opendrive_of(town))
