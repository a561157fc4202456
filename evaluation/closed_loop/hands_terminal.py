"""Keys of a person at a terminal, for machines without a display.

A terminal tells of keys that go down, never up: a driving key counts as held for a moment. The
process that drives has no terminal of its own; whoever has it writes the keys, one name a line,
into a pipe that both open by its path.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from evaluation.closed_loop.hands import DRIVING_KEYS, Keys, Scene, Wheel

HELD_S = 0.4
LOOK_S = 0.05
POLL_S = 0.1
ESCAPES = {"A": "up", "B": "down", "C": "right", "D": "left"}
"""Last letter of what a terminal sends for an arrow key (ECMA-48: ESC [ letter)."""
ENTER_STEPS = {"\n": "n", "\r": "n", " ": "n"}


class KeyPipe:
    """Reads names of keys from a pipe, at the pace of the simulated time."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._rest = ""
        self._until_s: dict[str, float] = {}
        self._next_s = time.monotonic()

    def look(self, scene: Scene, wheel: Wheel) -> Keys:
        """Waits for the next twentieth of a second, returns the keys since the last look."""
        time.sleep(max(self._next_s - time.monotonic(), 0.0))
        self._next_s = max(self._next_s + LOOK_S, time.monotonic())
        try:
            data = os.read(self._descriptor, 1 << 12).decode()
        except BlockingIOError:
            data = ""
        *pressed, self._rest = (self._rest + data).split("\n")
        now_s = time.monotonic()
        self._until_s.update({key: now_s + HELD_S for key in pressed if key in DRIVING_KEYS})
        held = frozenset(key for key, until_s in self._until_s.items() if until_s > now_s)
        return Keys(tuple(pressed), held)

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def typed_keys(path: Path, terminal: IO[str] = sys.stdin) -> Iterator[None]:
    """Makes the pipe and, while the block runs, passes on what is typed at a terminal."""
    os.mkfifo(path)
    # Both ways, so that opening it waits for nobody and nobody's leaving ends it.
    pipe = os.open(path, os.O_RDWR)
    before = termios.tcgetattr(terminal)
    ended = threading.Event()
    tty.setcbreak(terminal)
    thread = threading.Thread(target=_pass_on, args=(terminal.fileno(), pipe, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        os.close(pipe)
        path.unlink()


def _pass_on(terminal: int, pipe: int, ended: threading.Event) -> None:
    while not ended.is_set():
        ready, _, _ = select.select([terminal], [], [], POLL_S)
        if ready:
            text = os.read(terminal, 64).decode(errors="ignore")
            os.write(pipe, "".join(f"{key}\n" for key in names_of(text)).encode())


def names_of(text: str) -> list[str]:
    """Names of the keys behind what a terminal sent."""
    names, rest = [], text
    while rest:
        if rest.startswith("\x1b[") and rest[2:3] in ESCAPES:
            names.append(ESCAPES[rest[2]])
            rest = rest[3:]
            continue
        names.append(ENTER_STEPS.get(rest[0], rest[0].lower()))
        rest = rest[1:]
    return names
