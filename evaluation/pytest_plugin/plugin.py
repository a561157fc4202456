"""The pytest plugin `carla_simulator`: README.md of this folder shows it in a foreign project.

pytest loads it wherever this project is installed, so nothing heavy is imported before a fixture is
asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import carla

    from evaluation.servers.session import Session

GROUP = "carla_simulator"
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class CarlaSimulator:
    """Where a simulator answers. log: what the embedded one has said, None for a running one."""

    host: str
    port: int
    log: Path | None = field(default=None, compare=False)

    @property
    def address(self) -> str:
        return f"carla://{self.host}:{self.port}"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup(GROUP, "a CARLA simulator for tests")
    group.addoption(
        "--carla-port",
        type=int,
        default=0,
        metavar="PORT",
        help="of the simulator that is started; 0 (default): any free one",
    )
    group.addoption(
        "--carla-client-version",
        metavar="VERSION",
        help="of the carla package that connects (default: the one that is installed)",
    )
    group.addoption(
        "--carla-town",
        default="Demo",
        metavar="NAME",
        help="Demo, Generated<number>, or one of --carla-towns (default: %(default)s)",
    )
    group.addoption(
        "--carla-towns", type=Path, metavar="DIR", help="folder of .xodr files to load by name"
    )
    group.addoption(
        "--carla-simulator",
        metavar="carla://HOST:PORT",
        help="use a simulator that runs already, for instance a real CARLA server",
    )


@pytest.fixture(scope="session")
def carla_simulator(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CarlaSimulator]:
    """A simulator that runs as long as the tests do."""
    from evaluation.errors import UserError
    from evaluation.servers.embedded import Server, ServerSettings
    from evaluation.servers.session import parse_address

    option = request.config.getoption
    running = option("--carla-simulator")
    try:
        if running is not None:
            yield CarlaSimulator(*parse_address(running))
            return
        settings = ServerSettings(
            port=option("--carla-port"),
            towns_folder=option("--carla-towns"),
            client_version=option("--carla-client-version"),
        )
        log = tmp_path_factory.mktemp(GROUP) / "simulator.log"
        with Server(settings, log) as server:
            yield CarlaSimulator(server.host, server.port, log)
    except UserError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def carla_town(request: pytest.FixtureRequest) -> str:
    """Name of the town that `carla_world` shows, as `load_world` takes it. Override it in a module,
    or with `@pytest.mark.parametrize("carla_town", ["Demo", "Generated7"])`."""
    return str(request.config.getoption("--carla-town"))


@pytest.fixture
def _carla_session(
    carla_simulator: CarlaSimulator, carla_town: str, tmp_path: Path
) -> Iterator[Session]:
    from evaluation.errors import UserError
    from evaluation.servers.session import SessionSettings, clear_away, open_session

    settings = SessionSettings(simulator=carla_simulator.address, timeout_s=TIMEOUT_S)
    try:
        with open_session(settings, tmp_path / "simulator.log", carla_town) as session:
            yield session
            clear_away(session.client, session.world, session.timeout_s)
    except UserError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def carla_client(_carla_session: Session) -> carla.Client:
    """A client of the simulator that shows `carla_town`."""
    return _carla_session.client


@pytest.fixture
def carla_world(_carla_session: Session) -> carla.World:
    """The world of `carla_town` in synchronous mode, a tick of 0.05 s, with no vehicle, walker or
    sensor in it; what a test leaves behind is removed."""
    return _carla_session.world
