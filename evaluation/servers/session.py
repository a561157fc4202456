"""A connection to a simulator, embedded or real, that is always wound up in order."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import carla

from evaluation.errors import UserError
from evaluation.routes.lane_graph import LaneGraph
from evaluation.routes.route import RouteFileError
from evaluation.servers.embedded import Server, ServerSettings, SimulatorError
from evaluation.servers.installed_carla import SERVER_PORTS, is_installed, started_carla
from evaluation.servers.ports import LOOPBACK, lease_ports
from evaluation.servers.saved_world import restore_world, show_world
from evaluation.servers.traffic_manager_watch import TickClock

TICK_S = 0.05
WORKER_THREADS = 16
"""More than sensors that fire at once: a stream worker that waits for Python's lock blocks the
others, and with too few the world's own state would not be read."""
ADDRESS = re.compile(r"^carla://(?P<host>[^:/]+)(?::(?P<port>\d+))?/?$")
CARLA_PORT = 2000
GONE_TIMEOUT_S = 0.2
SHOW_AGAIN_S = 0.05
HEALTH_TIMEOUT_S = 5.0
"""How long a simulator between two routes may take to say its version."""
TIME_OUT = "time-out"
"""Stands in what the carla package says of a simulator that does not answer."""


class SimulatorAddressError(UserError, ValueError):
    """Not an address of the form carla://host:port."""


@dataclass(frozen=True)
class SessionSettings:
    """simulator: `carla://host:port` of a running one, `carla-binary:PATH` or `carla-docker:IMAGE`
    of one that is started; None starts the embedded one. world: a saved one that the embedded
    simulator shall begin with."""

    server: ServerSettings = field(default_factory=ServerSettings)
    simulator: str | None = None
    timeout_s: float = 30.0
    world: bytes | None = field(default=None, repr=False)

    @property
    def is_ours(self) -> bool:
        """Whether it is started here, and can be started anew."""
        return self.simulator is None or is_installed(self.simulator)


