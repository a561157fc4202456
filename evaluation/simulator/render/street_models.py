"""Street furniture: trees, poles, traffic-light housings, signs and props."""

from __future__ import annotations

import numpy as np

from evaluation.simulator.render.shapes import Finish, Model, Sculptor
from evaluation.simulator.town.scenery import (
    LAMP_HOUSING_HALF_EXTENT_M,
    LAMP_RADIUS_M,
    LAMP_SPACING_M,
)

BARK = Finish((92, 72, 54))
LEAVES = Finish((255, 255, 255), paint=True)
DARK_LEAVES = Finish((206, 214, 206), paint=True)
STEEL = Finish((134, 138, 140), mirror=0.03)
HOUSING = Finish((16, 17, 18))
RIM = Finish((232, 232, 222))
SIGN_BACK = Finish((120, 122, 124))
SIGN_RED = Finish((206, 22, 28))
SIGN_WHITE = Finish((246, 246, 242))
SIGN_BLACK = Finish((22, 22, 24))
LAMPS = (
    Finish((58, 12, 12), glow_rgb=(255, 26, 18), glow_bit=0),
    Finish((58, 46, 12), glow_rgb=(255, 168, 12), glow_bit=1),
    Finish((10, 48, 26), glow_rgb=(10, 255, 110), glow_bit=2),
)
"""Red, yellow, green: the bit is the value of carla.TrafficLightState."""

# Strokes of letters and digits in a box of 1 x 1: (x0, y0, x1, y1), y up.
_LEFT, _RIGHT = [(0.0, 0.0, 0.0, 1.0)], [(1.0, 0.0, 1.0, 1.0)]
_TOP, _MIDDLE, _BOTTOM = [(0.0, 1.0, 1.0, 1.0)], [(0.0, 0.5, 1.0, 0.5)], [(0.0, 0.0, 1.0, 0.0)]
_UPPER_LEFT, _LOWER_LEFT = [(0.0, 0.5, 0.0, 1.0)], [(0.0, 0.0, 0.0, 0.5)]
_UPPER_RIGHT, _LOWER_RIGHT = [(1.0, 0.5, 1.0, 1.0)], [(1.0, 0.0, 1.0, 0.5)]
_STROKES: dict[str, list[tuple[float, float, float, float]]] = {
    "0": _LEFT + _RIGHT + _TOP + _BOTTOM,
    "1": [(0.5, 0.0, 0.5, 1.0)],
    "2": _TOP + _UPPER_RIGHT + _MIDDLE + _LOWER_LEFT + _BOTTOM,
    "3": _TOP + _MIDDLE + _BOTTOM + _RIGHT,
    "4": _UPPER_LEFT + _MIDDLE + _RIGHT,
    "5": _TOP + _UPPER_LEFT + _MIDDLE + _LOWER_RIGHT + _BOTTOM,
    "6": _TOP + _LEFT + _MIDDLE + _LOWER_RIGHT + _BOTTOM,
    "7": _TOP + _RIGHT,
    "8": _LEFT + _RIGHT + _TOP + _MIDDLE + _BOTTOM,
    "9": _TOP + _UPPER_LEFT + _MIDDLE + _RIGHT + _BOTTOM,
    "S": _TOP + _UPPER_LEFT + _MIDDLE + _LOWER_RIGHT + _BOTTOM,
    "T": [(0.5, 0.0, 0.5, 1.0), *_TOP],
    "O": _LEFT + _RIGHT + _TOP + _BOTTOM,
    "P": _LEFT + _TOP + _UPPER_RIGHT + _MIDDLE,
}


def broad_tree() -> Model:
    """A deciduous tree of height 1 and crown radius 1 (unit scales), foot at the origin."""
    shape = Sculptor()
    foot, fork = (0, 0, 0), (0, 0, 0.45)
    shape.cylinder(foot, fork, 0.09, BARK, sides=5, end_radius_m=0.06, ends=(False, False))
    shape.ball((0.0, 0.0, 0.64), (0.92, 0.92, 0.36), LEAVES)
    shape.ball((0.30, 0.18, 0.52), (0.62, 0.66, 0.24), DARK_LEAVES)
    shape.ball((-0.34, -0.22, 0.56), (0.60, 0.62, 0.26), DARK_LEAVES)
    return shape.build()


