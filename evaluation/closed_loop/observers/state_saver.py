"""Saves a drive at given moments, to go on from there as often as one likes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.closed_loop.episode import Observer, Step
from evaluation.closed_loop.route_scenario import RouteScenario
from evaluation.closed_loop.saved_drive import SavedActors, SavedDrive, save_drive
from evaluation.closed_loop.sensor_interface import Spec
from evaluation.servers.saved_world import save_world


class StateSaver(Observer):
    """Writes one file per moment.

    Args:
        files: by the route's time at which each is written, in seconds.
        session: folder of the inputs, which an observer before this one writes.
        town: as `--town` takes it.
        seed: of traffic and noise.
    """

    def __init__(self, files: dict[float, Path], session: Path, town: str, seed: int) -> None:
        self._left = dict(sorted(files.items()))
        self._session = session
        self._town = town
        self._seed = seed

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        self._scenario = scenario

    def step(self, step: Step) -> None:
        due = [time_s for time_s in self._left if step.tick.time_s > time_s - 1e-6]
        for time_s in due:
            self._save(self._left.pop(time_s))

    def _save(self, path: Path) -> None:
        scenario = self._scenario
        with scenario.session.calling():
            # Controls and weather are sent without waiting; a call that waits comes after them.
            scenario.session.world.get_settings()
        actors = SavedActors(
            ego=scenario.ego.id,
            collision_sensor=scenario.collision_sensor_id,
            sensors=dict(scenario.sensor_ids),
            traffic=() if scenario.traffic is None else scenario.traffic.vehicle_ids,
        )
        saved = SavedDrive(
            route=scenario.route,
            town=self._town,
            seed=self._seed,
            actors=actors,
            start_s=scenario.start_s or 0.0,
            weather_percent=scenario.weather_percent,
            world=save_world(scenario.session.port),
        )
        save_drive(path, saved, self._session)
