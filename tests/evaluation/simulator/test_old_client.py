"""The 0.9.15 wheel against a simulator that speaks its version."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from evaluation.servers.ports import free_port
from tests.evaluation.simulator.server_process import running_simulator

OLD_PYTHON = os.environ.get("CARLA_0915_PYTHON", "")


@pytest.mark.skipif(
    not OLD_PYTHON,
    reason="needs an old client: CARLA_0915_PYTHON=PATH of a Python 3.10 with carla 0.9.15",
)
def test_old_client_drives(tiny_towns: Path) -> None:
    script = str(Path(__file__).with_name("old_client_session.py"))
    town = str(tiny_towns / "tiny.xodr")
    with running_simulator("--town", town, "--client-version", "0.9.15") as running:
        done = subprocess.run(
            [OLD_PYTHON, script, str(running.port), str(free_port())],
            capture_output=True,
            text=True,
            timeout=240.0,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert (seen["client"], seen["server"]) == ("0.9.15", "0.9.15")
    assert seen["base_type"] == "car"
    assert len(seen["color"].split(",")) == 3
    assert seen["box_length_m"] == pytest.approx(4.89, abs=1e-3)
    assert seen["speed_limit_kmh"] == pytest.approx(40.0)
    assert seen["latitude_error_deg"] == pytest.approx(0.0, abs=1e-8)
    assert seen["longitude_error_deg"] == pytest.approx(0.0, abs=1e-8)
    assert seen["image_bytes"] == 64 * 48 * 4
    assert seen["error"] == ""
    assert seen["car_speed_mps"] > 2.0
    assert seen["car_offset_m"] < 0.3
