"""Open-loop judging of a small model on made-up drives."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

import evaluation.open_loop.errors_on_dataset
import evaluation.open_loop.weights_and_frames
from evaluation.errors import UserError
from evaluation.open_loop.errors_on_dataset import Judged
from evaluation.open_loop.left_out import by_kind
from evaluation.open_loop.open_loop import open_loop
from evaluation.open_loop.settings import OpenLoopSettings
from evaluation.open_loop.summary import MEASURES, curves
from evaluation.reports.open_loop_page import Curve, chart
from model.checkpoint import save_checkpoint
from model.config import DEBUG
from model.driving import DrivingModel
from model.training.index import load_index, write_index
from model.training.synthetic import (
    SPEED_MPS,
    measurement,
    write_dataset,
    write_drive,
    write_json,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint and a dataset; in ``run`` what a training would leave."""
    folder = tmp_path_factory.mktemp("open_loop")
    write_dataset(folder / "data", drives=2, frames=26)
    torch.manual_seed(0)
    save_checkpoint(DrivingModel(DEBUG), folder / "checkpoint")
    save_checkpoint(DrivingModel(DEBUG), folder / "run" / "best")
    write_index(folder / "run" / "index.npz", load_index(folder / "data", "training"))
    data = {"root": str(folder / "data"), "validation_share": 0.5, "first_frame": 10}
    plain = {"seed": 1, "data": data}
    (folder / "run" / "settings.yaml").write_text(json.dumps(plain), encoding="utf-8")
    return folder


def settings_of(place: Path, out: Path, **changes: object) -> OpenLoopSettings:
    values: dict[str, object] = {
        "checkpoint": place / "checkpoint",
        "data": place / "data",
        "run": None,
        "split": "training",
        "out": out,
        "limit": 0,
        "worst": 2,
        "batch_size": 8,
        "shifted": False,
        "blackout": False,
        "device": "cpu",
    }
    return OpenLoopSettings(**{**values, **changes})  # type: ignore[arg-type]


def content_of(settings: OpenLoopSettings, console: Console | None = None) -> dict[str, Any]:
    assert open_loop(settings, console or Console(quiet=True)) == 0
    content: dict[str, Any] = json.loads((settings.out / "open_loop.json").read_text())
    return content


def judged(settings: OpenLoopSettings) -> dict[str, dict[str, float]]:
    return {record["name"]: record for record in content_of(settings)["errors"]}


def spoil(drive: Path, *frames: int) -> None:
    """Make the images of some frames unreadable."""
    for frame in frames:
        (drive / DEBUG.cameras[0].name / f"{frame:04d}.jpg").write_bytes(b"no image")


def test_judges_every_frame_and_writes_a_report(place: Path, tmp_path: Path) -> None:
    errors = judged(settings_of(place, tmp_path))
    assert errors["all"]["frames"] == 2 * 26
    assert all(np.isfinite(errors["all"][measure]) for measure in MEASURES)
    # On a circle of 50 m the plan straight on leaves the lane by the sagitta of its chord.
    circle_m = 50.0 * np.array([np.sin(0.2), 1.0 - np.cos(0.2)])
    expected = np.linalg.norm(circle_m - [10.0, 0.0])
    assert errors["straight on, same speed"]["route_10m"] == pytest.approx(expected, abs=0.02)
    chord_mps = 2.0 * 50.0 * np.sin(0.04 * 2 / 2) / 0.5
    assert errors["straight on, same speed"]["speed_mps"] == pytest.approx(
        abs(SPEED_MPS - chord_mps), abs=0.01
    )
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 3
    images = sorted((tmp_path / "worst").glob("*.jpg"))
    assert len(images) >= 2
    assert all(f"worst/{image.name}" in page for image in images)


def test_every_frame_has_the_standing_ones_too(place: Path, tmp_path: Path) -> None:
    drive = write_drive(
        tmp_path / "data" / "simlingo" / "training" / "a" / "b" / "Town_0", frames=12
    )
    for frame in (10, 11):
        write_json(drive / "measurements" / f"{frame:04d}.json.gz", measurement(frame, speed=0.0))
    console = Console(file=io.StringIO(), width=200)
    content = content_of(settings_of(place, tmp_path / "out", data=tmp_path), console)
    records = {record["name"]: record for record in content["errors"]}
    assert content["errors"][0]["name"] == "every frame"
    assert records["every frame"]["frames"] == content["frames"] == 12
    assert records["all"]["frames"] == 10
    assert records["standing"]["frames"] == 2
    routes = [
        records[name]["frames"] * records[name]["route_end"]
        for name in ("every frame", "all", "standing")
    ]
    assert routes[0] == pytest.approx(routes[1] + routes[2])
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index("<td>every frame</td><td>12</td>") < page.index("straight on")
    assert page.count(", every frame</text>") == 3
    assert isinstance(console.file, io.StringIO)
    assert "every frame" in console.file.getvalue()


