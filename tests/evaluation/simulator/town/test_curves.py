"""Curves made of lines and arcs join the poses they are asked to join."""

from __future__ import annotations

from math import cos, hypot, pi, remainder, sin

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from evaluation.simulator.town.curves import Curve, Piece, Pose, biarc, corner, through

_coordinate = st.floats(-200.0, 200.0)
_heading = st.floats(-pi, pi)
_pose = st.builds(Pose, _coordinate, _coordinate, _heading)


def _assert_ends_at(curve: Curve, pose: Pose) -> None:
    end = curve.end
    assert hypot(end.x - pose.x, end.y - pose.y) < 1e-6
    assert abs(remainder(end.heading - pose.heading, 2.0 * pi)) < 1e-6


@pytest.mark.parametrize("curvature_per_m", [1e-2, 1e-5, 9.9e-7, 1e-9, 1e-300, 0.0, -1e-7])
def test_an_arc_of_any_curvature_ends_on_its_circle(curvature_per_m: float) -> None:
    """Compared with the circle's series: y = k s^2 / 2 - k^3 s^4 / 24 + ..."""
    length_m = 40.0
    end = Curve(Pose(0.0, 0.0, 0.0), (Piece(length_m, curvature_per_m),)).end
    turn = curvature_per_m * length_m
    assert end.heading == pytest.approx(turn, rel=1e-12)
    assert end.y == pytest.approx(length_m * (turn / 2.0 - turn**3 / 24.0 + turn**5 / 720.0))
    assert end.x == pytest.approx(length_m * (1.0 - turn**2 / 6.0 + turn**4 / 120.0))


@given(_pose, _pose)
@example(Pose(0.0, 0.0, 0.0), Pose(40.0, 2e-4, 1e-5))
@example(Pose(0.0, 0.0, 0.0), Pose(40.0, 0.0, 3e-5))
@example(Pose(0.0, 2.0, 0.0), Pose(0.0, 0.0, -1.8e-177))
@example(Pose(0.0, 2.0, 0.0), Pose(1.5, 2.0, -pi))
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


@given(st.floats(12.0, 60.0), st.floats(0.4, 2.5), st.floats(0.0, 2e-3))
@example(12.0, 0.5, 9e-4)
def test_a_corner_reaches_an_end_a_hair_behind_its_arc(
    before: float, turn: float, rest_m: float
) -> None:
    start = Pose(0.0, 0.0, 0.0)
    meet = start.moved(before)
    end = Pose(meet.x, meet.y, turn).moved(before + rest_m)
    curve = corner(start, end, 0.0)
    assert curve is not None
    _assert_ends_at(curve, end)


@given(st.lists(st.floats(-0.6, 0.6), min_size=2, max_size=6))
@example([1e-5, 1e-5, 0.0])
@example([1e-5, -1e-5, 1e-9, 0.0])
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
    _assert_ends_at(curve, poses[-1])
    assert curve.length_m < 1.2 * 40.0 * len(turns)
    samples = curve.sample(0.5)
    steps = np.linalg.norm(np.diff(samples[:, :2], axis=0), axis=1)
    assert steps.max() <= 0.5 + 1e-6
    for pose in poses:
        assert np.linalg.norm(samples[:, :2] - (pose.x, pose.y), axis=1).min() < 0.3
