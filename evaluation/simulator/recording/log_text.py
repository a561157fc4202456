"""The frame of every answer about a recording, in the form of CARLA's.

Programs read these texts (scenario_runner's metrics do).
"""

from __future__ import annotations

import time

from evaluation.simulator.recording.log_file import LogReader
from evaluation.simulator.recording.log_format import FrameStart

MOST_TEXT_CHARACTERS = 16 << 20
"""A text is one message, which neither side may choke on."""


class LogText:
    """Lines of an answer, up to `MOST_TEXT_CHARACTERS`."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._left = MOST_TEXT_CHARACTERS

    @property
    def is_full(self) -> bool:
        """Whether further lines are left out."""
        return self._left <= 0

    def add(self, line: str) -> None:
        """Append a line."""
        if self._left > 0:
            self._lines.append(line)
            self._left -= len(line) + 1

    def end(self, last: FrameStart, decimals: str = "g") -> str:
        """Return the text with what it ends with: how much was recorded."""
        if self._left <= 0:
            self._lines.append(f"... cut after {MOST_TEXT_CHARACTERS} characters")
        self._lines += ["", f"Frames: {last.number}"]
        self._lines.append(f"Duration: {last.elapsed_s:{decimals}} seconds\n")
        return "\n".join(self._lines)


def opening(reader: LogReader) -> LogText:
    """Return the text with what it begins with: where and when it was recorded."""
    text = LogText()
    date_s, town = reader.header
    try:
        date = time.strftime("%m/%d/%y %H:%M:%S", time.localtime(date_s))
    except (OverflowError, OSError, ValueError):
        date = "unknown"
    for line in ("Version: 1", f"Map: {town}", f"Date: {date}", ""):
        text.add(line)
    return text


def not_found(path: object) -> str:
    """Return CARLA's answer where there is no such recording."""
    return f"File {path} not found on server\n"
