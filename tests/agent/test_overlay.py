"""Images for videos: what is drawn where."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from agent.observation import NO_IMAGES, AgentStep
from agent.overlay import (
    BACKGROUND,
    ROUTE_COLOUR,
    TARGET_COLOUR,
    WAYPOINT_COLOUR,
    Drawing,
    birds_eye,
    compose_step,
    draw_on_camera,
    drawing_of,
    state_lines,
)
from agent.rig import project
from model.config import NANO
from planner.records import Command, Control, EgoState, Plan, Target

ROUTE = np.stack([np.arange(20.0), np.zeros(20)], axis=1)
WAYPOINTS = np.stack([1.5 * np.arange(1.0, 11.0), np.zeros(10)], axis=1)
PLAN = Plan(ROUTE, WAYPOINTS)
BLACK = np.zeros((240, 480, 3), dtype=np.uint8)


def step_with(plan: Plan | None, cameras: int = 3) -> AgentStep:
    images = np.zeros((cameras, 96, 192, 3), dtype=np.uint8) if cameras else NO_IMAGES
    ego = EgoState(np.array([100.0, 50.0]), np.pi / 2, 6.0)
    targets = (
        Target(np.array([100.0, 70.0]), Command.LEFT),
        Target(np.array([90.0, 90.0]), Command.LANE_FOLLOW),
    )
    return AgentStep(7, 3.5, images, ego, targets, plan, Control(0.1, 0.5, 0.0))


def has(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((image == np.array(colour)).all(axis=2).any())


def test_targets_are_drawn_in_the_ego_frame() -> None:
    drawing = drawing_of(step_with(PLAN))
    np.testing.assert_allclose(drawing.targets_ego_m, [[20.0, 0.0], [40.0, 10.0]], atol=1e-9)


def test_route_waypoints_and_target_land_where_they_project() -> None:
    camera = NANO.cameras[0]
    drawn = draw_on_camera(BLACK, camera, Drawing(PLAN, np.array([[18.0, 3.0]])))
    scaled = dataclasses.replace(camera, width_px=480, height_px=240)
    for point, colour in (([8.3, 0.0], ROUTE_COLOUR), ([18.0, 3.0], TARGET_COLOUR)):
        column, row = np.round(project(np.array([point]), scaled)[0][0]).astype(int)
        assert tuple(drawn[row, column]) == colour
    assert has(drawn, WAYPOINT_COLOUR)
    assert not drawn[:100].any()  # nothing of it lies above the horizon


def test_the_image_itself_is_left_alone() -> None:
    image = BLACK.copy()
    draw_on_camera(image, NANO.cameras[0], Drawing(PLAN, np.empty((0, 2))))
    assert not image.any()


def test_from_above_ahead_is_up_and_right_is_right() -> None:
    drawn = birds_eye(Drawing(None, np.array([[20.0, 10.0]])), 220)
    rows, columns = np.nonzero((drawn == np.array(TARGET_COLOUR)).all(axis=2))
    assert rows.mean() < 110
    assert columns.mean() > 110


@pytest.mark.parametrize("cameras", [0, 1, 3])
def test_a_composed_image_has_even_sides_and_the_plan(cameras: int) -> None:
    step = step_with(PLAN, cameras)
    image = compose_step(step, NANO.cameras[:cameras], {"score": "97.5"})
    assert image.shape[0] % 2 == image.shape[1] % 2 == 0
    assert image.dtype == np.uint8
    assert has(image, ROUTE_COLOUR)
    assert has(image[-72:], BACKGROUND)


@pytest.mark.parametrize(
    "plan",
    [
        None,
        Plan(np.full((20, 2), np.nan), np.full((10, 2), np.inf)),
        Plan(np.full((20, 2), 1e9), np.full((10, 2), -1e9)),
        Plan(np.empty((0, 2)), np.empty((0, 2))),
    ],
)
def test_any_plan_can_be_drawn(plan: Plan | None) -> None:
    compose_step(step_with(plan), NANO.cameras)


def test_an_unknown_state_draws_no_targets() -> None:
    step = dataclasses.replace(step_with(PLAN), ego=EgoState(np.full(2, np.nan), 0.0, 0.0))
    assert len(drawing_of(step).targets_ego_m) == 0
    compose_step(step, NANO.cameras)


def test_the_panel_tells_state_and_extras() -> None:
    text = " ".join(state_lines(step_with(PLAN), {"score": "97.5"}))
    for part in ("6.00 m/s", "steer +0.10", "left", "score 97.5"):
        assert part in text
