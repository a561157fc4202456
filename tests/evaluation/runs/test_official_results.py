"""Results of official evaluators in the ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from evaluation.closed_loop.failure import Blame
from evaluation.official.checkouts import Checkouts
from evaluation.official.leaderboard import LeaderboardSettings, OfficialRun
from evaluation.official.results import read_results
from evaluation.routes.route_file import read_routes
from evaluation.runs.ledger import LEDGER_FILE, read_ledger
from evaluation.runs.official_results import enter_results
from tests.evaluation.official.test_results import record, results

PROJECT = Path(__file__).parents[3]
ROUTES = PROJECT / "tests" / "evaluation" / "official" / "routes.xml"
CHECKOUTS = Checkouts("leaderboard-2.1", Path("l"), Path("s"), Path("a"))


def settings_in(folder: Path) -> LeaderboardSettings:
    agent = PROJECT / "agent" / "expert_agent.py"
    return LeaderboardSettings(ROUTES, agent, checkpoint=folder / "results.json")


def run_with(settings: LeaderboardSettings, *statuses: str) -> OfficialRun:
    records = [record(number, status=status) for number, status in enumerate(statuses)]
    settings.checkpoint.write_text(json.dumps(results(records, 4)))
    return OfficialRun(0, CHECKOUTS, read_routes(ROUTES), read_results(settings.checkpoint))


def test_every_route_that_is_over_is_entered(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    enter_results(
        settings, run_with(settings, "Completed", "Failed - Agent got blocked", "Started")
    )
    ledger = read_ledger(tmp_path / LEDGER_FILE)
    assert list(ledger.finished) == ["RouteScenario_0_rep0", "RouteScenario_1_rep0"]
    first = ledger.finished["RouteScenario_0_rep0"]
    assert first.result.record == record(0)
    assert first.conditions is not None
    assert first.conditions["town"] == {"name": "Demo"}
    (run,) = ledger.runs
    assert run["conditions"]["evaluator"] == "leaderboard-2.1"
    assert run["conditions"]["agent"] == "expert_agent.py"
    assert run["total"] == 4


def test_what_went_wrong_has_its_blame(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    crashed = ("Failed - Agent crashed", "Failed - Simulation crashed")
    enter_results(settings, run_with(settings, *crashed))
    ledger = read_ledger(tmp_path / LEDGER_FILE)
    failures = [one.result.failure for one in ledger.entries]
    assert [one and one.blame for one in failures] == [Blame.AGENT, Blame.SIMULATOR]
    # The simulator's fault says nothing about the agent: the route is to be driven again.
    assert list(ledger.finished) == ["RouteScenario_0_rep0"]


def test_a_resumed_run_adds_what_is_new(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    enter_results(settings, run_with(settings, "Completed"))
    resumed = replace(settings, resume=True)
    enter_results(resumed, run_with(settings, "Completed", "Perfect"))
    ledger = read_ledger(tmp_path / LEDGER_FILE)
    assert [(one.run, one.result.status) for one in ledger.entries] == [
        (0, "Completed"),
        (1, "Perfect"),
    ]
    enter_results(settings, run_with(settings, "Completed"))
    assert len(read_ledger(tmp_path / LEDGER_FILE).entries) == 1
    assert (tmp_path / "ledger.1.jsonl").exists()