def needle_tree() -> Model:
    """A conifer of height 1 and crown radius 1 (unit scales), foot at the origin."""
    shape = Sculptor()
    shape.cylinder((0, 0, 0), (0, 0, 0.2), 0.10, BARK, sides=5, ends=(False, False))
    tiers = ((0.14, 0.55, 1.0, 0.42), (0.42, 0.78, 0.78, 0.26), (0.66, 1.0, 0.5, 0.02))
    for low, high, radius, top in tiers:
        start, end = (0, 0, low), (0, 0, high)
        shape.cylinder(start, end, radius, LEAVES, sides=7, end_radius_m=top, ends=(False, False))
    return shape.build()


def far_broad_tree() -> Model:
    """A deciduous tree in the distance: a trunk of three sides and one ball."""
    shape = Sculptor()
    shape.cylinder((0, 0, 0), (0, 0, 0.4), 0.08, BARK, sides=3, ends=(False, False))
    shape.ball((0, 0, 0.62), (0.95, 0.95, 0.38), LEAVES)
    return shape.build()


def far_needle_tree() -> Model:
    """A conifer in the distance."""
    shape = Sculptor()
    shape.cylinder((0, 0, 0), (0, 0, 0.2), 0.10, BARK, sides=3, ends=(False, False))
    for low, high, radius, top in ((0.14, 0.6, 1.0, 0.4), (0.5, 1.0, 0.7, 0.02)):
        start, end = (0, 0, low), (0, 0, high)
        shape.cylinder(start, end, radius, LEAVES, sides=5, end_radius_m=top, ends=(False, False))
    return shape.build()


def far_pole() -> Model:
    """A bar in the distance."""
    shape = Sculptor()
    shape.cylinder((0, 0, 0), (0, 0, 1), 1.0, STEEL, sides=4, ends=(False, False))
    return shape.build()


def pole() -> Model:
    """A bar of radius 1 along +z from 0 to 1."""
    shape = Sculptor()
    shape.cylinder((0, 0, 0), (0, 0, 1), 1.0, STEEL, sides=6, ends=(False, True))
    return shape.build()


def lamp_housing() -> Model:
    """A traffic light with a backboard; it looks along +x, in metres about its centre."""
    shape = Sculptor()
    depth, across, up = LAMP_HOUSING_HALF_EXTENT_M
    shape.box((-0.02, 0, 0), (depth - 0.02, across, up), HOUSING, bottom=True)
    front = depth - 0.04 + 0.002
    ahead = (1.0, 0.0, 0.0)
    board_x = 0.5 * depth
    shape.box((board_x, 0, 0), (0.012, across + 0.14, up + 0.14), RIM, bottom=True)
    shape.quad((board_x + 0.02, 0, 0), (0, across + 0.09, 0), (0, 0, up + 0.09), ahead, HOUSING)
    back = (board_x - 0.02, 0, 0)
    shape.quad(back, (0, across + 0.14, 0), (0, 0, up + 0.14), (-1, 0, 0), HOUSING)
    for row, finish in enumerate(LAMPS):
        height = (1 - row) * LAMP_SPACING_M
        shape.disc((front + 0.02, 0, height), ahead, LAMP_RADIUS_M, finish, sides=8)
    return shape.build()


