"""Files of saved drives, and those that are none."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from evaluation.__main__ import CANNOT_BEGIN, main
from evaluation.closed_loop.saved_drive import (
    DRIVE_FILE,
    SavedActors,
    SavedDrive,
    SavedDriveError,
    open_saved_drive,
    save_drive,
)
from evaluation.routes.route import Route, WeatherPoint
from tests.evaluation.closed_loop.session_samples import write_session

ROUTE = Route(
    "3", "Demo", ((0.0, 1.0, 0.0), (5.0, 1.0, 0.0)), (WeatherPoint(0.0, (("wetness", 3.0),)),)
)
SAVED = SavedDrive(
    ROUTE, "demo", 4, SavedActors(20, 21, {"rgb": 22}, (30, 31)), 1.5, 12, b"a world"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_session(tmp_path / "session")
    save_drive(tmp_path / "state.zip", SAVED, tmp_path / "session")
    return tmp_path / "state.zip"


def test_everything_comes_back(file: Path) -> None:
    with open_saved_drive(file) as saved:
        assert saved.route == ROUTE
        assert saved.actors == SAVED.actors
        assert saved.world == b"a world"
        assert (saved.town, saved.seed, saved.start_s, saved.weather_percent) == (
            "demo",
            4,
            1.5,
            12,
        )
        assert len(list(saved.ticks())) == 6
        folder = saved.folder
    assert not folder.exists()


def test_nothing_half_written_is_left(file: Path) -> None:
    assert [path.name for path in file.parent.glob("*.part")] == []


def rewritten(file: Path, **changes: object) -> None:
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[DRIVE_FILE] = json.dumps({**json.loads(parts[DRIVE_FILE]), **changes}).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_another_format_names_both(file: Path) -> None:
    rewritten(file, format=99)
    with pytest.raises(SavedDriveError, match="format 99, this program reads 1; save it anew"):
        open_saved_drive(file).__enter__()


@pytest.mark.parametrize("changes", [{"actors": {}}, {"route": None}, {"start_s": "soon"}])
def test_damaged_contents_are_named(file: Path, changes: dict[str, object]) -> None:
    rewritten(file, **changes)
    with pytest.raises(SavedDriveError, match=r"not a saved drive .*--save-state-at S writes one"):
        open_saved_drive(file).__enter__()


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_cut_file_is_named(file: Path, kept: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(SavedDriveError, match="not a saved drive"):
        open_saved_drive(file).__enter__()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--town", "generated:3"], "was saved in demo; leave out --town"),
        (["--routes", "some.xml"], "the route is in the file; leave out --routes"),
        (["--simulator", "carla://localhost:1"], "leave out --simulator"),
    ],
)
def test_what_does_not_fit_a_saved_drive_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert main(["drive", "--from-state", str(file), *out, *more]) == CANNOT_BEGIN
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--predict", "", "--no-video"], "add --record FILE.rrd"),
        (["--record", "a.mp4"], "a recording's name ends in .rrd"),
        (["--manual"], "neither a display nor a terminal"),
        (["--step"], "neither a display nor a terminal"),
        (["--from-state", "missing.zip"], "not a saved drive"),
    ],
)
def test_debug_sessions_that_cannot_be_are_refused_with_the_fix(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(["drive", "--out", str(tmp_path / "out"), *arguments]) == CANNOT_BEGIN
    assert message in capsys.readouterr().err


def test_no_display_and_no_viewer_is_told_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rerun", reason="needs rerun: pip install 'simlingo-carla[debug]'")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    # Nobody listens there.
    monkeypatch.setattr("evaluation.closed_loop.observers.rerun_viewer.VIEWER_PORT", 1)
    assert main(["drive", "--viewer", "rerun", "--out", str(tmp_path / "out")]) == CANNOT_BEGIN
    assert "no display here; write a recording with --record" in capsys.readouterr().err


def test_a_missing_rerun_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    arguments = ["drive", "--record", "a.rrd", "--out", str(tmp_path / "out")]
    assert main(arguments) == CANNOT_BEGIN
    assert "pip install 'simlingo-carla[debug]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
