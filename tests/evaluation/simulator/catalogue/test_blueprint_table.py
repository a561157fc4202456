"""The README of the catalogue lists what can be spawned, and the simulator agrees with it."""

from __future__ import annotations

import pytest

from tests.evaluation.simulator.catalogue.blueprint_table import README, what_becomes_of, written
from tests.evaluation.simulator.client_session import ClientSession, pose


def test_readme_is_up_to_date() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme == written(readme), "run python -m " + written.__module__


def test_sensors_do_what_the_table_says(session: ClientSession) -> None:
    for blueprint in session.world.get_blueprint_library().filter("sensor.*"):
        if what_becomes_of(blueprint.id) == "listed, not simulated":
            with pytest.raises(RuntimeError, match="is not simulated"):
                session.world.spawn_actor(blueprint, pose(50.0, 2.0))
        elif not blueprint.id.startswith("sensor.camera"):
            session.spawn(blueprint.id, pose(50.0, 2.0))
