"""Jobs on dask's workers: what is lost, what is told, and what is refused beforehand."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.errors import UserError
from evaluation.runs.cluster import PARTS_FOLDER, Cluster, run_anywhere
from evaluation.runs.cluster_kinds import ClusterSettings
from evaluation.runs.cluster_task import Task
from evaluation.runs.job import JobResult
from evaluation.runs.worker_process import WorkerSettings
from tests.evaluation.runs.stand_in import StandIn, driven, jobs_of

distributed = pytest.importorskip("distributed", reason="needs pip install -e '.[cluster]'")
psutil = pytest.importorskip("psutil", reason="comes with distributed")

WAIT_S = 240.0


def wait_for(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.1)


class Saboteur(threading.Thread):
    """Kills one of dask's workers in mid-route, then the scheduler, then lets the routes go on."""

    def __init__(self, logs: Path, lost: threading.Event) -> None:
        super().__init__(daemon=True)
        self._logs = logs
        self._lost = lost

    def _begun(self) -> list[Path]:
        return sorted(self._logs.glob("begun_*"))

    def run(self) -> None:
        wait_for(lambda: len(self._begun()) == 2)
        os.kill(int(self._begun()[0].read_text()), signal.SIGKILL)
        assert self._lost.wait(WAIT_S)
        wait_for(lambda: len(self._begun()) == 3)
        children = psutil.Process().children()
        (scheduler,) = (one for one in children if "Scheduler" in " ".join(one.cmdline()))
        scheduler.kill()
        (self._logs / "go").touch()


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_scheduler_lose_and_double_nothing(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    settings = WorkerSettings(2, logs, factory=StandIn)
    jobs = jobs_of("ok-0", "agent-1", "ok-2", "waits-3", "waits-4", "ok-5")
    keys = {job.name: f"key of {job.name}" for job in jobs}
    cluster = Cluster(ClusterSettings("local", 2), keys, tmp_path)
    lost = threading.Event()
    saboteur = Saboteur(logs, lost)
    saboteur.start()
    results: list[JobResult] = []
    for event in run_anywhere(jobs, settings, cluster):
        assert isinstance(event, JobResult)
        results.append(event)
        if event.failure is not None and event.failure.blame.value == "machine":
            lost.set()
    saboteur.join(WAIT_S)
    assert not saboteur.is_alive()
    finished = Counter(one.name for one in results if one.is_finished)
    assert finished == Counter(job.name for job in jobs)
    (failed,) = (one for one in results if not one.is_finished)
    assert "the worker that drove it was lost" in str(failed.failure)
    assert not failed.is_last
    assert list((tmp_path / PARTS_FOLDER).glob("*.json")) == []
    wait_for(lambda: not [one for one in psutil.Process().children() if "dask" in one.cmdline()])


def test_a_result_is_taken_for_the_same_conditions_only(tmp_path: Path) -> None:
    (job,) = jobs_of("a/b-0")
    task = Task(job, WorkerSettings(1, tmp_path), tmp_path, "one", tmp_path)
    assert task.known() is None
    task.part.write_text('{"key": "one", "result": {"name": "x"}}')
    assert task.known() == {"name": "x"}
    assert replace(task, key="other").known() is None
    task.part.write_text('{"key": "one", "resu')
    assert task.known() is None
    assert driven(job).is_finished


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ClusterSettings("ssh", 2), "needs --hosts HOST,HOST"),
        (ClusterSettings("local", 2, ("a",)), "--hosts are of --cluster ssh, not of local"),
        (ClusterSettings("ssh", 2, ("a",), {"queue": "x"}), "--job is of --cluster slurm"),
        (ClusterSettings("slurm", 2), "there is no sbatch on the PATH"),
    ],
)
def test_what_a_cluster_cannot_be(
    settings: ClusterSettings, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UserError, match=message):
        settings.check()
