"""What `drive` and `evaluate` were asked to do, and what of it cannot be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from evaluation.closed_loop.agent_loader import check_agent_file
from evaluation.closed_loop.debug_session import DebugSession
from evaluation.closed_loop.disturbances import Disturbances
from evaluation.closed_loop.pulse import TimeLimits
from evaluation.errors import UserError
from evaluation.official.leaderboard import LeaderboardSettings
from evaluation.runs.benchmark import Benchmark
from evaluation.runs.cluster_kinds import ClusterSettings
from evaluation.runs.worker import LEARNED_AGENT, ROUTES_PER_SIMULATOR
from evaluation.runs.worker_process import PORTS_PER_WORKER
from evaluation.scoring.penalty import Rules
from evaluation.servers.installed_carla import SERVER_PORTS, is_installed, require_installed
from evaluation.servers.ports import require_free
from evaluation.servers.session import addresses_of

DEFAULT_AGENT = LEARNED_AGENT
LOGS_FOLDER = "logs"


class DriveError(UserError, ValueError):
    """Settings that do not fit each other; the message says which."""


@dataclass(frozen=True)
class DriveSettings:
    """What was asked; see `drive --help` and `evaluate --help` for the meaning of each.

    Attributes:
        simulator: None is the embedded one; else as `--simulator` has it, several addresses with
            commas between them.
        protocol: by whose rules; None where only `rules` were asked for.
        official: how an official evaluator is to drive; None is our own loop.
        retry_agent: a route that the agent fails is tried once more too.
        cluster: on which machines; None is this one.
        strict: a town that is not to be had ends the run before it begins, instead of failing its
            routes.
    """

    agent: Path = DEFAULT_AGENT
    agent_config: str = ""
    routes: Path | None = None
    route_ids: tuple[str, ...] = ()
    town: str | None = None
    towns_folder: Path | None = None
    traffic: int = 0
    seed: int = 0
    repetitions: int = 1
    simulator: str | None = None
    port: int = 0
    out: Path = Path("out/drive")
    resume: bool = False
    again: tuple[str, ...] = ()
    rules: Rules = Rules.V2_0
    protocol: Benchmark | None = None
    official: LeaderboardSettings | None = None
    video: bool = True
    video_fps: int = 10
    blackout: bool = False
    disturbances: Disturbances = field(default_factory=Disturbances)
    timeout_s: float = 30.0
    workers: int = 1
    recycle_after: int = ROUTES_PER_SIMULATOR
    limits: TimeLimits = field(default_factory=TimeLimits)
    retry_agent: bool = False
    strict: bool = False
    cluster: ClusterSettings | None = None
    debug: DebugSession = field(default_factory=DebugSession)
    from_state: Path | None = None

    @property
    def logs(self) -> Path:
        return self.out / LOGS_FOLDER

    @property
    def rules_text(self) -> str:
        return self.rules.value if self.protocol is None else self.protocol.value

    def check(self) -> None:
        """Raises UserError for what shows before anything is started."""
        check_agent_file(self.agent)
        self._check_simulators()
        self._check_debug()
        if self.again and not self.resume:
            raise DriveError("--again names routes of a run that goes on: add --resume")
        if self.official is not None:
            self._check_official()

    def _check_debug(self) -> None:
        saves = self.debug.saves or self.from_state is not None
        if saves and self.simulator is not None:
            raise DriveError(
                "--save-state-at and --from-state: no CARLA server can save its world; leave out "
                "--simulator"
            )
        if self.debug.hands is not None and self.workers > 1:
            raise DriveError("--manual and --step: one person drives one car; leave out --workers")
        asked = {"--routes": self.routes, "--route-ids": self.route_ids, "--resume": self.resume}
        more = ", ".join(name for name, value in asked.items() if value)
        if self.from_state is not None and more:
            raise DriveError(f"--from-state: the route is in the file; leave out {more}")

    def _check_simulators(self) -> None:
        addresses = addresses_of(self.simulator)
        if self.cluster is not None:
            self.cluster.check()
        if addresses:
            if self.cluster is not None:
                raise DriveError(
                    f"--cluster {self.cluster.kind}: its workers start their own simulators; leave "
                    "out the addresses"
                )
            if self.port:
                raise DriveError("--port is of a simulator that is started, --simulator names one")
            if self.workers > len(addresses):
                raise DriveError(
                    f"--workers {self.workers}: --simulator names {len(addresses)}, and each "
                    "worker needs its own"
                )
            return
        if self.simulator is not None:
            require_installed(self.simulator)
        if self.port:
            neighbours = SERVER_PORTS if self.is_installed else 2
            for place in range(self.workers):
                require_free(self.port + PORTS_PER_WORKER * place, neighbours)

    @property
    def is_installed(self) -> bool:
        return self.simulator is not None and is_installed(self.simulator)

    def _check_official(self) -> None:
        if self.routes is None:
            raise DriveError("an official evaluator needs a route file: --routes FILE")
        for asked, option in (
            (self.traffic > 0, "--traffic"),
            (self.blackout, "--blackout"),
            (self.disturbances != Disturbances(), "--disturb"),
            (self.video, "--video"),
        ):
            if asked:
                raise DriveError(
                    f"{option} is the built-in evaluator's: an official one has its own traffic "
                    "and images (record=DIR in the agent's config leaves a video)"
                )
