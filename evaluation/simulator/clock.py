"""When the world is stepped: on a client's word, or by itself while it is asynchronous."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from evaluation.simulator.net.event_loop import EventLoop, Timer
from evaluation.simulator.net.rpc import Deferred
from evaluation.simulator.net.stream import WORLD_STREAM_ID, StreamServer
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.wire.settings_records import EpisodeSettings

logger = logging.getLogger(__name__)

DEFAULT_DELTA_S = 0.05
SUBSCRIPTION_WAIT_S = 0.1
"""How long a tick waits for a subscription that a client has announced by asking for its token."""


class Clock:
    """Calls `step` when it is time.

    Args:
        step: steps the world once and returns the number of the new frame.
        settings: returns the settings of the running episode.
    """

    def __init__(
        self,
        loop: EventLoop,
        streams: StreamServer,
        step: Callable[[], int],
        settings: Callable[[], EpisodeSettings],
    ) -> None:
        self._loop = loop
        self._streams = streams
        self._step = step
        self._settings = settings
        self._expected: dict[int, tuple[int, float]] = {}
        self._waiting: list[Deferred] = []
        self._wait_timer: Timer | None = None
        self._self_tick: Timer | None = None
        streams.on_subscribed = self.on_subscribed

    @property
    def delta_s(self) -> float:
        """The time step."""
        return self._settings().fixed_delta_seconds or DEFAULT_DELTA_S

    def tick_when_heard(self) -> int | Deferred:
        """Tick now, or as soon as the subscriptions that clients have announced are there."""
        if not self._is_expecting():
            return self._step()
        answer = Deferred(self._step)
        self._waiting.append(answer)
        if self._wait_timer is None:
            self._wait_timer = self._loop.call_later(SUBSCRIPTION_WAIT_S, self._run_waiting)
        return answer

    def expect_subscription(self, stream_id: int) -> bytes:
        """Return the token of a stream to a client that is about to subscribe."""
        if not self._streams.knows(stream_id):
            raise CallError(f"there is no stream {stream_id}")
        count = self._streams.subscriptions(stream_id)
        self._expected[stream_id] = (count + 1, time.monotonic() + SUBSCRIPTION_WAIT_S)
        return self._streams.token(stream_id)

    def on_subscribed(self, stream_id: int) -> None:
        """Note a new subscription and show a new listener of the world what there is."""
        if self._waiting and not self._is_expecting():
            self._run_waiting()
        if stream_id == WORLD_STREAM_ID:
            self.keep_ticking()

    def keep_ticking(self) -> None:
        """Let the world run by itself while it is asynchronous and somebody looks at it."""
        if self._self_tick is not None:
            self._self_tick.cancel()
            self._self_tick = None
        if self._settings().synchronous_mode or not self._streams.is_heard(WORLD_STREAM_ID):
            return
        self._self_tick = self._loop.call_later(self.delta_s, self._tick_by_itself)

    def _is_expecting(self) -> bool:
        """Whether an announced subscription is still to come."""
        now_s = time.monotonic()
        self._expected = {
            stream_id: (count, until_s)
            for stream_id, (count, until_s) in self._expected.items()
            if until_s > now_s and self._streams.subscriptions(stream_id) < count
        }
        return bool(self._expected)

    def _run_waiting(self) -> None:
        if self._wait_timer is not None:
            self._wait_timer.cancel()
            self._wait_timer = None
        self._expected.clear()
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer.resolve()

    def _tick_by_itself(self) -> None:
        started_s = time.monotonic()
        try:
            self._step()
        except Exception:
            logger.exception("a step of the asynchronous world failed; it goes on")
        self.keep_ticking()
        if self._self_tick is not None:
            self._self_tick.cancel()
            left_s = max(started_s + self.delta_s - time.monotonic(), 0.0)
            self._self_tick = self._loop.call_later(left_s, self._tick_by_itself)
