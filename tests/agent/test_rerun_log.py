"""A session on Rerun's timeline, read back from its file."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from agent.observation import AgentStep
from agent.rerun_log import (
    PLOTS,
    RerunMissingError,
    RerunRecorder,
    apart_m,
    blueprint,
    numbered,
    open_recording,
    shown,
)
from agent.simlingo_agent import SimLingoAgent
from model.config import DEBUG
from planner.controller import Controller, ControllerSettings
from planner.records import Command, EgoState, Plan, Target
from tests.rerun_files import rows_of

pytest.importorskip("rerun", reason="needs rerun: pip install 'simlingo-carla[debug]'")

CAMERAS = DEBUG.cameras
ROUTE = np.stack([np.arange(50.0), np.zeros(50)], axis=1)


def steps(count: int) -> list[AgentStep]:
    controller = Controller(ControllerSettings(start_brake_ticks=2))
    found = []
    for tick in range(count):
        ego = EgoState(np.array([0.2 * tick, 1.0]), 0.1, 4.0)
        plan = Plan(ROUTE[:20], 1.5 * ROUTE[1:11])
        control = controller.step(plan, ego.speed_mps)
        found.append(
            AgentStep(
                frame=100 + tick,
                timestamp_s=0.05 * tick,
                images=np.full((len(CAMERAS), 32, 64, 3), 40, dtype=np.uint8),
                ego=ego,
                targets=(Target(np.array([30.0, 0.0]), Command.LEFT),),
                plan=None if tick == 4 else plan,
                control=control,
                stage_ms={"observe": 1.0, "plan": 2.0 + tick},
                notes={"fault": "gnss: missing"} if tick == 4 else {},
                terms=controller.terms,
            )
        )
    return found


def test_the_view_from_above_is_in_the_frame_of_the_ego(tmp_path: Path) -> None:
    recorder = RerunRecorder(tmp_path / "a.rrd", CAMERAS, ROUTE)
    driven = steps(3)
    for step in driven:
        recorder.record(step)
    recorder.close()
    above = blueprint(CAMERAS).root_container.contents[0].contents[0]
    assert above.name == "From above"
    seats = rows_of(tmp_path / "a.rrd")[f"/{above.origin}"]
    places = [row["Transform3D:translation"][0] for row in seats]
    expected = [shown(step.ego.position_world_m)[0].tolist() for step in driven]
    assert np.allclose(places, expected)
    turns = [row["Transform3D:rotation_axis_angle"][0]["angle"] for row in seats]
    assert np.allclose(turns, [-step.ego.yaw_rad for step in driven])


def test_a_session_can_be_read_back(tmp_path: Path) -> None:
    recorder = RerunRecorder(tmp_path / "a.rrd", CAMERAS, ROUTE)
    driven = steps(6)
    for step in driven:
        recorder.record(step)
    recorder.close()
    rows = rows_of(tmp_path / "a.rrd")
    for camera in CAMERAS:
        assert len(rows[f"/camera/{camera.name}"]) == 6
    terms = [step.terms for step in driven]
    name = "Scalars:scalars"
    throttle = [row[name] for row in rows["/plot/throttle"] if name in row]
    assert len(throttle) == 6
    assert all(math.isnan(value) for value in throttle[0])
    assert terms[3] is not None
    assert terms[3].throttle is not None
    assert throttle[3][0] == terms[3].throttle.error
    assert throttle[3][-1] == terms[3].throttle.output
    latency = [row["Scalars:scalars"] for row in rows["/latency_ms/agent"] if "route_time" in row]
    assert latency[5] == [1.0, 7.0]
    said = [row["TextLog:text"][0] for row in rows["/events"]]
    assert said == ["held: start", "fault: gnss: missing"]
    past = [row for row in rows["/world/plans_of_last_second"] if "LineStrips3D:strips" in row]
    assert [len(row["LineStrips3D:strips"]) for row in past] == [1, 2, 3, 4, 4]


def test_the_world_is_drawn_in_right_handed_axes() -> None:
    np.testing.assert_array_equal(shown(np.array([[3.0, 2.0]]), 0.5), [[3.0, -2.0, 0.5]])


def test_plans_are_compared_point_by_point() -> None:
    one = Plan(ROUTE[:20], ROUTE[1:11])
    other = Plan(ROUTE[:20] + np.array([0.0, 2.0]), ROUTE[1:6] + np.array([3.0, 4.0]))
    assert apart_m(one, other) == (2.0, 5.0)


def test_files_get_a_number_where_they_are_taken(tmp_path: Path) -> None:
    assert numbered(tmp_path / "a.rrd") == tmp_path / "a.rrd"
    (tmp_path / "a.rrd").touch()
    assert numbered(tmp_path / "a.rrd") == tmp_path / "a_2.rrd"


def test_every_plot_names_its_lines() -> None:
    assert all(names for names in PLOTS.values())


def test_a_missing_rerun_is_told_with_its_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(RerunMissingError, match=r"pip install 'simlingo-carla\[debug\]'"):
        open_recording("a", tmp_path / "a.rrd")
    agent = SimLingoAgent("127.0.0.1", 0)
    with pytest.raises(RerunMissingError, match="rerun is not installed"):
        agent.setup(f"record={tmp_path}/a.rrd")
    agent.destroy()
