"""`replay`: which agent, told apart from the recorded one by content; what came of it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from agent.observation import AgentStep
from agent.rerun_log import RerunLog, RerunMissingError, open_recording
from agent.settings import FILE_SUFFIXES
from evaluation.closed_loop.agent_loader import load_agent_class
from evaluation.closed_loop.observers.rerun_viewer import cameras_of
from evaluation.closed_loop.replay import PARTS, OnTick, ReplayReport, replay
from evaluation.closed_loop.session_files import (
    Header,
    Json,
    SessionError,
    TracedTick,
    read_header,
)
from evaluation.runs.conditions import AGENT_CODE, REPOSITORY, WEIGHTS, agent_conditions
from model.conditions import differences

EAGER, LEARNED_AGENT, AGENT_FOLDER = "eager", "simlingo_agent.py", "agent"
UNITS = {"plan": "", "route": "m", "waypoints": "m", "throttle": "", "steer": "", "brake": ""}
SHOWN_CHANGES = 4


@dataclass(frozen=True)
class ReplaySettings:
    """What `replay` was asked to do; see its --help."""

    session: Path
    checkpoint: Path | None = None
    agent_config: str | None = None
    agent: Path | None = None
    tolerance: float = 0.0
    recording: Path | None = None


def replay_session(settings: ReplaySettings, console: Console) -> int:
    """Replays and prints; returns the exit code, 0 where everything is equal.

    Raises SessionError or AgentLoadError where that cannot be done.
    """
    header = read_header(settings.session)
    agent = settings.agent or _recorded_agent(header)
    config = _held(_config(settings, header), header, agent)
    now = _by_file(agent_conditions(agent, config))
    recorded = _by_file(header.conditions)
    then = {key: recorded[key] for key in now if key in recorded}
    changed = [str(one) for one in differences(then, {key: now[key] for key in then})]
    console.print(f"{settings.session}: {header.route} in {header.town}", highlight=False)
    for line in changed[:SHOWN_CHANGES]:
        console.print(f"  other than recorded: {line}", highlight=False, soft_wrap=True)
    if len(changed) > SHOWN_CHANGES:
        console.print(f"  ... and {len(changed) - SHOWN_CHANGES} more", highlight=False)
    with ExitStack() as stack:
        on_tick: OnTick = lambda *_: None  # noqa: E731
        if settings.recording is not None:
            on_tick = _logger(settings.recording, header, stack)
        report = replay(settings.session, load_agent_class(agent), config, on_tick)
    _print_backend(report, header, console)
    _print(report, settings, console)
    return int(bool(report.beyond(settings.tolerance)))


def _recorded_agent(header: Header) -> Path:
    """The file of the agent that was recorded: of this program where it came with one, whichever
    checkout that was."""
    path = Path(header.agent)
    own = REPOSITORY / AGENT_FOLDER / path.name
    if f"{AGENT_FOLDER}/{path.name}" in header.conditions.get(AGENT_CODE, {}) and own.is_file():
        return own
    if not path.is_file():
        raise SessionError(
            f"the session was recorded with the agent {path}, which is not here: name its file "
            "with --agent FILE"
        )
    return path


def _by_file(conditions: Json) -> Json:
    """The conditions with a checkpoint's files, whatever its folder is called: two checkpoints are
    then told apart file by file."""
    folders = conditions.get(WEIGHTS)
    if not isinstance(folders, Mapping) or len(folders) != 1:
        return conditions
    return {**conditions, WEIGHTS: next(iter(folders.values()))}


def _config(settings: ReplaySettings, header: Header) -> str:
    """The agent's config, with another checkpoint where one is asked for."""
    if settings.agent_config is not None:
        return settings.agent_config
    recorded = header.agent_config
    if settings.checkpoint is None:
        return recorded
    if "=" not in recorded:
        return str(settings.checkpoint)
    pairs = [pair for pair in recorded.split(",") if not pair.strip().startswith("checkpoint=")]
    return ",".join([*pairs, f"checkpoint={settings.checkpoint}"])


def _held(config: str, header: Header, agent: Path) -> str:
    """The config with the backend of the recording, where the agent would choose a faster one now:
    each rounds in its own way, and what differs shall be the weights' doing.

    The other way round nothing need be held: who chose ONNX Runtime chooses it again, where it can.
    """
    eager = header.runs_on.partition(" ")[0] == EAGER
    if not eager or agent.name != LEARNED_AGENT or Path(config).suffix in FILE_SUFFIXES:
        return config
    pairs = [config if "=" in config or not config else f"checkpoint={config}"]
    if any(pair.strip().startswith("backend=") for pair in pairs[0].split(",")):
        return config
    return ",".join([*filter(None, pairs), f"backend={EAGER}"])


def _print_backend(report: ReplayReport, header: Header, console: Console) -> None:
    if report.runs_on != header.runs_on and header.runs_on:
        console.print(
            f"  other than recorded: the network ran as {header.runs_on}, now as {report.runs_on}, "
            "which rounds in another way (some 1e-6 m). For the weights alone: python -m "
            "model.export CHECKPOINT --stages, or a session recorded with --agent-config "
            f"backend={EAGER}",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def _logger(path: Path, header: Header, stack: ExitStack) -> OnTick:
    try:
        stream = open_recording(path.stem, path)
    except RerunMissingError as error:
        raise SessionError(f"--record {path}: {error}") from None
    stack.callback(stream.disconnect)
    route = np.array([row[:2] for row in header.world_plan])
    log = RerunLog(stream, cameras_of(header.specs), route)

    def on_tick(tick: TracedTick, step: AgentStep | None) -> None:
        if step is not None:
            log.step(step)
            log.prediction(step, tick.plan)

    return on_tick


def _print(report: ReplayReport, settings: ReplaySettings, console: Console) -> None:
    if report.ticks < report.recorded_ticks:
        console.print(
            f"The recording was cut short: {report.ticks} of {report.recorded_ticks} ticks have "
            "their images; those were replayed",
            style="yellow",
        )
    found = report.beyond(settings.tolerance)
    if not found:
        how = "bit by bit equal" if not report.differences else f"within {settings.tolerance:g}"
        console.print(f"{report.ticks} ticks, all {how}", highlight=False)
        return
    first = found[0]
    part = next(one for one in PARTS if not first.amounts[one] <= settings.tolerance)
    console.print(
        f"{len(found)} of {report.ticks} ticks differ. The first is tick {first.tick} at "
        f"{first.time_s:.2f} s: {part} by {first.amounts[part]:.3g} {UNITS[part]}".rstrip(),
        highlight=False,
    )
    table = Table(title="Largest differences")
    for heading in ("part", "by", "ticks that differ"):
        table.add_column(heading)
    for one in PARTS:
        count = sum(tick.amounts[one] > settings.tolerance for tick in found)
        table.add_row(one, f"{report.largest(one):.3g} {UNITS[one]}", str(count))
    console.print(table)