def test_says_what_is_left_out(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One of four drives has other cameras.
    monkeypatch.setattr(evaluation.open_loop.weights_and_frames, "MAX_BROKEN_SHARE", 0.25)
    split = write_dataset(tmp_path, drives=6, frames=10)
    unfinished, bad, turned, *good = sorted(split.glob("*/*/Town_*"))
    (unfinished / "results.json.gz").unlink()
    crash = {"scores": {"score_composed": 0.0, "score_route": 9.0}, "infractions": {}}
    write_json(bad / "results.json.gz", crash)
    rig = [dataclasses.asdict(dataclasses.replace(c, x_m=c.x_m + 1.0)) for c in DEBUG.cameras]
    (turned / "rig.json").write_text(json.dumps(rig))
    (good[0] / "measurements" / "0004.json.gz").write_bytes(b"")
    spoil(good[1], 0, 1, 3)

    console = Console(file=io.StringIO(), width=60)
    # In batches of one frame, some have nothing that can be read.
    settings = settings_of(place, tmp_path / "out", data=tmp_path, batch_size=1)
    content = content_of(settings, console)
    named = {kind: found["named"] for kind, found in content["left_out"].items()}
    assert content["frames"] == 3 * 10 - 1 - 3
    assert {kind: found["number"] for kind, found in content["left_out"].items()} == {
        "drives without results": 1,
        "drives not driven well": 1,
        "broken drives": 0,
        "drives with other cameras": 1,
        "broken frames": 1,
        "frames with unreadable images": 3,
    }
    assert str(unfinished) in named["drives without results"][0]
    assert str(bad) in named["drives not driven well"][0]
    assert turned.name in named["drives with other cameras"][0]
    assert f"{good[0]}: frame 4" in named["broken frames"][0]
    assert str(good[1]) in named["frames with unreadable images"][2]
    assert isinstance(console.file, io.StringIO)
    (line,) = (line for line in console.file.getvalue().splitlines() if "Left out" in line)
    assert "1 drives without results, 1 drives not driven well, 1 broken frames" in line
    assert "3 frames with unreadable images" in line


def test_names_only_some_of_many(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.open_loop.left_out.MOST_NAMED", 1)
    split = write_dataset(tmp_path, drives=1, frames=10)
    spoil(split / "group" / "scenario" / "Town_0", 2, 5)
    content = content_of(settings_of(place, tmp_path / "out", data=tmp_path))
    left_out = content["left_out"]["frames with unreadable images"]
    assert left_out["number"] == 2
    assert len(left_out["named"]) == 1


def test_sorts_the_lines_of_an_index() -> None:
    lines = {
        "broken frames": ["/a/b: frame 3: no measurement", "/a/b: rgb/0003.jpg: missing or empty"],
        "drives without results": ["/a/b: no results.json.gz"],
        "drives not driven well": ["/a/b: not a good drive"],
        "broken drives": ["/a/b: ValueError: no measurements"],
    }
    assert by_kind([line for kind in lines.values() for line in kind]) == lines


def test_says_that_nothing_is_left_out(place: Path, tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    content_of(settings_of(place, tmp_path, limit=1, worst=0), console)
    assert isinstance(console.file, io.StringIO)
    assert "Left out: nothing\n" in console.file.getvalue()


def test_too_much_that_is_unreadable(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = write_dataset(tmp_path, drives=1, frames=10)
    drive = split / "group" / "scenario" / "Town_0"
    settings = settings_of(place, tmp_path / "out", data=tmp_path, batch_size=2, worst=0)
    spoil(drive, *range(9))
    assert content_of(settings)["frames"] == 1
    spoil(drive, 9)
    with pytest.raises(UserError, match=r"not one of 10 frames can be read; the first: .*0000"):
        open_loop(settings, Console(quiet=True))
    monkeypatch.setattr(evaluation.open_loop.errors_on_dataset, "FEWEST_FRAMES", 1)
    with pytest.raises(UserError, match="too many of the 10 frames cannot be read, 2 up to"):
        open_loop(settings, Console(quiet=True))


def test_held_out_drives_of_a_run(place: Path, tmp_path: Path) -> None:
    run = settings_of(place, tmp_path, run=place / "run", checkpoint=None, data=None)
    assert judged(run)["all"]["frames"] == 16


def test_a_run_on_other_data(place: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path, drives=1, frames=12)
    run = settings_of(place, tmp_path / "out", run=place / "run", checkpoint=None, data=tmp_path)
    assert judged(run)["every frame"]["frames"] == 12


def test_a_run_on_synthetic_data(place: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(place / "run", run)
    (run / "synthetic").symlink_to(place / "data")
    data = {"root": None, "validation_share": 0.5, "first_frame": 10}
    (run / "settings.yaml").write_text(json.dumps({"seed": 1, "data": data}), encoding="utf-8")
    settings = settings_of(place, tmp_path / "out", run=run, checkpoint=None, data=None, worst=0)
    assert judged(settings)["every frame"]["frames"] == 16


def test_a_run_names_only_what_it_held_out(place: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(place / "run", run)
    index = load_index(place / "data", "training")
    _, validation = index.split(0.5, 1)
    drives = [str(place / "data" / drive) for drive in index.drives]
    problems = [f"{drive}: frame 40: ValueError: no measurement" for drive in drives]
    changed = dataclasses.replace(index, problems=np.array([*problems, "/c: no results.json.gz"]))
    write_index(run / "index.npz", changed)
    left_out = content_of(
        settings_of(place, tmp_path / "out", run=run, checkpoint=None, data=None, worst=0)
    )["left_out"]
    assert left_out["broken frames"]["named"] == [problems[int(validation.drive[0])]]
    assert left_out["drives without results"]["number"] == 1


def test_a_run_without_validation(place: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(place / "run", run)
    (run / "best").rename(run / "checkpoint")
    settings = settings_of(place, tmp_path / "out", run=run, checkpoint=None, data=None, worst=0)
    assert judged(settings)["every frame"]["frames"] == 16

    data = {"root": str(place / "data"), "validation_share": 0.0, "first_frame": 10}
    (run / "settings.yaml").write_text(json.dumps({"seed": 1, "data": data}), encoding="utf-8")
    with pytest.raises(UserError, match="held out no drive"):
        open_loop(settings, Console(quiet=True))
    shutil.rmtree(run / "checkpoint")
    with pytest.raises(UserError, match="no checkpoint yet"):
        open_loop(settings, Console(quiet=True))


def test_controls_and_limits(place: Path, tmp_path: Path) -> None:
    plain = judged(settings_of(place, tmp_path / "plain", limit=4, worst=0))
    black = judged(settings_of(place, tmp_path / "black", limit=4, worst=0, blackout=True))
    shifted = judged(settings_of(place, tmp_path / "shifted", limit=4, worst=0, shifted=True))
    assert plain["all"]["frames"] == black["all"]["frames"] == 4
    assert len({record["all"]["wp_ade"] for record in (plain, black, shifted)}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, "expected --run, or --checkpoint and --data"),
        ({"data": Path("nowhere")}, "no such folder"),
        ({"checkpoint": Path("nowhere")}, "nowhere"),
        ({"run": Path("nowhere")}, "output folder of a training"),
        ({"checkpoint": None}, "expected --run, or --checkpoint and --data"),
        ({"device": "cuda:99"}, "device: 'cuda:99' asked for"),
        ({"device": "abacus"}, "device: expected cpu"),
        ({"batch_size": 0}, "--batch-size: expected at least 1, got 0"),
        ({"limit": -1}, "--limit: expected at least 0, got -1"),
    ],
)
def test_what_cannot_be_judged(
    place: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        open_loop(settings_of(place, tmp_path, **changes), Console(quiet=True))


def test_chart_of_nothing_but_zeros() -> None:
    curve = Curve("a < b", "s", "m", np.zeros(2), {"flat": np.zeros(2)})
    drawn = chart(curve)
    assert "a &lt; b" in drawn
    assert "nan" not in drawn


def test_where_no_label_holds_no_curve_is_drawn() -> None:
    nothing = np.full((3, 8), np.nan)
    route = np.ones((3, 8))
    drawn = curves(Judged(np.arange(3), {}, nothing, route, []))
    assert [list(curve.lines) for curve in drawn] == [[], ["mean", "median", "95 %"], []]
    assert "polyline" not in chart(drawn[0])
