"""People: walkers in three phases of a step, and riders."""

from __future__ import annotations

import numpy as np

from evaluation.simulator.render.shapes import Finish, Model, Sculptor

SKIN = Finish((206, 158, 128))
HAIR = Finish((54, 40, 32))
SHIRT = Finish((255, 255, 255), paint=True)
SLEEVE = Finish((225, 225, 225), paint=True)
TROUSERS = Finish((52, 58, 78))
SHOES = Finish((30, 28, 28))
HELMET = Finish((226, 226, 222), mirror=0.06)

WALKER_STEP_M = 0.36
"""Distance walked from one phase of the step to the next."""
WALKER_PHASES = (0.0, 1.0, 0.0, -1.0)


def walker(stride: float) -> Model:
    """A walking person of 1.8 m; `stride` in -1..1 swings legs and arms, 0 stands."""
    shape = Sculptor()
    for side in (-1.0, 1.0):
        swing = 0.30 * stride * side
        hip, foot = np.array([0.0, side * 0.09, 0.90]), np.array([swing, side * 0.10, 0.07])
        shape.cylinder(foot, hip, 0.075, TROUSERS, sides=5, end_radius_m=0.105, ends=(False, False))
        shape.box(foot + np.array([0.05, 0.0, -0.02]), (0.13, 0.05, 0.05), SHOES)
        shoulder = np.array([0.0, side * 0.22, 1.42])
        hand = np.array([-0.8 * swing + 0.04, side * 0.27, 0.86])
        shape.cylinder(hand, shoulder, 0.045, SLEEVE, sides=4, end_radius_m=0.065)
        shape.box(hand - np.array([0.0, 0.0, 0.05]), (0.04, 0.035, 0.06), SKIN)
    shape.box((0, 0, 1.18), (0.12, 0.17, 0.30), SHIRT, top_scale=(0.95, 1.25))
    _head(shape, 0.01, 1.66, HAIR)
    return shape.build((0.0, 0.0, 0.9), (0.3, 0.3, 0.9))


def far_walker(stride: float) -> Model:
    """The same person in a few triangles."""
    shape = Sculptor()
    for side in (-1.0, 1.0):
        foot = np.array([0.30 * stride * side, side * 0.10, 0.02])
        hip = (0.0, side * 0.09, 0.90)
        shape.cylinder(foot, hip, 0.09, TROUSERS, sides=3, end_radius_m=0.12, ends=(False, False))
    shape.box((0, 0, 1.18), (0.14, 0.22, 0.30), SHIRT, top_scale=(0.95, 1.15))
    shape.box((0, 0, 1.65), (0.09, 0.08, 0.15), SKIN)
    return shape.build((0.0, 0.0, 0.9), (0.3, 0.3, 0.9))


def _head(shape: Sculptor, x_m: float, z_m: float, cap: Finish) -> None:
    shape.box((x_m - 0.01, 0.0, z_m - 0.16), (0.05, 0.05, 0.05), SKIN)
    shape.ball((x_m + 0.01, 0.0, z_m), (0.10, 0.085, 0.13), SKIN)
    shape.box((x_m - 0.03, 0.0, z_m + 0.06), (0.10, 0.098, 0.08), cap, top_scale=(0.7, 0.7))


def add_rider(
    shape: Sculptor,
    *,
    seat_x_m: float,
    seat_z_m: float,
    hands_x_m: float,
    hands_z_m: float,
    helmet: bool,
) -> None:
    """A seated person, leaning towards the handlebar."""
    shoulder_x, shoulder_z = seat_x_m + 0.22, seat_z_m + 0.50
    for side in (-1.0, 1.0):
        hip = np.array([seat_x_m, side * 0.10, seat_z_m + 0.04])
        knee = np.array([seat_x_m + 0.40, side * 0.14, seat_z_m - 0.12])
        foot = np.array([seat_x_m + 0.20, side * 0.13, seat_z_m - 0.52])
        shape.cylinder(hip, knee, 0.09, TROUSERS, sides=4, end_radius_m=0.07)
        shape.cylinder(knee, foot, 0.07, TROUSERS, sides=4, end_radius_m=0.05)
        shape.box(foot + np.array([0.06, 0.0, -0.02]), (0.12, 0.05, 0.05), SHOES, bottom=True)
        shoulder = np.array([shoulder_x, side * 0.20, shoulder_z])
        hand = np.array([hands_x_m, side * 0.26, hands_z_m])
        shape.cylinder(hand, shoulder, 0.045, SLEEVE, sides=4, end_radius_m=0.065)
    lean = np.array([shoulder_x - seat_x_m, 0.0, 0.0])
    hips = np.array([[-0.11, -0.15, 0], [0.11, -0.15, 0], [0.11, 0.15, 0], [-0.11, 0.15, 0]])
    low = hips + np.array([seat_x_m, 0.0, seat_z_m])
    high = hips * np.array([1.0, 1.4, 1.0]) + lean + np.array([seat_x_m, 0.0, shoulder_z + 0.06])
    shape.loft([low, high], SHIRT)
    _head(shape, shoulder_x + 0.05, shoulder_z + 0.25, HELMET if helmet else HAIR)
