"""Which GPU a worker is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.servers.gpus import VARIABLE, pin_gpu, visible_gpus


@pytest.mark.parametrize(
    ("visible", "installed", "given"),
    [
        (None, 0, [None, None, None]),
        (None, 1, [None, None, None]),
        (None, 2, ["0", "1", "0"]),
        ("2,5", 8, ["2", "5", "2"]),
        ("GPU-5f, GPU-60", 8, ["GPU-5f", "GPU-60", "GPU-5f"]),
        ("3", 8, ["3", "3", "3"]),
        ("", 8, ["", "", ""]),
        ("-1", 8, ["-1", "-1", "-1"]),
    ],
)
def test_workers_take_turns(
    visible: str | None, installed: int, given: list[str | None], tmp_path: Path
) -> None:
    for number in range(installed):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    for place, wanted in enumerate(given):
        environment = {} if visible is None else {VARIABLE: visible}
        pin_gpu(place, environment, tmp_path)
        assert environment.get(VARIABLE) == wanted


def test_a_machine_without_the_driver_has_none(tmp_path: Path) -> None:
    assert visible_gpus({}, tmp_path / "none") == ()
