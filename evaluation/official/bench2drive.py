"""Bench2Drive's evaluator starts `$CARLA_ROOT/CarlaUE4.sh` by itself, on a port of its own choice,
and kills it by itself. It is given a folder whose CarlaUE4.sh starts the server that is wanted."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from evaluation.official.carla_server import COMMAND_FILE, GROUPS_FILE

SCRIPT = "CarlaUE4.sh"


@contextmanager
def carla_root(command: Sequence[str]) -> Iterator[Path]:
    """A folder to give as CARLA_ROOT; no server that was started from it outlives the context.

    command: see `carla_server.server_command`.
    """
    with TemporaryDirectory(prefix="carla_root_") as name:
        folder = Path(name)
        (folder / COMMAND_FILE).write_text(json.dumps(list(command)), encoding="utf-8")
        script = folder / SCRIPT
        launcher = [sys.executable, "-m", "evaluation.official.carla_server", str(folder)]
        script.write_text(f'#!/bin/sh\nexec {shlex.join(launcher)} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        try:
            yield folder
        finally:
            _end_servers(folder / GROUPS_FILE)


def _end_servers(groups: Path) -> None:
    if not groups.exists():
        return
    for group in map(int, groups.read_text(encoding="utf-8").split()):
        # Most often the evaluator has ended it.
        if group != os.getpgrp():
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
