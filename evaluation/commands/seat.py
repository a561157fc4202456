"""Where a person sits who drives by hand: a window where there is a display, else the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluation.closed_loop.hands import KEYS_HELP, HandsSettings
from evaluation.closed_loop.hands_terminal import typed_keys
from evaluation.closed_loop.hands_window import NoWindowError, open_display


@contextmanager
def seat(paused: bool) -> Iterator[HandsSettings]:
    """Raises NoWindowError where there is neither a display nor a terminal."""
    if any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        # Looked after here, before a simulator is started; the window is the driving process's.
        open_display().display.quit()
        yield HandsSettings(paused=paused)
        return
    if not sys.stdin.isatty():
        raise NoWindowError(
            "--manual and --step: neither a display nor a terminal here; set DISPLAY, or start it "
            "from a terminal"
        )
    print(f"Keys in this terminal: {KEYS_HELP}")
    with tempfile.TemporaryDirectory(prefix="keys_") as folder:
        pipe = Path(folder) / "keys"
        with typed_keys(pipe):
            yield HandsSettings(pipe, paused)
