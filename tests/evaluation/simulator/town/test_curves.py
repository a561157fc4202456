"""Curves made of lines and arcs join the poses they are asked to join."""

from __future__ import annotations

from math import cos, hypot, pi, remainder, sin

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evaluation.simulator.town.curves import Curve, Pose, biarc, corner, through

_coordinate = st.floats(-200.0, 200.0)
_heading = st.floats(-pi, pi)
_pose = st.builds(Pose, _coordinate, _coordinate, _heading)


def _assert_ends_at(curve: Curve, pose: Pose, tolerance_m: float = 1e-4) -> None:
    end = curve.end
    assert hypot(end.x - pose.x, end.y - pose.y) < tolerance_m
    assert abs(remainder(end.heading - pose.heading, 2.0 * pi)) < 1e-4


@given(_pose, _pose)
def test_biarc_joins_both_poses_without_a_kink(start: Pose, end: Pose) -> None:
    assume(hypot(end.x - start.x, end.y - start.y) > 1.0)
    try:
        curve = biarc(start, end)
    except ValueError:
        return
    assume(curve.length_m < 5_000.0)
    assert curve.start == start
    _assert_ends_at(curve, end)


@given(st.floats(-100.0, 100.0), st.floats(12.0, 60.0), st.floats(12.0, 60.0), st.floats(0.4, 2.5))
def test_corner_turns_once_and_keeps_its_straight_ends(
    heading: float, before: float, after: float, turn: float
) -> None:
    start = Pose(3.0, -4.0, heading)
    meet = start.moved(before)
    end = Pose(meet.x, meet.y, heading + turn).moved(after)
    curve = corner(start, end, 4.0)
    assert curve is not None
    _assert_ends_at(curve, end)
    bends = [piece for piece in curve.pieces if piece.curvature_per_m != 0.0]
    assert len(bends) == 1
    assert bends[0].curvature_per_m > 0.0
    assert min(curve.pieces[0].length_m, curve.pieces[-1].length_m) > 4.0 - 1e-6


def test_corner_declines_parallel_and_receding_poses() -> None:
    start = Pose(0.0, 0.0, 0.0)
    assert corner(start, Pose(30.0, 3.0, 0.0), 1.0) is None
    assert corner(start, Pose(-30.0, 20.0, pi / 2.0), 1.0) is None


def test_biarc_refuses_coinciding_points() -> None:
    with pytest.raises(ValueError, match="coinciding"):
        biarc(Pose(1.0, 2.0, 0.0), Pose(1.0, 2.0, 1.0))


@given(st.lists(st.floats(-0.6, 0.6), min_size=2, max_size=6))
def test_through_passes_every_pose_once(turns: list[float]) -> None:
    poses = [Pose(0.0, 0.0, 0.0)]
    for turn in turns:
        last = poses[-1]
        direction = last.heading + turn / 2.0
        poses.append(
            Pose(
                last.x + 40.0 * cos(direction), last.y + 40.0 * sin(direction), last.heading + turn
            )
        )
    curve = through(poses)
    _assert_ends_at(curve, poses[-1], tolerance_m=1e-3)
    assert curve.length_m < 1.2 * 40.0 * len(turns)
    samples = curve.sample(0.5)
    steps = np.linalg.norm(np.diff(samples[:, :2], axis=0), axis=1)
    assert steps.max() <= 0.5 + 1e-6
    for pose in poses:
        assert np.linalg.norm(samples[:, :2] - (pose.x, pose.y), axis=1).min() < 0.3
