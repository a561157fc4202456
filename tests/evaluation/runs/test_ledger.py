"""The ledger: appended, locked, cut where a kill has torn it; and whether a run is the same."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation.closed_loop.failure import MACHINE_FAILED, Blame, Failure
from evaluation.errors import MachineError
from evaluation.runs.conditions import (
    require_same,
    route_conditions,
    run_conditions,
    town_conditions,
)
from evaluation.runs.ledger import LEDGER_FILE, Ledger, LedgerError, open_ledger, read_ledger
from evaluation.runs.worker import unscored
from evaluation.scoring.penalty import Rules
from tests.evaluation.runs.stand_in import driven, jobs_of

KILLED = Failure(Blame.MACHINE, MACHINE_FAILED, "killed")
FIRST, SECOND = jobs_of("0", "1")


def filled(folder: Path) -> Ledger:
    with open_ledger(folder) as ledger:
        ledger.begin({"conditions": {"seed": 0}})
        ledger.add(driven(FIRST), {"route": "a"})
        ledger.add(replace(unscored(SECOND, KILLED), is_last=False), {"route": "b"})
        ledger.add(driven(SECOND), {"route": "b"})
    return ledger


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    again = read_ledger(tmp_path / LEDGER_FILE)
    assert (again.runs, again.entries) == (ledger.runs, ledger.entries)
    assert list(again.finished) == ["0", "1"]
    assert [entry.result.status for entry in again.entries] == [
        "Perfect",
        "Failed - Machine failed",
        "Perfect",
    ]


def test_a_route_is_finished_once(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    before = ledger.path.read_bytes()
    with pytest.raises(LedgerError, match="0 is finished already"):
        ledger.add(driven(FIRST))
    assert ledger.path.read_bytes() == before


def test_a_route_can_be_released(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.begin({})
        ledger.add(driven(FIRST))
        ledger.release(["0", "no such route"])
        assert ledger.finished == {}
        ledger.add(driven(FIRST))
    assert list(read_ledger(ledger.path).finished) == ["0"]
    assert len(read_ledger(ledger.path).entries) == 2


def test_whatever_a_kill_leaves_of_the_last_line_costs_that_line_alone(tmp_path: Path) -> None:
    path = filled(tmp_path).path
    whole = path.read_bytes()
    *kept, last = whole.splitlines(keepends=True)
    for length in range(len(last)):
        path.write_bytes(b"".join(kept) + last[:length])
        assert list(read_ledger(path).finished) == ["0"]
        assert path.read_bytes() == b"".join(kept)
    path.write_bytes(whole)
    assert list(read_ledger(path).finished) == ["0", "1"]


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b"null", b"{}", b'{"result": {}}', b"\xff", b"[" * 100_000, b'{"result": null}'],
)
def test_damage_in_the_middle_is_named_and_left_alone(tmp_path: Path, line: bytes) -> None:
    path = filled(tmp_path).path
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + line + b"\n" + b"".join(rest))
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"ledger\.jsonl, line 2 is damaged"):
        read_ledger(path)
    assert path.read_bytes() == before


def test_the_second_run_on_a_folder_is_refused(tmp_path: Path) -> None:
    with (
        open_ledger(tmp_path),
        pytest.raises(LedgerError, match=rf"in use by another run \(process {os.getpid()}\)"),
        open_ledger(tmp_path),
    ):
        pass
    with open_ledger(tmp_path):
        pass


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    for folder in (tmp_path / "out", tmp_path / "out" / "below"):
        with (
            pytest.raises(LedgerError, match="a file of that name is in the way"),
            open_ledger(folder),
        ):
            pass


def test_a_full_disk_is_the_machines_fault_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with open_ledger(tmp_path) as ledger:
        ledger.begin({})
        ledger.add(driven(FIRST))
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(MachineError, match=r"No space left.*--resume"):
            ledger.add(driven(SECOND))
    assert list(ledger.finished) == ["0"]


def test_starting_afresh_keeps_what_there_was(tmp_path: Path) -> None:
    for _ in range(2):
        ledger = filled(tmp_path)
        ledger.set_aside()
        assert not ledger.entries
    kept = sorted(path.name for path in tmp_path.glob("ledger*"))
    assert kept == ["ledger.1.jsonl", "ledger.2.jsonl"]


def conditions(folder: Path, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a run with an agent and its weights in files, and of its only route."""
    agent, weights = folder / "an_agent.py", folder / "weights"
    if not agent.exists():
        agent.write_text("import carla\n")
        weights.mkdir()
        (weights / "model.safetensors").write_bytes(b"1")
        (folder / "Town.xodr").write_text("<OpenDRIVE/>")
    job = replace(FIRST, agent=agent, agent_config=f"device=cpu,checkpoint={weights}")
    route = {k: v for k, v in changes.items() if k in ("positions_world_m", "scenarios")}
    job = replace(job, route=replace(job.route, **route))
    own = {k: v for k, v in changes.items() if k not in route}
    town = town_conditions(str(folder / "Town.xodr"))
    return run_conditions(replace(job, **own)), {"0": route_conditions(job.route, town)}


def of_one_route(folder: Path) -> Ledger:
    run, routes = conditions(folder)
    ledger = Ledger(folder / LEDGER_FILE)
    ledger.begin({"conditions": json.loads(json.dumps(run))})
    ledger.add(driven(FIRST), routes["0"])
    return read_ledger(ledger.path)


def test_the_same_run_goes_on(tmp_path: Path) -> None:
    require_same(of_one_route(tmp_path), *conditions(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed was 0, is 1"),
        ({"traffic": 3}, "traffic was 0, is 3"),
        ({"rules": Rules.V2_1}, "rules was 2.0, is 2.1"),
        ({"blackout": True}, "blackout was False, is True"),
        ({"agent_config": "device=cuda"}, "agent config was device=cpu"),
        ({"positions_world_m": ((0.0, 0.0, 0.0), (90.0, 0.0, 0.0))}, "route was "),
        ({"scenarios": ("<scenario/>",)}, "route was "),
    ],
)
def test_a_run_under_other_conditions_does_not(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    ledger = of_one_route(tmp_path)
    with pytest.raises(LedgerError, match=f"{message}.*Nothing was driven or replaced"):
        require_same(ledger, *conditions(tmp_path, **changes))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("an_agent.py", "agent code an_agent.py was "),
        ("weights/model.safetensors", "weights model.safetensors was "),
        ("Town.xodr", "town map was "),
        ("weights/more.safetensors", "more.safetensors was absent"),
    ],
)
def test_files_are_compared_by_content(tmp_path: Path, file: str, message: str) -> None:
    ledger = of_one_route(tmp_path)
    path = tmp_path / file
    path.touch()
    if "absent" not in message:
        require_same(ledger, *conditions(tmp_path))
    path.write_text("# changed")
    with pytest.raises(LedgerError, match=message):
        require_same(ledger, *conditions(tmp_path))


def test_a_route_that_was_not_asked_for_is_named(tmp_path: Path) -> None:
    ledger = of_one_route(tmp_path)
    with pytest.raises(LedgerError, match="results of 0, which is not among the routes"):
        require_same(ledger, conditions(tmp_path)[0], {"9": {}})
