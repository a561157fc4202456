"""The viewer is really started, and reached from this machine alone."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from evaluation.closed_loop.observers import rerun_viewer
from evaluation.closed_loop.observers.rerun_viewer import ViewerError, start_viewer
from evaluation.servers.ports import LOOPBACK, free_port

PROGRAM = "stand_in_viewer"
STAND_IN = """#!{python}
import os, socket, sys, time
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
open({told!r}, "w").write(f"{{os.getpid()}} {{words['--bind']}}")
with socket.create_server((words["--bind"], int(words["--port"]))):
    time.sleep(60.0)
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in that is on the PATH writes its process id and address."""
    told = tmp_path / "told"
    program = tmp_path / PROGRAM
    program.write_text(STAND_IN.format(python=sys.executable, told=str(told)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(rerun_viewer, "VIEWER_PROGRAM", PROGRAM)
    monkeypatch.setattr(rerun_viewer, "VIEWER_PORT", free_port())
    return told


def test_a_viewer_is_started_for_this_machine_alone(told: Path) -> None:
    try:
        assert start_viewer() == rerun_viewer.VIEWER_ADDRESS
        # The second drive finds the viewer of the first.
        first = told.read_text()
        start_viewer()
        assert told.read_text() == first
        assert first.split()[1] == LOOPBACK
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.kill(int(told.read_text().split()[0]), signal.SIGKILL)


def test_a_viewer_that_does_not_come_up_is_told(told: Path, tmp_path: Path) -> None:
    (tmp_path / PROGRAM).write_text(f"#!{sys.executable}\nraise SystemExit(3)\n")
    with pytest.raises(ViewerError, match=r"did not start.*--record"):
        start_viewer()


def test_a_viewer_that_listens_but_gets_no_window_is_told(told: Path, tmp_path: Path) -> None:
    program = tmp_path / PROGRAM
    program.write_text(program.read_text().replace("time.sleep(60.0)", "time.sleep(0.5)"))
    with pytest.raises(ViewerError, match=r"cannot open a window.*DISPLAY.*--record"):
        start_viewer()


def test_without_its_program_the_installation_is_named(told: Path, tmp_path: Path) -> None:
    (tmp_path / PROGRAM).unlink()
    with pytest.raises(ViewerError, match="pip install"):
        start_viewer()
