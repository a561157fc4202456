"""Short drives against the embedded simulator, and what is left when they go wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import carla
import pytest

from evaluation.__main__ import main
from evaluation.reports.run_data import read_run_data
from evaluation.servers.embedded import Server, ServerSettings
from tests.evaluation.scoring.roads import straight_opendrive
from tests.integration.probe_agents import write_agent

PROJECT = Path(__file__).parents[2]
EXPERT = PROJECT / "agent" / "expert_agent.py"
PROC = Path("/proc")
WAIT_S = 240.0

FIRST_IS_DONE = '"progress": [\n            1,'

ROUTES = """<routes>
  <route id="0" town="straight">
    <waypoints><position x="20" y="1.75" z="0"/><position x="60" y="1.75" z="0"/></waypoints>
  </route>
  <route id="1" town="straight">
    <waypoints><position x="100" y="1.75" z="0"/><position x="140" y="1.75" z="0"/></waypoints>
  </route>
</routes>"""


@dataclass(frozen=True)
class Place:
    """Files for drives on a straight road, and arguments that name them."""

    folder: Path
    simulator: tuple[str, ...]

    @property
    def results(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads((self.folder / "out" / "results.json").read_text())
        return data

    @property
    def records(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = self.results["_checkpoint"]["records"]
        return records

    def arguments(self, agent: Path, *more: str) -> list[str]:
        routes = ["--routes", str(self.folder / "routes.xml"), "--out", str(self.folder / "out")]
        return ["drive", "--agent", str(agent), *routes, "--no-video", *self.simulator, *more]


def write_town(folder: Path) -> Path:
    path = folder / "straight.xodr"
    path.write_text(straight_opendrive())
    (folder / "routes.xml").write_text(ROUTES)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with Server(ServerSettings(town=str(write_town(folder))), folder / "log") as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, server: Server) -> Place:
    """Drives on a simulator that runs already."""
    write_town(tmp_path)
    return Place(tmp_path, ("--simulator", f"carla://127.0.0.1:{server.port}"))


@pytest.fixture
def own_place(tmp_path: Path) -> Place:
    """Drives that start a simulator of their own."""
    return Place(tmp_path, ("--town", str(write_town(tmp_path))))


def processes_with(*words: bytes) -> list[int]:
    """Live processes whose command line holds all of the words."""
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if all(word in command for word in words):
            found.append(int(entry.name))
    return found


def simulators_in(folder: Path) -> list[int]:
    """Live simulators of the town in a folder."""
    return processes_with(b"evaluation.simulator", str(folder / "straight.xodr").encode())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.05)


@contextmanager
def started(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The command line in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "evaluation", *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_an_agent_that_raises_fails_only_its_route(place: Place, server: Server) -> None:
    agent = write_agent(
        place.folder,
        "raising_agent",
        setup="Probe.routes = getattr(Probe, 'routes', 0) + 1",
        step="assert Probe.routes > 1 or timestamp < 0.2, 'out of fuel'",
    )
    assert main(place.arguments(agent)) == 1
    first, second = place.records
    assert first["status"] == "Failed - Agent crashed"
    assert second["status"] == "Perfect"
    assert second["scores"]["score_composed"] == 100.0
    assert place.results["entry_status"] == "Finished"
    trace = place.results["extra"]["routes"][first["route_id"]]["trace"]
    assert "out of fuel" in trace
    assert "raising_agent.py" in trace
    assert main(["report", str(place.folder / "out")]) == 0
    page = (place.folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "Failed - Agent crashed" in page
    drives = read_run_data(place.folder / "out").drives
    ticks = [0 if one.trace is None else len(one.trace.frames) for one in drives]
    assert 0 < ticks[0] <= 4 < ticks[1]
    world = carla.Client("127.0.0.1", server.port).get_world()
    left = world.wait_for_tick(WAIT_S)
    kinds = [world.get_actor(actor.id).type_id for actor in left]
    assert not [kind for kind in kinds if kind.startswith(("vehicle", "sensor"))]


@pytest.mark.parametrize(
    ("name", "broken", "status"),
    [
        (
            "armless",
            {"setup": "raise ValueError('no weights')"},
            "Failed - Agent couldn't be set up",
        ),
        ("speechless", {"step": "return None"}, "Failed - Agent crashed"),
        (
            "blindfolded",
            {"setup": "self.sensors = lambda: [{}]"},
            "Failed - Agent's sensors were invalid",
        ),
    ],
)
def test_failures_of_agents_are_told_apart(
    place: Place, name: str, broken: dict[str, str], status: str
) -> None:
    agent = write_agent(place.folder, f"{name}_agent", **broken)
    assert main(place.arguments(agent, "--route-ids", "0")) == 1
    assert [record["status"] for record in place.records] == [status]


def test_a_failing_destroy_does_not_spoil_the_route(place: Place) -> None:
    agent = write_agent(place.folder, "clinging_agent", destroy="raise OSError('held')")
    assert main(place.arguments(agent, "--route-ids", "0")) == 0
    assert place.records[0]["status"] == "Perfect"


def test_the_same_seed_gives_the_same_drive_and_another_another(own_place: Place) -> None:
    fixes = own_place.folder / "fixes"
    write = f"open({str(fixes)!r}, 'a').write(repr(data['gnss'][1].tolist()))"
    agent = write_agent(own_place.folder, "steady_agent", step=write)

    def trace(seed: int) -> tuple[object, ...]:
        fixes.unlink(missing_ok=True)
        assert main(own_place.arguments(agent, "--route-ids", "0", "--seed", str(seed))) == 0
        record, extra = own_place.records[0], own_place.results["extra"]["routes"]
        measured = extra[record["route_id"]]
        game_s = record["meta"]["duration_game"]
        return game_s, measured["ticks"], measured["lateral_mean_m"], fixes.read_text()

    first = trace(0)
    assert trace(0) == first
    assert trace(1) != first


def test_blackout_blackens_the_images(place: Place) -> None:
    agent = write_agent(
        place.folder, "blind_agent", step="assert data['rgb'][1][..., :3].max() == 0"
    )
    assert main(place.arguments(agent, "--route-ids", "0", "--blackout")) == 0
    assert main(place.arguments(agent, "--route-ids", "0")) == 1


def test_the_expert_drives_with_traffic_and_a_video(place: Place) -> None:
    arguments = place.arguments(EXPERT, "--route-ids", "1", "--traffic", "2")
    arguments.remove("--no-video")
    assert main(arguments) in (0, 1)
    record = place.records[0]
    assert record["scores"]["score_route"] == 100.0
    assert not record["infractions"]["collisions_layout"]
    measured = place.results["extra"]["routes"][record["route_id"]]
    assert measured["lateral_p95_m"] < 0.5
    assert measured["off_road_events"] == 0
    assert (place.folder / "out" / "drive.mp4").stat().st_size > 10_000


def test_one_bad_route_of_three_is_recorded_and_the_others_are_driven(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = ROUTES.replace('x="60" y="1.75"', 'x="60" y="80"')
    lost = """<route id="2" town="Atlantis"><waypoints><position x="1" y="1" z="0"/>
        <position x="9" y="1" z="0"/></waypoints></route></routes>"""
    (place.folder / "routes.xml").write_text(bad.replace("</routes>", lost))
    agent = write_agent(place.folder, "idle_agent")
    for arguments in (place.arguments(agent), place.arguments(agent, "--resume")):
        assert main(arguments) == 1
        statuses = [record["status"] for record in place.records]
        assert statuses == ["Failed - Route cannot be driven", "Perfect", statuses[0]]
    failures = [one.get("failure") for one in place.results["extra"]["routes"].values()]
    assert re.search(r"routes\.xml, route 0: position 1 .* leaves the map", failures[0]["what"])
    assert "Atlantis" in failures[2]["what"]
    assert failures[1] is None
    assert "3 of 3 routes are finished already" in capsys.readouterr().out


def test_a_truncated_results_file_is_not_overwritten(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place.folder / "out" / "results.json"
    path.parent.mkdir()
    path.write_text('{"_checkpoint": {"records": [')
    agent = write_agent(place.folder, "resuming_agent")
    assert main(place.arguments(agent, "--resume")) == 2
    assert "results.json is truncated" in capsys.readouterr().err
    assert path.read_text() == '{"_checkpoint": {"records": ['


def test_a_port_in_use_is_named(own_place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    agent = write_agent(own_place.folder, "waiting_agent")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(own_place.arguments(agent, "--port", str(port))) == 2
    assert re.search(rf"port {port} .*in use; free is for instance \d+", capsys.readouterr().err)


def test_no_simulator_at_the_address(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    agent = write_agent(place.folder, "lonely_agent")
    arguments = place.arguments(agent, "--timeout", "1")
    arguments[arguments.index("--simulator") + 1] = "carla://127.0.0.1:1"
    assert main(arguments) == 2
    assert "no simulator answers at 127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.skipif(not PROC.is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_the_results_and_ends_the_simulator(
    own_place: Place, number: signal.Signals
) -> None:
    agent = write_agent(
        own_place.folder,
        "slow_agent",
        setup="Probe.routes = getattr(Probe, 'routes', 0) + 1",
        step="import time; time.sleep(0.2 if Probe.routes > 1 else 0)",
    )
    results = own_place.folder / "out" / "results.json"
    with started(own_place.arguments(agent)) as process:
        wait_for(lambda: results.is_file() and FIRST_IS_DONE in results.read_text())
        assert len(simulators_in(own_place.folder)) == 1
        process.send_signal(number)
        output, _ = process.communicate(timeout=WAIT_S)
    wait_for(lambda: simulators_in(own_place.folder) == [])
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert [record["status"] for record in own_place.records] == ["Perfect"]
    assert own_place.results["entry_status"] == "Started"


@pytest.mark.skipif(not PROC.is_dir(), reason="looks for processes in /proc")
def test_the_simulator_does_not_outlive_a_killed_runner(own_place: Place) -> None:
    agent = write_agent(own_place.folder, "endless_agent", step="return carla.VehicleControl()")
    with started(own_place.arguments(agent)):
        wait_for(lambda: len(simulators_in(own_place.folder)) == 1)
    wait_for(lambda: simulators_in(own_place.folder) == [])


@pytest.mark.skipif(not PROC.is_dir(), reason="looks for processes in /proc")
def test_a_simulator_that_dies_is_told_and_replaced(own_place: Place) -> None:
    agent = write_agent(
        own_place.folder,
        "murderous_agent",
        step=(
            "import os, signal\n        "
            "from pathlib import Path\n        "
            "from tests.integration.test_drive import simulators_in\n        "
            f"folder = Path({str(own_place.folder)!r})\n        "
            "kills = len(list(folder.glob('kill_*')))\n        "
            "if timestamp > 0.5 and kills < 2:\n            "
            "(folder / f'kill_{kills}').touch()\n            "
            "[os.kill(pid, signal.SIGKILL) for pid in simulators_in(folder)]"
        ),
    )
    with started(own_place.arguments(agent, "--timeout", "10")) as process:
        output, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1, output
    statuses = [record["status"] for record in own_place.records]
    assert statuses == ["Failed - Simulation crashed", "Perfect"]
    assert "it is tried again" in output
    assert "exit code -9" in output
    wait_for(lambda: simulators_in(own_place.folder) == [])


def test_a_resume_under_other_settings_is_refused(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = write_agent(place.folder, "constant_agent")
    assert main(place.arguments(agent)) == 0
    ledger = place.folder / "out" / "ledger.jsonl"
    before = ledger.read_bytes(), (place.folder / "out" / "results.json").read_bytes()
    assert main(place.arguments(agent, "--resume", "--seed", "1", "--rules", "2.1")) == 2
    assert "seed was 0, is 1; rules was 2.0, is 2.1" in capsys.readouterr().err
    agent.write_text(agent.read_text().replace("throttle=0.5", "throttle=0.4"))
    assert main(place.arguments(agent, "--resume")) == 2
    assert "agent code constant_agent.py was" in capsys.readouterr().err
    assert before == (ledger.read_bytes(), (place.folder / "out" / "results.json").read_bytes())


def test_what_cannot_begin_touches_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = write_agent(place.folder, "first_agent")
    assert main(place.arguments(agent, "--route-ids", "0")) == 0
    out = place.folder / "out"
    before = {path: path.read_bytes() for path in out.glob("*.json*")}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        arguments = place.arguments(agent, "--port", port)
        at = arguments.index("--simulator")
        del arguments[at : at + 2]
        assert main([*arguments, "--town", str(place.folder / "straight.xodr")]) == 2
    assert f"port {port}" in capsys.readouterr().err
    broken = place.folder / "broken_agent.py"
    broken.write_text("import nothing_of_this_name\ndef get_entry_point():\n    return 'Probe'\n")
    assert main(place.arguments(broken)) == 2
    assert "ModuleNotFoundError" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in out.glob("*.json*")}


@pytest.mark.parametrize(
    ("where", "status"),
    [("setup", "Agent couldn't be set up"), ("step", "Agent crashed")],
)
@pytest.mark.parametrize("end", ["import os; os._exit(0)", "raise SystemExit(0)"])
def test_an_agent_that_exits_is_recorded(place: Place, where: str, status: str, end: str) -> None:
    agent = write_agent(place.folder, "leaving_agent", **{where: end})
    assert main(place.arguments(agent, "--route-ids", "0")) == 1
    assert [record["status"] for record in place.records] == [f"Failed - {status}"]
    (extra,) = place.results["extra"]["routes"].values()
    assert extra["failure"]["blame"] == "agent"


def test_an_agent_that_ends_its_process_in_destroy_keeps_its_route(place: Place) -> None:
    agent = write_agent(place.folder, "slamming_agent", destroy="import os; os._exit(1)")
    assert main(place.arguments(agent)) == 0
    assert [record["status"] for record in place.records] == ["Perfect", "Perfect"]


@pytest.mark.parametrize(("where", "what"), [("setup", "setup"), ("step", "run_step")])
def test_an_agent_that_hangs_is_ended(place: Place, where: str, what: str) -> None:
    agent = write_agent(place.folder, "dozing_agent", **{where: "import time; time.sleep(999)"})
    limits = ("--setup-limit", "5", "--step-limit", "5", "--destroy-limit", "5")
    assert main(place.arguments(agent, "--route-ids", "0", *limits)) == 1
    (extra,) = place.results["extra"]["routes"].values()
    assert re.search(rf"{what} took longer than 5 s", extra["failure"]["what"])
    assert place.results["extra"]["run"]["limits_s"]["step_s"] == 5.0


def test_controls_that_are_not_finite_brake_and_are_counted(place: Place) -> None:
    agent = write_agent(
        place.folder,
        "undefined_agent",
        step="if timestamp > 1.0 and timestamp < 2.0: "
        "return carla.VehicleControl(throttle=float('nan'))",
    )
    assert main(place.arguments(agent, "--route-ids", "0")) == 0
    (extra,) = place.results["extra"]["routes"].values()
    assert 18 <= extra["invalid_controls"] <= 20
