"""A simulator in a process of its own, for tests with the real client."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from evaluation.simulator.server import READY_PREFIX

ROOT = Path(__file__).parents[3]
END_TIMEOUT_S = 20.0


class RunningSimulator(NamedTuple):
    """Where a simulator listens, and its process."""

    port: int
    streaming_port: int
    town: str
    renderer: str | None
    process: subprocess.Popen[str]


def command(*arguments: str) -> list[str]:
    """Return the command line of a simulator."""
    return [sys.executable, "-m", "evaluation.simulator", *arguments]


@contextlib.contextmanager
def running_simulator(*arguments: str, stderr: int | None = None) -> Iterator[RunningSimulator]:
    """Start a simulator on free ports, wait until it is ready, and end it afterwards."""
    process = subprocess.Popen(
        command("--port", "0", "--log-level", "warning", *arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(READY_PREFIX), f"no ready line but {line!r}"
        facts = json.loads(line.removeprefix(READY_PREFIX))
        yield RunningSimulator(**facts, process=process)
    finally:
        process.terminate()
        process.communicate(timeout=END_TIMEOUT_S)
    assert process.returncode == 0, f"the simulator ended with {process.returncode}"