@dataclass(frozen=True)
class Session:
    """A synchronous world with ticks of 0.05 s. server: the embedded simulator, None for another
    one; clock tells others whether a tick is in progress."""

    client: carla.Client
    world: carla.World
    host: str
    port: int
    server: Server | None
    timeout_s: float
    clock: TickClock = field(default_factory=TickClock)

    @cached_property
    def world_map(self) -> carla.Map:
        with self.calling():
            return self.world.get_map()

    @cached_property
    def graph(self) -> LaneGraph:
        return LaneGraph(self.world_map)

    @cached_property
    def opendrive(self) -> str:
        return str(self.world_map.to_opendrive())

    @property
    def town(self) -> str:
        return town_of(self.world_map)

    def tick(self) -> carla.WorldSnapshot:
        """One step of the world; SimulatorError when the simulator does not answer."""
        with self.calling(), self.clock:
            frame = self.world.tick(self.timeout_s)
        snapshot = self.world.get_snapshot()
        if snapshot.frame != frame:
            raise SimulatorError(f"ticked frame {frame}, but the state is of {snapshot.frame}")
        return snapshot

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Around calls to the simulator: what they raise becomes a SimulatorError. The carla
        package raises RuntimeError for time-outs and refusals alike, and so does much else."""
        try:
            yield
        except RuntimeError as error:
            raise self.failure(error) from error

    def require_alive(self) -> None:
        """Raises SimulatorError, with the end of its log, if an embedded simulator has ended."""
        if self.server is None or self.server.running:
            return
        # Clearing away what was in it must not wait for an answer to every call.
        self.client.set_timeout(GONE_TIMEOUT_S)
        self.server.require_running()

    def answers(self) -> bool:
        """Whether the simulator is there and says its version in time."""
        if self.server is not None and not self.server.running:
            return False
        self.client.set_timeout(HEALTH_TIMEOUT_S)
        try:
            self.client.get_server_version()
        except RuntimeError:
            return False
        self.client.set_timeout(self.timeout_s)
        return True

    def failure(self, error: Exception) -> SimulatorError:
        """The error with its cause, which for a dead simulator is found in its log."""
        try:
            self.require_alive()
        except SimulatorError as dead:
            return dead
        if isinstance(error, SimulatorError):
            return error
        if TIME_OUT in str(error):
            # Clearing away must not wait as long for every call.
            self.client.set_timeout(GONE_TIMEOUT_S)
        return SimulatorError(f"the simulator at {self.host}:{self.port} failed: {error}")


def town_of(world_map: carla.Map) -> str:
    """Name of a map without the folder that CARLA puts before it."""
    return str(world_map.name).replace("\\", "/").rsplit("/", 1)[-1]


def parse_address(address: str) -> tuple[str, int]:
    found = ADDRESS.match(address)
    if found is None:
        raise SimulatorAddressError(f"expected carla://host:port, got {address!r}")
    return found["host"], int(found["port"] or CARLA_PORT)


def addresses_of(simulator: str | None) -> tuple[str, ...]:
    """Each `carla://HOST:PORT` of a list with commas; none for a simulator that is started here.

    Raises SimulatorAddressError for one that is none, or stands there twice.
    """
    if simulator is None or is_installed(simulator):
        return ()
    addresses = tuple(part.strip() for part in simulator.split(","))
    places = [parse_address(address) for address in addresses]
    for place, address in zip(places, addresses, strict=True):
        if places.count(place) > 1:
            raise SimulatorAddressError(f"{address} is named twice: each worker needs its own")
    return addresses


@contextmanager
def open_session(
    settings: SessionSettings, log_path: Path, town: str | None = None
) -> Iterator[Session]:
    """Starts or reaches a simulator. town: name of the map that a running simulator shall load;
    vehicles, walkers and sensors in it are removed.

    Raises SimulatorError when there is none, RouteFileError when its map is not to be had.
    """
    with ExitStack() as stack:
        server = None
        if settings.simulator is None:
            server = stack.enter_context(Server(settings.server, log_path))
            host, port = server.host, server.port
            if settings.world is not None:
                restore_world(port, settings.world)
        elif is_installed(settings.simulator):
            lease = stack.enter_context(lease_ports(SERVER_PORTS, settings.server.port))
            stack.enter_context(started_carla(settings.simulator, lease, log_path))
            host, port = LOOPBACK, lease.port
        else:
            host, port = parse_address(settings.simulator)
        client, world = _connect(host, port, settings.timeout_s)
        if server is None and town is not None and town_of(world.get_map()) != town:
            world = _load(client, town)
        if server is None:
            stack.callback(_restore, world, world.get_settings())
        if settings.world is not None:
            # It is synchronous as it was, and applying settings would step it.
            _see_world(world, port, settings.timeout_s)
        else:
            _make_synchronous(world)
        if server is None:
            clear_away(client, world, settings.timeout_s)
        yield Session(client, world, host, port, server, settings.timeout_s)


def _see_world(world: carla.World, port: int, timeout_s: float) -> None:
    """Lets the client see a restored world before its next step: it reads what it knows of actors
    from the last state that was sent."""
    deadline_s = time.monotonic() + timeout_s
    while world.get_snapshot().frame != show_world(port):
        if time.monotonic() > deadline_s:
            raise SimulatorError(f"the restored world was not seen within {timeout_s:.0f} s")
        time.sleep(SHOW_AGAIN_S)


def _connect(host: str, port: int, timeout_s: float) -> tuple[carla.Client, carla.World]:
    client = carla.Client(host, port, WORKER_THREADS)
    client.set_timeout(timeout_s)
    try:
        return client, client.get_world()
    except RuntimeError as error:
        raise SimulatorError(
            f"no simulator answers at {host}:{port} ({error}); start one with "
            f"`python -m evaluation serve --port {port}`, or leave out --simulator"
        ) from None


def _load(client: carla.Client, town: str) -> carla.World:
    try:
        return client.load_world(town)
    except RuntimeError as error:
        raise RouteFileError(f"the simulator cannot load the town {town}: {error}") from None


def clear_away(client: carla.Client, world: carla.World, timeout_s: float) -> None:
    """Removes vehicles, walkers and sensors that a client has left behind, as one does that was
    killed in mid-route."""
    # A client knows no actors before the first tick that it sees.
    world.tick(timeout_s)
    kinds = ("vehicle.", "walker.", "sensor.", "controller.")
    left = [actor.id for actor in world.get_actors() if actor.type_id.startswith(kinds)]
    client.apply_batch_sync([carla.command.DestroyActor(actor_id) for actor_id in left], False)


def _make_synchronous(world: carla.World) -> None:
    settings = world.get_settings()
    settings.synchronous_mode = True
    settings.fixed_delta_seconds = TICK_S
    world.apply_settings(settings)


def _restore(world: carla.World, settings: carla.WorldSettings) -> None:
    """Hands a simulator that is not ours back as it was found."""
    try:
        world.apply_settings(settings)
    except RuntimeError:
        # It is gone: nothing is left to restore.
        return