def _text(
    shape: Sculptor, text: str, half_width: float, half_height: float, finish: Finish
) -> None:
    """Strokes a centimetre before a plate of radius 1 that looks along +x."""
    pitch = 2.0 * half_width / len(text)
    letter, thick = 0.62 * pitch, 0.30 * 0.5 * 0.62 * pitch
    for index, character in enumerate(text):
        # Seen by the one who faces the plate, y runs to the left.
        left = half_width - (index + 0.5) * pitch + 0.5 * letter
        for x0, y0, x1, y1 in _STROKES[character]:
            centre = (0.05, left - 0.5 * (x0 + x1) * letter, (y0 + y1 - 1.0) * half_height)
            half_y = 0.5 * abs(x1 - x0) * letter + thick
            half_z = abs(y1 - y0) * half_height + thick
            shape.quad(centre, (0, half_y, 0), (0, 0, half_z), (1, 0, 0), finish)


def _plate(shape: Sculptor, sides: int, layers: list[tuple[float, Finish]]) -> None:
    """Regular polygons of falling radius on each other, and a grey back."""
    shape.disc((-0.02, 0, 0), (-1, 0, 0), layers[0][0], SIGN_BACK, sides=sides)
    for row, (radius, finish) in enumerate(layers):
        shape.disc((0.015 * row, 0, 0), (1, 0, 0), radius, finish, sides=sides)


def stop_sign() -> Model:
    """A red octagon of radius 1 with a white border and its word."""
    shape = Sculptor()
    _plate(shape, 8, [(1.0, SIGN_WHITE), (0.91, SIGN_RED)])
    _text(shape, "STOP", 0.68, 0.24, SIGN_WHITE)
    return shape.build()


def yield_sign() -> Model:
    """A triangle of radius 1 on its point, white with a red border."""
    shape = Sculptor()
    for depth, radius, finish, ahead in (
        (-0.02, 1.0, SIGN_BACK, -1.0),
        (0.0, 1.0, SIGN_RED, 1.0),
        (0.015, 0.62, SIGN_WHITE, 1.0),
    ):
        turn = np.radians([90.0, 210.0, 330.0])
        across, up = radius * np.cos(turn), -radius * np.sin(turn)
        corners = np.column_stack([np.full(3, depth), across, up])
        shape.polygon(corners, (ahead, 0, 0), finish)
    return shape.build()


def speed_limit_sign(value: int) -> Model:
    """A white disc of radius 1 with a red ring and a number."""
    shape = Sculptor()
    _plate(shape, 14, [(1.0, SIGN_RED), (0.78, SIGN_WHITE)])
    digits = str(value) if value > 0 else ""
    if digits:
        _text(shape, digits, 0.52 if len(digits) < 3 else 0.62, 0.34, SIGN_BLACK)
    return shape.build()


def cone() -> Model:
    """A traffic cone in the unit cube."""
    shape = Sculptor()
    orange, white = Finish((242, 96, 26)), Finish((240, 240, 236))
    shape.box((0, 0, -0.95), (1, 1, 0.05), orange)
    for low, high, start, end, finish in (
        (-0.9, -0.2, 0.72, 0.5, orange),
        (-0.2, 0.3, 0.5, 0.34, white),
        (0.3, 1.0, 0.34, 0.12, orange),
    ):
        foot, top = (0, 0, low), (0, 0, high)
        ends = (False, high == 1.0)
        shape.cylinder(foot, top, start, finish, sides=7, end_radius_m=end, ends=ends)
    return shape.build()


def barrier() -> Model:
    """A red and white barrier board in the unit cube."""
    shape = Sculptor()
    red, white = Finish((210, 40, 34)), Finish((238, 238, 234))
    for index in range(6):
        y = -1.0 + (index + 0.5) / 3.0
        finish = red if index % 2 else white
        shape.box((0, y, 0.4), (0.35, 1.0 / 6.0, 0.6), finish, bottom=True)
    for y in (-0.8, 0.8):
        shape.box((0, y, -0.6), (1.0, 0.06, 0.4), SIGN_BACK)
    return shape.build()


def crate() -> Model:
    """A plain box in the unit cube."""
    shape = Sculptor()
    shape.box((0, 0, 0), (1, 1, 1), Finish((255, 255, 255), paint=True), bottom=True)
    return shape.build()
