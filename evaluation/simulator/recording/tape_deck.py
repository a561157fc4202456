"""Records or plays, never both, and keeps to one folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from evaluation.simulator.physics.collision import Contact
from evaluation.simulator.recording.log_file import LogFolder, LogReader
from evaluation.simulator.recording.log_text import not_found
from evaluation.simulator.recording.recorder import Recorder
from evaluation.simulator.recording.replayer import BEHIND, Replayer, ReplayWishes, Stage
from evaluation.simulator.wire.codec import Transform
from evaluation.simulator.wire.dialect import Dialect
from evaluation.simulator.wire.errors import CallError

logger = logging.getLogger(__name__)


class ReplayOrder(NamedTuple):
    """Which part of a recording is played: from `begin_s` (negative: from its end) for
    `duration_s` (0: to its end), which recorded actor the spectator follows from where, and whether
    the recorded sensors come as well."""

    name: str
    begin_s: float = 0.0
    duration_s: float = 0.0
    follow_id: int = 0
    with_sensors: bool = False
    offset: Transform = BEHIND


class TapeDeck:
    """The recordings of one simulator.

    Attributes:
        wishes: what clients have set for replays.
    """

    def __init__(self, folder: LogFolder, stage: Stage, dialect: Dialect) -> None:
        self.wishes = ReplayWishes()
        self._folder = folder
        self._stage = stage
        self._dialect = dialect
        self._recorder: Recorder | None = None
        self._replayer: Replayer | None = None

    # Recording

    def record(self, name: str, additional: bool) -> str:
        """Begin a recording, ending what runs; return where it is.

        Raises:
            CallError: there is no folder, or the file cannot be written.
        """
        self.stop()
        world = self._stage.world
        self._recorder = Recorder(self._folder, name, world, self._dialect, additional)
        return str(self._recorder.path)

    def stop(self, keep_actors: bool = True) -> None:
        """End what runs, a recording or a replay."""
        self.stop_recording()
        self.stop_replay(keep_actors)

    def stop_recording(self) -> None:
        """End the recording, if there is one."""
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    # Reading

    def ask(self, name: str, question: Callable[[LogReader], str]) -> str:
        """Return the answer to a question about a recording.

        Raises:
            CallError: there is no folder, or the file is no recording.
        """
        if self._recorder is not None and self._recorder.path == self._folder.path(name):
            raise CallError(f"{self._recorder.path} is being recorded: stop the recorder first")
        path = self._folder.path(name)
        try:
            with LogReader(path) as reader:
                return question(reader)
        except FileNotFoundError:
            return not_found(path)

    # Playing

    def town_of(self, name: str) -> str | None:
        """Return the town in which a recording was made, None where there is no such file."""
        try:
            with LogReader(self._folder.path(name)) as reader:
                return reader.header.town
        except FileNotFoundError:
            return None

    def play(self, order: ReplayOrder) -> str:
        """Begin a replay, ending what runs; return what CARLA says of it.

        Raises:
            CallError: there is no folder, or the file is no recording.
        """
        self.stop()
        path = self._folder.path(order.name)
        lines = [f"Replaying File: {path}"]
        try:
            reader = LogReader(path)
        except FileNotFoundError:
            return f"{lines[0]}\n{not_found(path)}"
        try:
            total_s = reader.last_frame().elapsed_s
            begin_s = order.begin_s if order.begin_s >= 0.0 else max(total_s + order.begin_s, 0.0)
            until_s = begin_s + order.duration_s if order.duration_s > 0.0 else total_s
            self._replayer = Replayer(
                reader,
                self._stage,
                self.wishes,
                begin_s,
                until_s,
                order.follow_id,
                order.offset,
                order.with_sensors,
            )
        except CallError:
            reader.close()
            raise
        lines.append(f"Total time recorded: {total_s:g}")
        lines.append(
            f"Replaying from {begin_s:g} s - {until_s:g} s ({total_s:g} s) "
            f"at {self.wishes.time_factor:.1f}x"
        )
        if self.wishes.ignore_hero:
            lines.append("Ignoring Hero vehicle")
        if self.wishes.ignore_spectator:
            lines.append("Ignoring Spectator camera")
        return "\n".join(lines) + "\n"

    def stop_replay(self, keep_actors: bool) -> None:
        """End the replay, if there is one."""
        if self._replayer is not None:
            replayer, self._replayer = self._replayer, None
            replayer.close(keep_actors)

    # The clock

    def before_step(self, delta_s: float) -> None:
        """Move what is played on by the step that is about to be made."""
        if self._replayer is None:
            return
        try:
            self._replayer.step(delta_s)
        except CallError as error:
            logger.error("the replay ends: %s", error)
            self.stop_replay(keep_actors=True)
        else:
            if self._replayer.is_over:
                self.stop_replay(keep_actors=True)

    def after_step(self, contacts: Sequence[Contact]) -> None:
        """Record the step that has been made."""
        if self._recorder is not None:
            self._recorder.record(contacts)
            if not self._recorder.is_open:
                self._recorder = None
