"""Debug sessions end to end: saved and gone on with, replayed, read back, driven by hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.__main__ import main
from evaluation.closed_loop.hands_window import TITLE
from evaluation.closed_loop.session_files import TICKS_FILE, TracedTick, read_header, read_ticks
from tests.integration.probe_agents import write_agent
from tests.integration.test_drive import PROJECT, write_town
from tests.rerun_files import rows_of

pytestmark = pytest.mark.slow

SAVED_S = 3.0
WAIT_S = 600.0
DISPLAY_NUMBER = 93
GIVEN_BACK_S = 3.0


def ticks_of(folder: Path) -> list[TracedTick]:
    return list(read_ticks(folder, read_header(folder)))


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the shipped checkpoint has driven, with everything recorded."""
    folder = tmp_path_factory.mktemp("debug")
    arguments = ["--town", str(write_town(folder)), "--routes", str(folder / "routes.xml")]
    arguments += ["--route-ids", "0", "--no-video", "--save-state-at", f"{SAVED_S:g}"]
    recording = []
    try:
        import rerun  # noqa: F401

        recording = ["--record", str(folder / "drive.rrd")]
    except ImportError:
        pass
    assert main(["drive", *arguments, *recording, "--out", str(folder / "out")]) == 0
    return folder


def test_a_saved_drive_goes_on_with_the_same_trace(driven: Path) -> None:
    out = driven / "again"
    state = driven / "out" / f"state_{SAVED_S:g}.zip"
    assert main(["drive", "--from-state", str(state), "--no-video", "--record-inputs", "--out",
                 str(out)]) == 0  # fmt: skip
    before, after = ticks_of(driven / "out" / "inputs"), ticks_of(out / "inputs")
    assert len(before) == len(after)
    for then, now in zip(before, after, strict=True):
        assert now.answer == then.answer
        assert now.tick.time_s == then.tick.time_s
        np.testing.assert_array_equal(now.tick.location_world_m, then.tick.location_world_m)
        for name, (_, value) in then.inputs.items():
            np.testing.assert_equal(now.inputs[name][1], value)
    scores = [
        json.loads((folder / "results.json").read_text())["_checkpoint"]["records"][0]["scores"]
        for folder in (driven / "out", out)
    ]
    assert scores[0] == scores[1]


def test_the_same_checkpoint_replays_bit_by_bit_and_other_settings_do_not(
    driven: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = str(driven / "out" / "inputs")
    assert main(["replay", session]) == 0
    assert "all bit by bit equal" in capsys.readouterr().out
    assert main(["replay", session, "--agent-config", "jpeg_quality=10"]) == 1
    assert "The first is tick 1 at 0.05 s: route by" in capsys.readouterr().out


def test_the_recording_holds_the_agents_and_the_simulators_view(driven: Path) -> None:
    pytest.importorskip("rerun", reason="needs rerun: pip install 'simlingo-carla[debug]'")
    rows = rows_of(driven / "drive.rrd")
    ticks = len(ticks_of(driven / "out" / "inputs"))
    for entity in ("/world/ego", "/world/lights", "/plot/estimate_error", "/latency_ms/loop"):
        assert sum("tick" in row for row in rows[entity]) == ticks, entity
    errors = [row["Scalars:scalars"] for row in rows["/plot/estimate_error"] if "tick" in row]
    assert np.abs(np.array(errors)[:, :2]).max() < 1.0
    assert len(rows["/world/lanes"]) == 1


@pytest.fixture
def display() -> Iterator[str]:
    if shutil.which("Xvfb") is None or shutil.which("xdotool") is None:
        pytest.skip("needs Xvfb and xdotool (Debian: xvfb xdotool)")
    pytest.importorskip("pygame", reason="needs pygame: pip install 'simlingo-carla[debug]'")
    name = f":{DISPLAY_NUMBER}"
    server = subprocess.Popen(["Xvfb", name, "-screen", "0", "1280x800x24"], stderr=subprocess.PIPE)
    yield name
    server.terminate()
    server.wait()


def xdotool(display: str, *words: str) -> str:
    done = subprocess.run(
        ["xdotool", *words],
        env={**os.environ, "DISPLAY": display},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def window_of(display: str) -> str:
    """Number of the window to drive in, "" where there is none yet.

    xdotool searches by WM_NAME alone, which SDL leaves out; what it answers when asked for a name
    is _NET_WM_NAME, which SDL sets.
    """
    windows = xdotool(display, "search", "--onlyvisible", "").split()
    return next((one for one in windows if xdotool(display, "getwindowname", one) == TITLE), "")


def test_a_person_takes_over_in_a_window_and_gives_back(display: str, tmp_path: Path) -> None:
    town = write_town(tmp_path)
    agent = write_agent(tmp_path, "stand_still", step="return carla.VehicleControl(brake=1.0)")
    command = [sys.executable, "-m", "evaluation", "drive", "--agent", str(agent), "--manual"]
    command += ["--town", str(town), "--routes", str(tmp_path / "routes.xml"), "--route-ids", "0"]
    command += ["--no-video", "--record-inputs", "--out", str(tmp_path / "out")]
    run = subprocess.Popen(
        command,
        env={**os.environ, "DISPLAY": display, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    deadline_s = time.monotonic() + WAIT_S
    try:
        # The agent has to have driven before somebody takes over.
        ticks = tmp_path / "out" / "inputs" / TICKS_FILE
        while not (window := window_of(display)) or not (ticks.is_file() and ticks.stat().st_size):
            assert time.monotonic() < deadline_s, "no window"
            time.sleep(0.5)
        # Without a window manager nobody has the keyboard.
        xdotool(display, "windowfocus", window)
        xdotool(display, "keydown", "Up")
        for _ in range(3):
            xdotool(display, "key", "m")
            time.sleep(GIVEN_BACK_S)
        run.wait(max(deadline_s - time.monotonic(), 1.0))
    finally:
        run.kill()
        run.wait()
    results: dict[str, Any] = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["_checkpoint"]["records"][0]["scores"]["score_route"] == 100.0
    driven = [one.by_person for one in ticks_of(tmp_path / "out" / "inputs")]
    turns = [driver for driver, _ in groupby(driven)]
    assert turns[-4:] == [False, True, False, True]
