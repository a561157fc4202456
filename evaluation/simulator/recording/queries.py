"""Searches in a recording: who touched whom, and who stood for long."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evaluation.simulator.recording.log_file import Frame, LogReader
from evaluation.simulator.recording.log_format import (
    FrameStart,
    Packet,
    Records,
    read_added,
    read_records,
)
from evaluation.simulator.recording.log_text import opening

KINDS = "ovwt"
"""Letters of the kinds of actors, in the order of their numbers in the file."""
_HERO, _ANY = "h", "a"
ASKABLE = KINDS + _HERO + _ANY
MOST_RESTS = 10_000
"""Of actors that stood, the longest are kept."""


@dataclass
class _Seen:
    """An actor while a recording is gone through."""

    kind: int
    type_id: str
    location_cm: tuple[float, ...] = (0.0, 0.0, 0.0)
    since_s: float = 0.0
    still_s: float = 0.0

    @property
    def letter(self) -> str:
        return KINDS[self.kind] if self.kind < len(KINDS) else KINDS[0]


_UNSEEN = _Seen(0, "")


def _meet(cast: dict[int, _Seen], frame: Frame) -> None:
    """Take note of who comes and who goes in a frame."""
    for kind, content in frame.packets:
        if kind == Packet.EVENT_DEL:
            for actor_id in read_records(Packet.EVENT_DEL, content)["id"].tolist():
                cast.pop(actor_id, None)
        elif kind == Packet.EVENT_ADD:
            for actor in read_added(content):
                cast[actor.actor_id] = _Seen(actor.kind, actor.description.type_id)


def _records_in(frame: Frame, wanted: Packet) -> Iterator[Records]:
    for kind, content in frame.packets:
        if kind == wanted:
            yield read_records(wanted, content)


def collisions(reader: LogReader, first: str, second: str) -> str:
    """Return when those of one kind began to touch those of another (letters of `ASKABLE`).

    Raises:
        DamagedLogError: the recording cannot be read.
    """
    text = opening(reader)
    text.add(f"{'Time':>8} {'Types':>6} {'Id':>6} {'Actor 1':<35} {'Id':>6} {'Actor 2':<35}")
    cast: dict[int, _Seen] = {}
    last = FrameStart(0, 0.0, 0.0)
    touching: set[tuple[int, int]] = set()
    found = False
    wanted = frozenset((Packet.EVENT_ADD, Packet.EVENT_DEL, Packet.COLLISION))
    for frame in reader.frames(wanted):
        last, before, touching = frame.start, touching, set()
        for records in _records_in(frame, Packet.COLLISION):
            for _, one, other, hero_1, hero_2 in records.tolist():
                pair = cast.get(one, _UNSEEN), cast.get(other, _UNSEEN)
                if not (_fits(first, pair[0], hero_1) and _fits(second, pair[1], hero_2)):
                    continue
                touching.add((one, other))
                if (one, other) not in before:
                    found = True
                    text.add(
                        f"{last.elapsed_s:8.0f}   {pair[0].letter} {pair[1].letter}  {one:>6} "
                        f"{pair[0].type_id:<35} {other:>6} {pair[1].type_id:<35}"
                    )
        _meet(cast, frame)
    return text.end(last, ".0f" if found else "g")


def _fits(asked: str, actor: _Seen, is_hero: int) -> bool:
    return asked == _ANY or asked == actor.letter or (asked == _HERO and bool(is_hero))


def blocked_actors(reader: LogReader, least_s: float, least_cm: float) -> str:
    """Return who stood for `least_s` or longer, moving less than `least_cm`; the longest first.

    Raises:
        DamagedLogError: the recording cannot be read.
    """
    text = opening(reader)
    text.add(f"{'Time':>8} {'Id':>6} {'Actor':<35} {'Duration':>10}")
    cast: dict[int, _Seen] = {}
    last = FrameStart(0, 0.0, 0.0)
    rests: list[tuple[float, str]] = []
    for frame in reader.frames(frozenset((Packet.EVENT_ADD, Packet.EVENT_DEL, Packet.POSITION))):
        last = frame.start
        _meet(cast, frame)
        for records in _records_in(frame, Packet.POSITION):
            for actor_id, place_cm, _ in records.tolist():
                actor = cast.setdefault(actor_id, _Seen(0, ""))
                if np.linalg.norm(np.subtract(place_cm, actor.location_cm)) < least_cm:
                    actor.since_s = actor.since_s if actor.still_s else last.elapsed_s
                    actor.still_s += max(last.duration_s, 0.0)
                    continue
                rests += _rest(actor_id, actor, least_s)
                if len(rests) > 2 * MOST_RESTS:
                    rests = heapq.nlargest(MOST_RESTS, rests)
                actor.still_s, actor.location_cm = 0.0, tuple(place_cm)
    rests += [rest for key, actor in cast.items() for rest in _rest(key, actor, least_s)]
    for _, line in heapq.nlargest(MOST_RESTS, rests):
        text.add(line)
    return text.end(last)


def _rest(actor_id: int, actor: _Seen, least_s: float) -> list[tuple[float, str]]:
    if actor.still_s < least_s:
        return []
    line = f"{actor.since_s:8.0f} {actor_id:>6} {actor.type_id:<35} {actor.still_s:10.0f}"
    return [(actor.still_s, line)]
