"""Calls about recordings: written, summed up, played back; all in the folder of the option
`--recordings`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from evaluation.simulator.calls.call import Call
from evaluation.simulator.calls.episode import LOAD_ANSWER_DELAY_S
from evaluation.simulator.net.rpc import Caller, Deferred, Reply
from evaluation.simulator.recording.file_info import file_info
from evaluation.simulator.recording.queries import ASKABLE, blocked_actors, collisions
from evaluation.simulator.recording.replayer import BEHIND, FASTEST_FACTOR
from evaluation.simulator.recording.tape_deck import ReplayOrder
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.codec import (
    Transform,
    WireError,
    describe,
    flag,
    integer,
    real,
    text,
)

_LONGEST_S = 1e6


def start_recorder(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> str:
    """Record from the next step on; return where the file is."""
    additional = flag("additional data", arguments[1]) if len(arguments) > 1 else False
    return simulator.tapes.record(text("name", arguments[0]), additional)


def stop_recorder(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> None:
    """End the recording."""
    simulator.tapes.stop_recording()


def show_file_info(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> str:
    """Return what a recording holds."""
    show_all = flag("show all", arguments[1])
    return simulator.tapes.ask(text("name", arguments[0]), partial(file_info, show_all=show_all))


def show_collisions(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> str:
    """Return who touched whom in a recording."""
    first, second = (_kind(part) for part in arguments[1:3])
    return simulator.tapes.ask(
        text("name", arguments[0]), partial(collisions, first=first, second=second)
    )


def _kind(data: object) -> str:
    """Read a kind of actors: a letter, or its code, as which C++ sends it."""
    letter = chr(data) if isinstance(data, int) and 0 <= data < 128 else data
    if not isinstance(letter, str) or len(letter) != 1 or letter not in ASKABLE:
        expected = ", ".join(ASKABLE)
        raise WireError(f"kind of actors: expected one of {expected}, got {describe(data)}")
    return letter


def show_blocked(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> str:
    """Return who stood for how long in a recording."""
    least_s, least_cm = (real("least time or way", part) for part in arguments[1:3])
    return simulator.tapes.ask(
        text("name", arguments[0]), partial(blocked_actors, least_s=least_s, least_cm=least_cm)
    )


def replay_file(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> str | Deferred:
    """Play a recording, in the town in which it was made."""
    order = ReplayOrder(
        text("name", arguments[0]),
        real("start", arguments[1], -_LONGEST_S, _LONGEST_S),
        real("duration", arguments[2], -_LONGEST_S, _LONGEST_S),
        integer("followed actor", arguments[3]),
        flag("replay sensors", arguments[4]) if len(arguments) > 4 else False,
        Transform.from_wire(arguments[5]) if len(arguments) > 5 else BEHIND,
    )
    name = simulator.tapes.town_of(order.name)
    town = simulator.world.town if name is None else simulator.shelf.find(name)
    if town is simulator.world.town:
        return simulator.tapes.play(order)
    simulator.load(town, simulator.world.settings)
    answer = Deferred(partial(simulator.tapes.play, order))
    simulator.loop.call_later(LOAD_ANSWER_DELAY_S, answer.resolve)
    return answer


def stop_replayer(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """End the replay; its actors stay, or go."""
    simulator.tapes.stop_replay(flag("keep actors", arguments[0]) if arguments else True)


def set_time_factor(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Set how fast recordings are played."""
    factor = real("time factor", arguments[0], 0.0, FASTEST_FACTOR)
    simulator.tapes.wishes.time_factor = factor


def set_ignore_hero(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Set whether replays leave the hero alone."""
    simulator.tapes.wishes.ignore_hero = flag("ignore hero", arguments[0])


def set_ignore_spectator(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Set whether replays leave the spectator alone."""
    simulator.tapes.wishes.ignore_spectator = flag("ignore spectator", arguments[0])


CALLS = {
    "start_recorder": Call(start_recorder, Reply.VALUE, 1),
    "stop_recorder": Call(stop_recorder, Reply.VOID),
    "show_recorder_file_info": Call(show_file_info, Reply.VALUE, 2),
    "show_recorder_collisions": Call(show_collisions, Reply.VALUE, 3),
    "show_recorder_actors_blocked": Call(show_blocked, Reply.VALUE, 3),
    "replay_file": Call(replay_file, Reply.VALUE, 4),
    "stop_replayer": Call(stop_replayer, Reply.VOID),
    "set_replayer_time_factor": Call(set_time_factor, Reply.VOID, 1),
    "set_replayer_ignore_hero": Call(set_ignore_hero, Reply.VOID, 1),
    "set_replayer_ignore_spectator": Call(set_ignore_spectator, Reply.VOID, 1),
}
