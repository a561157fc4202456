"""Simulators that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evaluation.simulator.client_session import ClientSession
from tests.evaluation.simulator.server_process import RunningSimulator, running_simulator
from tests.evaluation.simulator.tiny_town import straight_road


@pytest.fixture(scope="session")
def tiny_towns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two towns, tiny and other."""
    folder = tmp_path_factory.mktemp("towns")
    (folder / "tiny.xodr").write_text(straight_road("tiny"))
    (folder / "other.xodr").write_text(straight_road("other", length_m=200.0, limit_kmh=70.0))
    return folder


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the tiny simulator's clients record."""
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="session")
def tiny_simulator(tiny_towns: Path, recordings: Path) -> Iterator[RunningSimulator]:
    """A simulator of one straight road, able to load another."""
    town = str(tiny_towns / "tiny.xodr")
    folders = ("--towns", str(tiny_towns), "--recordings", str(recordings))
    with running_simulator("--town", town, *folders, "--seed", "7") as running:
        yield running


@pytest.fixture(scope="session")
def demo_simulator() -> Iterator[RunningSimulator]:
    """A simulator of the demonstration town."""
    with running_simulator("--town", "demo", "--seed", "7") as running:
        yield running


@pytest.fixture
def session(tiny_simulator: RunningSimulator) -> Iterator[ClientSession]:
    """A client in the tiny town, in synchronous mode."""
    with ClientSession(tiny_simulator.port) as session:
        yield session
