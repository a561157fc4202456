"""All checks in turn, and what the command makes of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation.__main__ import main
from evaluation.doctor import examine as examination
from evaluation.doctor.examine import CHECKS, examine
from evaluation.doctor.finding import Finding, Plan, ok
from evaluation.doctor.task import check_rig
from evaluation.errors import UserError
from evaluation.servers.ports import free_port
from model.checkpoint import SHIPPED
from tests.evaluation.official.fake_checkouts import environment_of, write_scenario_runner
from tests.shapes import PROJECT

DEMO_ROUTE = PROJECT / "evaluation" / "data" / "demo_route.xml"


def refuse(plan: Plan) -> Finding:
    raise UserError("no map; get one")


def fail(plan: Plan) -> Finding:
    raise OSError("disk on fire")


def test_a_check_that_fails_is_a_finding() -> None:
    checks = {"refuses": refuse, "fails": fail, "works": lambda _: ok("works", "well")}
    refused, failed, worked = examine(Plan(), checks)
    assert refused == Finding("refuses", "wrong", "no map", "get one")
    assert failed.level == "wrong"
    assert "OSError: disk on fire" in failed.text
    assert worked.level == "ok"


@pytest.mark.parametrize(
    ("finding", "code"),
    [
        (ok("a", "well"), 0),
        (Finding("a", "warning", "so", "do"), 0),
        (Finding("a", "wrong", "x"), 1),
    ],
)
def test_the_exit_code_tells_whether_something_must_be_mended(
    monkeypatch: pytest.MonkeyPatch, finding: Finding, code: int
) -> None:
    monkeypatch.setattr(examination, "examine", lambda _: [finding])
    assert main(["doctor"]) == code


def test_lines_fit_a_terminal_and_name_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = Finding("maps", "wrong", "[Town01] is missing " + "far " * 30, "get it")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(examination, "examine", lambda _: [finding])
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("wrong   maps        [Town01] is missing far")
    assert lines[-1].strip() == "-> get it"
    assert max(map(len, lines)) <= 80


@pytest.mark.slow
def test_a_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json", "--routes", str(DEMO_ROUTE)])
    findings = [Finding(**entry) for entry in json.loads(capsys.readouterr().out)]
    assert [finding.name for finding in findings] == list(CHECKS)
    assert code == int(any(finding.level == "wrong" for finding in findings))
    assert not [finding for finding in findings if "check failed" in finding.text]


HEAVY = ("renderer", "torch")
"""Checks that take seconds, and that none of the set-ups below is about."""


def spoil_checkpoint(folder: Path) -> list[str]:
    copy = Path(shutil.copytree(SHIPPED / "nano", folder / "checkpoint"))
    (copy / "model.safetensors").write_bytes(b"version https://git-lfs")
    return ["--agent-config", str(copy)]


def move_cameras(folder: Path) -> list[str]:
    copy = Path(shutil.copytree(SHIPPED / "nano", folder / "checkpoint"))
    config = json.loads((copy / "config.json").read_text())
    for camera in config["cameras"]:
        camera["z_m"] = 3.5
    (copy / "config.json").write_text(json.dumps(config))
    return ["--agent-config", str(copy)]


def name_missing_map(folder: Path) -> list[str]:
    routes = folder / "routes.xml"
    routes.write_text(DEMO_ROUTE.read_text().replace('town="Demo"', 'town="Town77"'))
    return ["--routes", str(routes)]


def mix_checkouts(folder: Path) -> list[str]:
    environment = environment_of(folder)
    other = write_scenario_runner(folder / "other", "master")
    return [
        *("--leaderboard-root", environment["LEADERBOARD_ROOT"]),
        *("--scenario-runner-root", str(other)),
        *("--carla-agents", environment["CARLA_AGENTS_ROOT"]),
    ]


def name_silent_server(folder: Path) -> list[str]:
    return ["--simulator", f"carla://127.0.0.1:{free_port()}"]


@pytest.mark.parametrize(
    ("set_up", "sick", "fix"),
    [
        (spoil_checkpoint, ["checkpoint"], "--agent-config"),
        (move_cameras, ["rig"], "within the limits"),
        (name_missing_map, ["routes"], "--towns DIR"),
        (mix_checkouts, ["evaluator", "rig"], "scenario_runner"),
        (name_silent_server, ["server"], "start CARLA there"),
    ],
)
def test_sick_set_ups(
    set_up: Callable[[Path], list[str]],
    sick: list[str],
    fix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each is found where it is, named with what to do, and takes nothing else with it."""
    for name in ("LEADERBOARD_ROOT", "SCENARIO_RUNNER_ROOT", "BENCH2DRIVE_ROOT"):
        monkeypatch.delenv(name, raising=False)
    light = {name: check for name, check in CHECKS.items() if name not in HEAVY}
    monkeypatch.setattr(examination, "examine", lambda plan: examine(plan, light))
    assert main(["doctor", "--json", *set_up(tmp_path)]) == 1
    findings = [Finding(**entry) for entry in json.loads(capsys.readouterr().out)]
    wrong = [finding for finding in findings if finding.level == "wrong"]
    assert [finding.name for finding in wrong] == sick
    assert any(fix in finding.fix or fix in finding.text for finding in wrong)


def test_the_validation_of_a_checkout_is_asked_about_the_rig(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    agents = Path(environment["LEADERBOARD_ROOT"]) / "leaderboard" / "autoagents"
    agents.mkdir()
    (agents / "autonomous_agent.py").write_text("def Track(name): return name\n")
    refusing = (
        "def validate_sensor_configuration(sensors, agent_track, selected_track):\n"
        "    assert agent_track == selected_track == 'SENSORS'\n"
        "    if any(sensor['width'] > 100 for sensor in sensors if 'width' in sensor):\n"
        "        raise ValueError('images are too wide')\n"
    )
    (agents / "agent_wrapper.py").write_text(refusing)
    plan = Plan(environment=environment)
    finding = check_rig(plan)
    assert finding.level == "wrong"
    assert finding.text == "leaderboard-2.0 refuses it: images are too wide"
    (agents / "agent_wrapper.py").write_text(refusing.replace("> 100", "> 10000"))
    assert check_rig(plan).text.endswith("says leaderboard-2.0's own validation")
