"""Worker processes: who is to blame when one hangs or dies, and what is tried again."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from evaluation.closed_loop.failure import (
    AGENT_CRASHED,
    AGENT_NOT_SET_UP,
    EVALUATION_FAILED,
    MACHINE_FAILED,
    SIMULATION_CRASHED,
)
from evaluation.closed_loop.pulse import TimeLimits
from evaluation.runs.job import JobResult
from evaluation.runs.tries import TRIES
from evaluation.runs.worker import CannotBeginError
from evaluation.runs.worker_process import WorkerSettings
from evaluation.runs.workers import next_log_number, run_jobs
from tests.evaluation.runs.stand_in import StandIn, jobs_of

SHORT = TimeLimits(0.3, 0.3, 0.3)


def run(folder: Path, *route_ids: str, workers: int = 1, stall_s: float = 60.0) -> list[JobResult]:
    settings = WorkerSettings(workers, folder / "logs", SHORT, stall_s, factory=StandIn)
    events = list(run_jobs(jobs_of(*route_ids), settings))
    return [event for event in events if isinstance(event, JobResult)]


@pytest.mark.parametrize(
    ("fate", "status", "blame", "what"),
    [
        ("agent_exits", AGENT_CRASHED, "agent", "ended its process with exit code 0"),
        ("agent_aborts", AGENT_CRASHED, "agent", "ended its process with signal 6"),
        ("agent_hangs", AGENT_CRASHED, "agent", "run_step took longer than 0.3 s"),
        ("setup_exits", AGENT_NOT_SET_UP, "agent", "ended its process with exit code 0"),
        ("setup_hangs", AGENT_NOT_SET_UP, "agent", "the agent's setup took longer than 0.3 s"),
        ("map_aborts", SIMULATION_CRASHED, "simulator", "signal 6 from inside the simulator's"),
        ("map_hangs", SIMULATION_CRASHED, "simulator", "client took longer than 1 s"),
        ("killed", MACHINE_FAILED, "machine", "killed, as happens when memory runs out"),
        ("raises", EVALUATION_FAILED, "evaluation", "the process ended with exit code 1"),
    ],
)
def test_who_was_at_work_is_to_blame(
    tmp_path: Path, fate: str, status: str, blame: str, what: str
) -> None:
    stall_s = 1.0 if fate == "map_hangs" else 60.0
    *tries, last = run(tmp_path, f"{fate}-0", "ok-1", stall_s=stall_s)
    assert last.status == "Perfect"
    assert {one.status for one in tries} == {f"Failed - {status}"}
    (failure,) = {one.failure for one in tries}
    assert failure is not None
    assert failure.blame.value == blame
    assert what in failure.what
    # Only what was nobody's fault here is tried again.
    assert [one.attempt for one in tries] == ([1, 2] if failure.is_infrastructure else [1])
    assert [one.is_last for one in tries] == [False, True][-len(tries) :]
    if fate == "raises":
        assert "ValueError: out of luck" in failure.trace


def test_a_route_that_begins_does_not_show_how_far_the_one_before_it_was(tmp_path: Path) -> None:
    settings = WorkerSettings(1, tmp_path / "logs", SHORT, 1.0, factory=StandIn)
    seen: list[tuple[str, float]] = []
    jobs = jobs_of("shows-0", "map_hangs-1")
    list(run_jobs(jobs, settings, watch=lambda job, now: seen.append((job.name, now.game_s))))
    assert {game_s for name, game_s in seen if name == "map_hangs-1"} == {0.0}


def test_a_driven_route_survives_the_agents_end(tmp_path: Path) -> None:
    first, second = run(tmp_path, "destroyed-0", "ok-1")
    assert (first.status, first.failure) == ("Perfect", None)
    assert "ended its process with exit code 0" in first.extra["after_the_route"]
    assert second.status == "Perfect"


def test_a_worker_goes_on_after_what_is_not_the_simulators_fault(tmp_path: Path) -> None:
    results = run(tmp_path, "bad-0", "agent-1", "ok-2")
    assert [one.name for one in results] == ["bad-0", "agent-1", "ok-2"]
    assert all(one.is_finished for one in results)
    assert len(list((tmp_path / "logs").glob("worker_*.log"))) == 1


def test_after_the_simulator_failed_another_worker_goes_on(tmp_path: Path) -> None:
    results = run(tmp_path, "crashes-0", "ok-1")
    assert [one.name for one in results] == ["crashes-0"] * TRIES + ["ok-1"]
    assert len(list((tmp_path / "logs").glob("worker_*.log"))) == TRIES + 1


def test_a_run_that_only_fails_is_given_up(tmp_path: Path) -> None:
    results = run(tmp_path, *(f"crashes-{number}" for number in range(5)))
    assert [one.name for one in results] == ["crashes-0", "crashes-0", "crashes-1"]


def test_two_workers_share_the_routes(tmp_path: Path) -> None:
    results = run(tmp_path, *(f"ok-{number}" for number in range(6)), workers=2)
    assert sorted(one.name for one in results) == [f"ok-{number}" for number in range(6)]
    assert len(list((tmp_path / "logs").glob("worker_*.log"))) == 2


def test_an_agent_that_cannot_be_loaded_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(CannotBeginError, match="no such agent"):
        run(tmp_path, "refuses-0", "ok-1")


def test_no_process_outlives_the_run(tmp_path: Path) -> None:
    events = run_jobs(
        jobs_of("ok-0", "agent_hangs-1"), WorkerSettings(1, tmp_path, factory=StandIn)
    )
    assert isinstance(next(events), JobResult)
    (process,) = multiprocessing.active_children()
    events.close()
    assert not process.is_alive()


def test_logs_of_an_earlier_session_are_kept(tmp_path: Path) -> None:
    assert next_log_number(tmp_path / "none") == 0
    for name in ("worker_0.log", "simulator_4.log", "notes_9.txt"):
        (tmp_path / name).touch()
    assert next_log_number(tmp_path) == 5
