"""What a replay compares: weights, not what they happen to run on."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from itertools import islice
from pathlib import Path

import pytest
from rich.console import Console

from evaluation.closed_loop.session_files import (
    SessionError,
    SessionWriter,
    read_header,
    read_ticks,
)
from evaluation.runs.conditions import AGENT_CODE, REPOSITORY, WEIGHTS
from evaluation.runs.replay_session import (
    ReplaySettings,
    _by_file,
    _held,
    _recorded_agent,
    replay_session,
)
from model.conditions import differences
from tests.evaluation.closed_loop.renew_golden import CONFIG, GOLDEN
from tests.evaluation.closed_loop.session_samples import header

LEARNED, OWN = Path("agent/simlingo_agent.py"), Path("my_agent.py")


@pytest.mark.parametrize(
    ("config", "recorded", "agent", "held"),
    [
        ("", "eager on cpu", LEARNED, "backend=eager"),
        ("out/nano", "eager on cpu", LEARNED, "checkpoint=out/nano,backend=eager"),
        ("device=cpu", "eager on cpu", LEARNED, "device=cpu,backend=eager"),
        ("backend=onnx", "eager on cpu", LEARNED, "backend=onnx"),
        ("mine.yaml", "eager on cpu", LEARNED, "mine.yaml"),
        ("", "onnx on cpu", LEARNED, ""),
        ("", "", LEARNED, ""),
        ("0.5", "eager on cpu", OWN, "0.5"),
    ],
)
def test_a_slow_backend_is_held_where_the_agent_would_choose_another(
    config: str, recorded: str, agent: Path, held: str
) -> None:
    assert _held(config, header(runs_on=recorded), agent) == held


def replayed(folder: Path, recorded: str, config: str | None = None) -> tuple[int, str]:
    """Exit code and what is said about the golden session's first ticks, told to have been recorded
    so."""
    golden = read_header(GOLDEN)
    writer = SessionWriter(folder, replace(golden, runs_on=recorded))
    for traced in islice(read_ticks(GOLDEN, golden), 3):
        writer.write(traced)
    writer.close()
    said = StringIO()
    code = replay_session(ReplaySettings(folder, agent_config=config), Console(file=said))
    return code, said.getvalue()


def test_the_backend_is_held_and_nothing_is_said(tmp_path: Path) -> None:
    _, said = replayed(tmp_path / "session", "eager on cpu")
    assert "the network ran" not in said


def test_another_backend_is_said(tmp_path: Path) -> None:
    _, said = replayed(tmp_path / "session", "onnx on cpu", f"{CONFIG},backend=eager")
    assert "the network ran as onnx on cpu, now as eager on cpu" in said


def test_two_checkpoints_are_told_apart_by_file_whatever_their_folders_are_called() -> None:
    files = {"nano": {"config.json": "cc", "model.safetensors": "aa"}}
    others = {"old": {"config.json": "cc", "model.safetensors": "bb"}}
    then, now = (_by_file({"seed": 0, WEIGHTS: one}) for one in (files, others))
    said = [str(one) for one in differences(then, now)]
    assert said == [f"{WEIGHTS} model.safetensors was aa, is bb"]


@pytest.mark.parametrize("place", ["/elsewhere/agent", "agent"])
def test_a_session_from_another_checkout_is_replayed_by_the_agent_of_this_one(place: str) -> None:
    code = {AGENT_CODE: {"agent/simlingo_agent.py": "aa"}}
    recorded = replace(header(), agent=f"{place}/simlingo_agent.py", conditions=code)
    assert _recorded_agent(recorded) == REPOSITORY / "agent" / "simlingo_agent.py"


def test_an_agent_that_is_not_here_is_named_with_the_fix() -> None:
    code = {AGENT_CODE: {"mine.py": "aa"}}
    recorded = replace(header(), agent="/elsewhere/mine.py", conditions=code)
    with pytest.raises(SessionError, match=r"/elsewhere/mine.py, which is not here.*--agent FILE"):
        _recorded_agent(recorded)
