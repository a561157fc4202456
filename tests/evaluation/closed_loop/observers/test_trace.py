"""Traces of drives: written whole, read back, never a reason to lose a route."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.closed_loop.observers.trace import (
    Trace,
    TraceError,
    lanes_near,
    read_trace,
    trace_path,
    write_trace,
)
from evaluation.routes.lane_graph import LaneGraph
from evaluation.routes.towns import open_map
from tests.evaluation.reports.sample_run import FIRST_FRAME, sample_trace


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = trace_path(tmp_path, "RouteScenario_0_rep0")
    assert read_trace(path) is None
    trace = sample_trace(0)
    write_trace(path, trace)
    read = read_trace(path)
    assert read is not None
    for name, values in vars(trace).items():
        np.testing.assert_array_equal(getattr(read, name), values)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    # A minute of driving.
    assert path.stat().st_size < 70_000


def test_times_of_ticks() -> None:
    trace = sample_trace(0)
    assert trace.time_of_s(FIRST_FRAME) == 0.0
    assert trace.time_of_s(FIRST_FRAME + 20) == pytest.approx(1.0)
    assert trace.time_of_s(0) == 0.0
    assert trace.time_of_s(10**6) == pytest.approx(59.95)


def test_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "trace.npz"
    for content in (b"", b"nothing", b"PK\x03\x04 cut off"):
        path.write_bytes(content)
        with pytest.raises(TraceError, match=r"trace\.npz is no trace"):
            read_trace(path)
    trace = sample_trace(0)
    np.savez(path, ticks=trace.ticks)
    with pytest.raises(TraceError):
        read_trace(path)
    write_trace(path, replace(trace, ticks=trace.ticks[:, :4]))
    with pytest.raises(TraceError, match=r"shapes \[\(1200, 4\)"):
        read_trace(path)


def test_a_place_that_cannot_be_written_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("")
    watching = Trace(tmp_path / "taken" / "trace.npz")
    watching.end()
    assert not caplog.records
    trace = sample_trace(0)
    watching._rows = [tuple(row) for row in trace.ticks.tolist()]
    watching._frames = trace.frames.tolist()
    watching._route_world_m, watching._lanes_world_m = trace.route_world_m, trace.lanes_world_m
    watching.end()
    assert "was not written" in caplog.text


def test_lanes_of_a_map_are_those_around_the_route() -> None:
    graph = LaneGraph(open_map("demo")[0])
    route = graph.lane_points_m(graph.lane_ids()[0])[:, :2].astype(np.float32)
    lanes = lanes_near(graph, route)
    points = lanes[np.isfinite(lanes).all(axis=1)]
    offsets_m = np.linalg.norm(points[:, None] - route[None], axis=2).min(axis=1)
    assert offsets_m.min() < 3.5
    assert 15.0 < offsets_m.max() <= 40.0
