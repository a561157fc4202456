"""Open-loop judging of a small model on made-up drives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from evaluation.open_loop import MEASURES, OpenLoopSettings, open_loop
from evaluation.open_loop_report import Curve, chart
from evaluation.problems import ProblemError
from model.checkpoint import save_checkpoint
from model.config import DEBUG
from model.driving import DrivingModel
from model.training.index import load_index, write_index
from tests.model.training.recording import SPEED_MPS, write_dataset


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


def judged(settings: OpenLoopSettings) -> dict[str, dict[str, float]]:
    assert open_loop(settings, Console(quiet=True)) == 0
    content = json.loads((settings.out / "open_loop.json").read_text())
    return {record["name"]: record for record in content["errors"]}


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
    pictures = sorted((tmp_path / "worst").glob("*.jpg"))
    assert len(pictures) >= 2
    assert all(f"worst/{picture.name}" in page for picture in pictures)


def test_held_out_drives_of_a_run(place: Path, tmp_path: Path) -> None:
    run = settings_of(place, tmp_path, run=place / "run", checkpoint=None, data=None)
    assert judged(run)["all"]["frames"] == 16


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
    ],
)
def test_what_cannot_be_judged(
    place: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ProblemError, match=message):
        open_loop(settings_of(place, tmp_path, **changes), Console(quiet=True))


def test_chart_of_nothing_but_zeros() -> None:
    curve = Curve("a < b", "s", "m", np.zeros(2), {"flat": np.zeros(2)})
    drawn = chart(curve)
    assert "a &lt; b" in drawn
    assert "nan" not in drawn
