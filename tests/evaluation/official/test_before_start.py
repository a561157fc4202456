"""What is wrong with a run is said before anything long starts."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.official.before_start import (
    AgentFileError,
    require_agent,
    require_official_scenarios,
    require_scenarios,
    require_towns_among,
    routes_of_subset,
    town_to_start,
)
from evaluation.official.checkouts import LEADERBOARD_2_1, LEADERBOARD_MASTER, Roots
from evaluation.official.installation import PackageMissingError, require_packages
from evaluation.official.leaderboard import LeaderboardSettings, run_leaderboard
from evaluation.official.results import OfficialResultsError
from evaluation.routes.route import Route, RouteFileError, WeatherPoint
from evaluation.routes.route_file import read_routes
from evaluation.routes.towns import TownSpecError
from evaluation.servers.embedded import SimulatorError
from evaluation.servers.installed_carla import binary_of
from evaluation.servers.ports import PortInUseError
from evaluation.servers.session import SimulatorAddressError
from tests.evaluation.official.fake_checkouts import environment_of, write_agents, write_bench2drive
from tests.evaluation.scoring.roads import straight_opendrive

PROJECT = Path(__file__).parents[3]
ROUTES = Path(__file__).with_name("routes.xml")
BY_HAND = Path(__file__).with_name("scenario_types.xml")
EXPERT = PROJECT / "agent" / "expert_agent.py"
DEMO_ROUTE = PROJECT / "evaluation" / "data" / "demo_route.xml"


def route(town: str, route_id: str = "0") -> Route:
    return Route(route_id, town, ((0.0, 0.0, 0.0), (9.0, 0.0, 0.0)), source=Path("some.xml"))


@pytest.mark.parametrize("name", ["simlingo_agent.py", "expert_agent.py", "blind_agent.py"])
def test_our_agents_are_agents(name: str) -> None:
    require_agent(PROJECT / "agent" / name)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("agent.py", None, "no such agent file"),
        ("agent.txt", "def get_entry_point(): ...", "called like a module"),
        ("my-agent.py", "def get_entry_point(): ...", "called like a module"),
        ("my.agent.py", "def get_entry_point(): ...", "called like a module"),
        ("agent.py", "def get_entry_point(:", "is not Python"),
        ("agent.py", "a\x00b", "is not Python"),
        ("agent.py", "class Agent: ...", r"is no leaderboard agent.*get_entry_point"),
    ],
)
def test_a_file_that_is_no_agent(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(AgentFileError, match=message):
        require_agent(tmp_path / name)


def test_an_entry_point_may_be_imported(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text("from elsewhere import entry as get_entry_point\n")
    require_agent(tmp_path / "agent.py")


def test_own_towns_need_no_file() -> None:
    assert town_to_start([route("Demo"), route("Generated3", "1")], None, None) == "demo"
    asked = town_to_start([route("Demo"), route("Generated3", "1")], "generated:3", None)
    assert asked == "generated:3"


def test_towns_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "Straight.xodr").write_text(straight_opendrive())
    spec = str(tmp_path / "Straight.xodr")
    assert town_to_start([route("Straight"), route("Demo", "1")], None, tmp_path) == spec
    # A file outside of the folder can only be what the simulator starts with.
    assert town_to_start([route("Demo"), route("Straight", "1")], spec, None) == spec


def test_a_town_that_is_not_there_is_named_with_its_route(tmp_path: Path) -> None:
    with pytest.raises(RouteFileError, match=r"some\.xml, route 7: town 'Town12'.*--towns"):
        town_to_start([route("Demo"), route("Town12", "7")], None, tmp_path)


def test_a_town_that_no_route_needs() -> None:
    with pytest.raises(RouteFileError, match="--town generated:3 is the town of no route"):
        town_to_start([route("Demo")], "generated:3", None)


@pytest.mark.parametrize("text", ["", "junk", straight_opendrive()[:400]])
def test_a_map_that_cannot_be_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "Broken.xodr").write_text(text)
    with pytest.raises(TownSpecError, match=r"Broken\.xodr"):
        town_to_start([route("Broken")], None, tmp_path)


def test_a_server_without_the_town() -> None:
    require_towns_among([route("Town01")], {"Town01", "Town02"}, "here:1")
    require_towns_among([route("Generated5")], {"Demo"}, "here:1")
    with pytest.raises(
        RouteFileError, match=r"route 4: .* here:1 has no town Town03; it has Town01"
    ):
        require_towns_among([route("Town03", "4")], {"Town01"}, "here:1")


@pytest.mark.parametrize(
    ("subset", "ids"),
    [
        ("", "7 3 9 1"),
        ("3", "3"),
        ("1,7", "7 1"),
        ("3-9", "3 9"),
        ("7,3-1", "7 3 9 1"),
        ("9-9", "9"),
    ],
)
def test_a_subset_is_what_the_evaluator_takes(subset: str, ids: str) -> None:
    routes = [route("Demo", route_id) for route_id in ("7", "3", "9", "1")]
    assert [one.route_id for one in routes_of_subset(routes, subset)] == ids.split()


@pytest.mark.parametrize(
    ("subset", "message"),
    [("4", "no route '4'"), ("3-4", "no route '4'"), ("1-7", "7 stands before 1")],
)
def test_a_subset_that_cannot_be(subset: str, message: str) -> None:
    routes = [route("Demo", route_id) for route_id in ("7", "3", "9", "1")]
    with pytest.raises(RouteFileError, match=f"some.xml: --routes-subset.*{message}"):
        routes_of_subset(routes, subset)


def test_bench2drive_needs_a_scenario_and_a_weather() -> None:
    require_scenarios(read_routes(ROUTES))
    require_scenarios(read_routes(BY_HAND))
    with pytest.raises(RouteFileError, match=r"route 0: Bench2Drive.* needs a scenario"):
        require_scenarios(read_routes(DEMO_ROUTE))
    dry = Route("3", "Demo", (), scenarios=("<scenario/>",))
    with pytest.raises(RouteFileError, match=r"route 3: Bench2Drive.* needs a weather"):
        require_scenarios([dry])
    require_scenarios([Route("3", "Demo", (), (WeatherPoint(0.0, ()),), ("<scenario/>",))])


def test_a_scenario_of_our_own_is_refused() -> None:
    require_official_scenarios([*read_routes(ROUTES), *read_routes(DEMO_ROUTE)])
    with pytest.raises(RouteFileError, match=r"route 0: its scenario is this program's own"):
        require_official_scenarios(read_routes(Path("mini")))


def test_the_parser_is_needed_by_the_master_branch_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.official.installation.missing_packages", list)
    monkeypatch.setattr("evaluation.official.installation.version", lambda name: "4.9.3")
    require_packages(LEADERBOARD_2_1, tmp_path)
    with pytest.raises(PackageMissingError, match=r"make leaderboard-environment, or .*--target"):
        require_packages(LEADERBOARD_MASTER, tmp_path)
    (tmp_path / "antlr4").mkdir()
    require_packages(LEADERBOARD_MASTER, tmp_path)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.official.installation.PACKAGES", ("json", "no_such_module"))
    with pytest.raises(PackageMissingError, match=r"needs no_such_module; .*\[leaderboard\]"):
        require_packages(LEADERBOARD_2_1)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match=r"CarlaUE4\.sh is no program"):
        binary_of(f"carla-binary:{tmp_path}")
    script = tmp_path / "CarlaUE4.sh"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(SimulatorError, match=r"CarlaUE4\.sh is no program"):
        binary_of(f"carla-binary:{script}")
    script.chmod(0o755)
    assert binary_of(f"carla-binary:{tmp_path}") == script


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LeaderboardSettings:
    """A run that nothing is wrong with, except that its evaluator does nothing."""
    monkeypatch.setattr("evaluation.official.installation.missing_packages", list)
    for variable in ("LEADERBOARD_ROOT", "SCENARIO_RUNNER_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    roots = Roots(bench2drive=write_bench2drive(tmp_path / "b"), agents=write_agents(tmp_path))
    return LeaderboardSettings(
        routes=ROUTES, agent=EXPERT, roots=roots, checkpoint=tmp_path / "out" / "results.json"
    )


@pytest.mark.parametrize("option", ["port", "traffic_manager_port"])
def test_an_occupied_port(option: str, settings: LeaderboardSettings) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} .*free is for instance"):
            run_leaderboard(replace(settings, **{option: port}))


def test_a_server_that_nobody_runs(
    tmp_path: Path, settings: LeaderboardSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.official.before_start.ANSWER_TIMEOUT_S", 0.1)
    for variable, folder in environment_of(tmp_path / "l").items():
        monkeypatch.setenv(variable, folder)
    there = replace(settings, roots=Roots(), simulator="carla://localhost:1")
    with pytest.raises(SimulatorError, match="no simulator answers at localhost:1"):
        run_leaderboard(there)


def test_bench2drive_takes_no_running_server(settings: LeaderboardSettings) -> None:
    with pytest.raises(SimulatorError, match="starts its simulator by itself"):
        run_leaderboard(replace(settings, simulator="carla://localhost:2000"))


def test_a_simulator_that_is_none(settings: LeaderboardSettings) -> None:
    message = (
        "--simulator binary: expected embedded, carla://HOST:PORT, carla-binary:PATH or "
        "carla-docker:IMAGE"
    )
    with pytest.raises(SimulatorAddressError, match=message):
        run_leaderboard(replace(settings, simulator="binary"))


def test_a_checkpoint_that_cannot_be_written(settings: LeaderboardSettings) -> None:
    settings.checkpoint.parent.write_text("a file")
    with pytest.raises(OfficialResultsError, match=r"results\.json: its folder cannot be made"):
        run_leaderboard(settings)


def test_a_damaged_file_is_not_resumed(settings: LeaderboardSettings) -> None:
    settings.checkpoint.parent.mkdir()
    settings.checkpoint.write_text('{"entry_status": "Sta')
    with pytest.raises(OfficialResultsError, match="truncated"):
        run_leaderboard(replace(settings, resume=True))
    assert settings.checkpoint.read_text() == '{"entry_status": "Sta'
