"""Checks of what shall be run, in right and wrong circumstances."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import carla
import pytest

from evaluation.doctor.examine import examine
from evaluation.doctor.finding import Plan
from evaluation.doctor.task import (
    check_checkpoint,
    check_evaluator,
    check_rig,
    check_routes,
    check_server,
)
from evaluation.official import checkouts, installation, setup_check
from evaluation.official.checkouts import Roots
from model.checkpoint import CONFIG_FILE, SHIPPED, WEIGHTS_FILE, load_config
from model.config import ModelConfig
from tests.evaluation.official.fake_checkouts import environment_of, write_scenario_runner
from tests.shapes import PROJECT

ADDRESS = "carla://localhost:2000"
DEMO_ROUTE = PROJECT / "evaluation" / "data" / "demo_route.xml"
NANO = SHIPPED / "nano"


class FakeClient:
    """Answers as a server of `running`; does not answer where that is empty."""

    running = ""

    def __init__(self, host: str, port: int) -> None: ...

    def set_timeout(self, timeout_s: float) -> None: ...

    def get_server_version(self) -> str:
        if not self.running:
            raise RuntimeError("time-out")
        return self.running

    def get_available_maps(self) -> list[str]:
        return ["/Game/Carla/Maps/Town01"]


@pytest.mark.parametrize(
    ("running", "level", "said"),
    [
        ("0.9.16", "ok", "as the wheel"),
        ("0.9.16-12-gabc", "ok", "as the wheel"),
        ("0.9.15", "wrong", "latitude falls"),
        ("0.9.10", "wrong", "not supported"),
        ("", "wrong", "nobody answers at localhost:2000"),
    ],
)
def test_server(monkeypatch: pytest.MonkeyPatch, running: str, level: str, said: str) -> None:
    monkeypatch.setattr("evaluation.doctor.task.version", lambda _: "0.9.16")
    monkeypatch.setattr(FakeClient, "running", running)
    monkeypatch.setattr(carla, "Client", FakeClient)
    finding = check_server(Plan(simulator=ADDRESS))
    assert finding.level == level
    assert said in finding.text
    assert bool(finding.fix) == (level == "wrong")


def test_an_embedded_server_always_fits() -> None:
    assert check_server(Plan()).level == "ok"


def test_evaluators_that_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert check_evaluator(Plan()).text == "no official one is asked for"
    monkeypatch.setattr(installation, "missing_packages", list)
    monkeypatch.setattr(setup_check, "import_fault", lambda _: None)
    plan = Plan(environment=environment_of(tmp_path))
    assert check_evaluator(plan).level == "ok"
    monkeypatch.setattr(setup_check, "import_fault", lambda _: "ModuleNotFoundError: srunner")
    finding = check_evaluator(plan)
    assert finding.level == "wrong"
    assert "ModuleNotFoundError: srunner" in finding.text


def test_packages_of_the_evaluators_that_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installation, "missing_packages", lambda: ["dictor"])
    plan = Plan(environment=environment_of(tmp_path))
    (finding,) = examine(plan, {"evaluator": check_evaluator})
    assert finding.text == "the official code needs dictor"
    assert finding.fix.startswith("make leaderboard-environment")


def test_evaluators_that_do_not_fit(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    other = write_scenario_runner(tmp_path / "other", "master")
    with pytest.raises(checkouts.CheckoutError, match="master branch of scenario_runner"):
        check_evaluator(Plan(roots=Roots(scenario_runner=other), environment=environment))


def test_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_routes(Plan()).level == "ok"
    assert check_routes(Plan(routes=DEMO_ROUTE)).text == "1 in Demo: all maps are there"
    monkeypatch.setattr(carla, "Client", FakeClient)
    with pytest.raises(ValueError, match="has no town Demo; it has Town01"):
        check_routes(Plan(routes=DEMO_ROUTE, simulator=ADDRESS))


def test_a_route_file_whose_map_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "routes.xml"
    path.write_text(DEMO_ROUTE.read_text().replace('town="Demo"', 'town="Town77"'))
    finding = check_routes(Plan(routes=path))
    assert finding.level == "wrong"
    assert "Town77" in finding.text
    assert "--towns DIR" in finding.fix


def test_a_checkpoint_of_this_version() -> None:
    finding = check_checkpoint(Plan(agent_config=str(NANO)))
    assert finding.level == "ok"
    assert "2.8 M parameters" in finding.text
    assert check_rig(Plan(agent_config=str(NANO))).level == "ok"


def test_a_device_that_is_not_there() -> None:
    finding = check_checkpoint(Plan(agent_config="device=cuda:63"))
    assert finding.level == "wrong"
    assert "device=auto" in finding.fix


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkpoint that may be spoilt."""
    return Path(shutil.copytree(NANO, tmp_path / "checkpoint"))


def test_a_checkpoint_that_cannot_be_read(copy: Path) -> None:
    (copy / WEIGHTS_FILE).write_bytes(b"version https://git-lfs")
    finding = check_checkpoint(Plan(agent_config=str(copy)))
    assert finding.level == "wrong"
    assert WEIGHTS_FILE in finding.text
    (copy / CONFIG_FILE).write_text('{"of another": "version"}')
    plan = Plan(agent_config=str(copy))
    assert CONFIG_FILE in check_checkpoint(plan).text
    assert check_rig(plan).level == "wrong"
    assert check_rig(plan).fix == check_checkpoint(plan).fix


def test_a_rig_that_the_leaderboard_refuses(copy: Path) -> None:
    config: ModelConfig = load_config(copy)
    cameras = tuple(dataclasses.replace(camera, z_m=3.5) for camera in config.cameras)
    (copy / CONFIG_FILE).write_text(dataclasses.replace(config, cameras=cameras).to_json())
    finding = check_rig(Plan(agent_config=str(copy)))
    assert finding.level == "wrong"
    assert "vehicle's origin" in finding.text
