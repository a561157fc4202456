"""A vehicle that does not move for three minutes (Bench2Drive: one) is blocked; the route ends."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.scoring.tick import Infraction, Kind, Tick, has_passed, place_text

MIN_SPEED_MPS = 0.1
MAX_TIME_S = 180.0
BENCH2DRIVE_MAX_TIME_S = 60.0


class Blocked:
    def __init__(self, max_time_s: float = MAX_TIME_S) -> None:
        self._max_time_s = max_time_s
        self._moved_s: float | None = None

    def step(self, tick: Tick) -> Sequence[Infraction]:
        if self._moved_s is None or tick.speed_mps >= MIN_SPEED_MPS:
            self._moved_s = tick.time_s
        if has_passed(tick.time_s - self._moved_s, self._max_time_s):
            place_m = tick.place_world_m
            message = f"Agent got blocked at {place_text(place_m)}"
            return (Infraction(Kind.BLOCKED, tick.frame, message, place_world_m=place_m),)
        return ()

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        return ()
