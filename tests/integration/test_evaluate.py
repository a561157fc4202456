"""`evaluate` on real simulators: agents and servers that hang, and two workers with their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.__main__ import main
from evaluation.runs.job import JobResult
from evaluation.runs.ledger import LEDGER_FILE, read_ledger
from tests.integration.probe_agents import write_agent
from tests.integration.test_drive import PROC, simulators_in, wait_for, write_town

ONCE = (
    "from pathlib import Path\n        "
    "mark = Path({mark!r})\n        "
    "if {when} and not mark.exists():\n            "
    "mark.touch()\n            "
    "{deed}"
)


def evaluate(folder: Path, agent: Path, *more: str) -> int:
    arguments = ["evaluate", "--routes", str(folder / "routes.xml"), "--agent", str(agent)]
    arguments += ["--out", str(folder / "out"), "--town", str(write_town(folder))]
    return main([*arguments, *more])


def results(folder: Path) -> list[JobResult]:
    return [entry.result for entry in read_ledger(folder / "out" / LEDGER_FILE).entries]


@pytest.mark.slow
@pytest.mark.parametrize(("where", "what"), [("setup", "the agent's setup"), ("step", "run_step")])
def test_an_agent_that_hangs_once_is_ended_and_gets_its_second_try(
    where: str, what: str, tmp_path: Path
) -> None:
    deed = "import time; time.sleep(999)"
    hang = ONCE.format(mark=str(tmp_path / "hung"), when="True", deed=deed)
    agent = write_agent(tmp_path, "dozing_agent", **{where: hang})
    limits = ("--setup-limit", "10", "--step-limit", "10")
    assert evaluate(tmp_path, agent, "--route-ids", "0", *limits) == 0
    first, second = results(tmp_path)
    assert first.failure is not None
    assert f"{what} took longer than 10 s" in first.failure.what
    assert (first.is_last, first.extra["failure_class"]) == (False, "policy")
    assert (second.status, second.attempt) == ("Perfect", 2)


@pytest.mark.slow
@pytest.mark.skipif(not PROC.is_dir(), reason="looks for processes in /proc")
def test_a_simulator_that_hangs_is_replaced_and_does_not_stay(tmp_path: Path) -> None:
    deed = (
        "import os, signal; from tests.integration.test_drive import simulators_in; "
        f"[os.kill(pid, signal.SIGSTOP) for pid in simulators_in(Path({str(tmp_path)!r}))]"
    )
    stop = ONCE.format(mark=str(tmp_path / "stopped"), when="timestamp > 0.5", deed=deed)
    agent = write_agent(tmp_path, "stopping_agent", step=stop)
    assert evaluate(tmp_path, agent, "--timeout", "5") == 0
    first, *others = results(tmp_path)
    assert first.status == "Failed - Simulation crashed"
    assert first.extra["failure_class"] == "infrastructure"
    assert [one.status for one in others] == ["Perfect", "Perfect"]
    wait_for(lambda: simulators_in(tmp_path) == [])


@pytest.mark.slow
def test_two_workers_never_share_a_simulator(tmp_path: Path) -> None:
    note = (
        f"open({str(tmp_path / 'ports')!r}, 'a').write(f'{{self.port}}\\n')\n        "
        "self.track = self.track"
    )
    agent = write_agent(tmp_path, "noting_agent", setup=note)
    text = agent.read_text().replace("self.track =", "self.port, self.track = carla_port,", 1)
    agent.write_text(text)
    assert evaluate(tmp_path, agent, "--workers", "2", "--protocol", "bench2drive-0.0.4") == 0
    ports = (tmp_path / "ports").read_text().split()
    assert len(ports) == len(set(ports)) == 2
    data = json.loads((tmp_path / "out" / "results.json").read_text())
    records = data["_checkpoint"]["records"]
    assert [one["status"] for one in records] == ["Completed", "Completed"]
    assert all(len(one["infractions"]["min_speed_infractions"]) > 10 for one in records)
    assert [one["scores"]["score_composed"] for one in records] == [100.0, 100.0]
    assert {one["town_name"] for one in records} == {"straight"}
