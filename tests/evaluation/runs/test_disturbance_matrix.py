"""Several disturbances are several drives in folders of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from evaluation.closed_loop.disturbances import parse_disturbances
from evaluation.runs import disturbance_matrix
from evaluation.runs.disturbance_matrix import drive_disturbed
from evaluation.runs.settings import DriveSettings

SCORES = {"clean": 80.0, "delay=2": 60.0, "delay=10": 0.0}


def test_a_matrix_tells_what_each_disturbance_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driven = []

    def drive(settings: DriveSettings, console: Console) -> int:
        driven.append(settings.out)
        score = {"scores": {"score_composed": SCORES[settings.disturbances.name]}}
        settings.out.mkdir()
        content = {"_checkpoint": {"progress": [1, 1], "records": [score]}}
        (settings.out / "results.json").write_text(json.dumps(content))
        return int(settings.disturbances.delay == 10)

    monkeypatch.setattr(disturbance_matrix, "drive", drive)
    settings = DriveSettings(out=tmp_path)
    cells = parse_disturbances(["delay=0,2,10"])
    assert drive_disturbed(settings, cells, Console(quiet=True)) == 1
    assert driven == [tmp_path / name for name in SCORES]
    table = json.loads((tmp_path / "disturbances.json").read_text())
    assert table["delay=2"] == {"driving_score": 60.0, "relative_drop": 0.25}
    assert table["delay=10"]["relative_drop"] == 1.0
