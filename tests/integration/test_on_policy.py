"""A network drives, the expert labels, and a training reads it: on a real simulator."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from agent.settings import DEFAULT_CHECKPOINT
from evaluation.__main__ import main
from evaluation.closed_loop.pulse import Pulse
from evaluation.routes.route_file import read_routes
from evaluation.runs.job import Job
from evaluation.runs.worker import RouteWorker
from evaluation.servers.embedded import ServerSettings
from evaluation.servers.session import SessionSettings
from model.training.index import load_index
from tests.integration.probe_agents import write_agent
from tests.integration.test_drive import ROUTES, write_town

pytestmark = pytest.mark.slow


def test_what_a_network_drives_is_labelled_by_the_expert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_town(tmp_path)
    (tmp_path / "routes.xml").write_text(ROUTES.partition('  <route id="1"')[0] + "</routes>")
    out = tmp_path / "out"
    arguments = ["collect", "--out", str(out), "--routes", str(tmp_path / "routes.xml")]
    arguments += ["--towns-folder", str(tmp_path), "--jobs", "1"]
    arguments += ["--driver", str(DEFAULT_CHECKPOINT), "--labels", "expert"]
    assert main(arguments) == 0

    (drive,) = (out / "data" / "simlingo" / "training" / "routes" / "lane_following").iterdir()
    results = json.loads(gzip.decompress((drive / "results.json.gz").read_bytes()))
    assert results["labels"] == "expert"
    index = load_index(out, "training")
    assert len(index) > 20
    # To its last frame, unlike the positions of a drive.
    assert np.isfinite(index.waypoints_ego_m).all()
    # The network is held at its start; the expert would have gone: it is not the one who drives.
    assert index.speeds_mps[1, 0] < 0.5
    assert index.waypoints_ego_m[1, -1, 0] > 2.0

    capsys.readouterr()
    assert main(arguments) == 0
    assert "1 routes, 1 of them finished before" in capsys.readouterr().out


def test_a_drive_for_examples_ends_far_from_its_route(tmp_path: Path) -> None:
    town = write_town(tmp_path)
    (route, _) = read_routes(tmp_path / "routes.xml")
    swerves = write_agent(
        tmp_path, "swerves", step="return carla.VehicleControl(throttle=0.5, steer=0.4)"
    )
    session = SessionSettings(ServerSettings(str(town)))
    job = Job("swerves", 0, route, swerves, "", session, until_mishap=True)
    worker = RouteWorker(0, tmp_path, Pulse(), lambda _kind, _content: None)
    try:
        result = worker.drive(job)
    finally:
        worker.close()
    assert result.status == "Failed - Far from the route"
    assert result.is_finished
    # Long before the leaderboard would end it, 30 m away.
    assert result.extra["ticks"] < 200
