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

from evaluation.official.carla_server import COMMAND_FILE, SERVERS_FILE

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
            _end_servers(folder / SERVERS_FILE)


def has_ended(folder: Path) -> bool:
    """Whether the server that was started last is gone again; False before one was started."""
    servers = _servers(folder / SERVERS_FILE)
    if not servers:
        return False
    try:
        # The state follows the name, which stands in brackets. Nobody may have waited for it yet.
        return Path(f"/proc/{servers[-1][1]}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _end_servers(file: Path) -> None:
    for group, _ in _servers(file):
        # Most often the evaluator has ended it.
        if group != os.getpgrp():
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def _servers(file: Path) -> list[tuple[int, int]]:
    """Process group and process of each server that was started."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [(int(group), int(process)) for group, process in map(str.split, lines)]
