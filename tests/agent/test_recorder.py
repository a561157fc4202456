"""Debug sessions on disk."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np

from agent.observation import AgentStep
from agent.recorder import SessionRecorder, session_directory, step_to_plain
from model.config import NANO
from model.latency import Latency
from planner.records import Control, EgoState, Plan


def step_at(tick: int) -> AgentStep:
    images = np.full((3, 96, 192, 3), 10 * tick % 255, dtype=np.uint8)
    ego = EgoState(np.array([float(tick), 0.0]), 0.0, 5.0)
    plan = Plan(np.ones((20, 2)), np.full((10, 2), np.nan))
    return AgentStep(tick, 0.05 * tick, images, ego, (), plan, Control(0.0, 0.5, 0.0))


def test_video_and_steps_can_be_read_back(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path, NANO.cameras, every_ticks=2)
    for tick in range(9):
        recorder.record(step_at(tick))
    recorder.close({"vision": Latency(1.0, 2.0, 3.0)})
    recorder.close()
    figures = json.loads((tmp_path / "latency.json").read_text())
    assert figures == {"vision": {"p50_ms": 1.0, "p95_ms": 2.0, "max_ms": 3.0}}
    with av.open(str(tmp_path / "video.mp4")) as video:
        frames = list(video.decode(video=0))
        rate = video.streams.video[0].average_rate
    assert len(frames) == 5
    assert rate == 10
    assert frames[0].width == 960
    lines = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(9))


def test_what_is_not_finite_becomes_null() -> None:
    plain = step_to_plain(step_at(1))
    assert plain["waypoints_ego_m"][0] == [None, None]
    json.dumps(plain, allow_nan=False)


def test_nothing_recorded_leaves_no_broken_video(tmp_path: Path) -> None:
    SessionRecorder(tmp_path, NANO.cameras).close()
    assert not (tmp_path / "video.mp4").exists()


def test_sessions_never_share_a_folder(tmp_path: Path) -> None:
    names = [session_directory(tmp_path, "route_1").name for _ in range(3)]
    assert names == ["route_1", "route_1_2", "route_1_3"]
