"""A criterion that judges while the simulator works on the next tick."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from threading import Thread

from evaluation.scoring.tick import Criterion, Infraction, Tick


class Meanwhile:
    """Steps a criterion in a thread of its own, in order.

    Only for one whose `step` finds nothing: all that it finds it tells at the end, in `finish`,
    which waits for the thread. Until then its attributes may lag behind. What it raises is raised
    by the next call here.
    """

    def __init__(self, criterion: Criterion) -> None:
        self._criterion = criterion
        self._ticks: SimpleQueue[Tick | None] = SimpleQueue()
        self._error: Exception | None = None
        self._thread: Thread | None = None

    def step(self, tick: Tick) -> Sequence[Infraction]:
        if self._error is not None:
            raise self._error
        if self._thread is None:
            # A daemon: a drive that is broken off by Ctrl-C ends without `finish`.
            self._thread = Thread(target=self._judge, name="criterion", daemon=True)
            self._thread.start()
        self._ticks.put(tick)
        return ()

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        if self._thread is not None:
            self._ticks.put(None)
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self._criterion.finish(tick)

    def _judge(self) -> None:
        try:
            while (tick := self._ticks.get()) is not None:
                self._criterion.step(tick)
        except Exception as error:  # noqa: BLE001 (raised by the next call)
            self._error = error
