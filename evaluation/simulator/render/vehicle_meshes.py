"""Vehicles as low-poly models; each fills the unit cube and is stretched to its extent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.rider_models import add_rider
from evaluation.simulator.render.shapes import Finish, Model, Sculptor

F64 = NDArray[np.float64]

PAINT = Finish((255, 255, 255), paint=True, mirror=0.04)
SHADED_PAINT = Finish((205, 205, 205), paint=True, mirror=0.02)
GLASS = Finish((26, 31, 38), mirror=0.16)
DIM_GLASS = Finish((52, 56, 62), mirror=0.12)
TYRE = Finish((24, 24, 26))
RIM = Finish((128, 130, 134), mirror=0.03)
TRIM = Finish((34, 35, 38))
PLATE = Finish((214, 214, 206))
# Bits of carla.VehicleLightState.
TAIL_LAMP = Finish((118, 14, 16), glow_rgb=(190, 20, 16), glow_bit=0)
BRAKE_LAMP = Finish((104, 10, 14), glow_rgb=(255, 44, 30), glow_bit=3)
HEAD_LAMP = Finish((214, 218, 222), mirror=0.08, glow_rgb=(255, 250, 226), glow_bit=1)
RIGHT_BLINKER = Finish((150, 84, 22), glow_rgb=(255, 166, 28), glow_bit=4)
LEFT_BLINKER = Finish((150, 84, 22), glow_rgb=(255, 166, 28), glow_bit=5)
REVERSE_LAMP = Finish((190, 190, 186), glow_rgb=(255, 255, 250), glow_bit=6)


@dataclass(frozen=True)
class Outline:
    """Side view of a closed vehicle, metres: length, width and height, and where its parts end.

    Heights are above the ground, x ahead of the middle. The cabin spans `cabin_x_m` at the belt
    line and `roof_x_m` at the roof.
    """

    length_m: float
    width_m: float
    height_m: float
    belt_m: float
    cabin_x_m: tuple[float, float]
    roof_x_m: tuple[float, float]
    roof_width: float
    wheel_x_m: tuple[float, float]
    wheel_radius_m: float
    nose_drop_m: float = 0.12


SEDAN = Outline(4.7, 1.86, 1.46, 0.88, (-1.95, 1.05), (-1.15, 0.15), 0.74, (-1.42, 1.42), 0.34)
HATCH = Outline(4.1, 1.80, 1.55, 0.92, (-1.98, 0.95), (-1.70, 0.20), 0.76, (-1.25, 1.28), 0.33)
OFF_ROAD = Outline(4.7, 1.96, 1.85, 1.10, (-2.25, 1.05), (-2.05, 0.30), 0.82, (-1.42, 1.45), 0.40)
VAN = Outline(5.6, 2.05, 2.45, 1.25, (-2.75, 2.25), (-2.72, 1.35), 0.90, (-1.75, 1.85), 0.37, 0.25)


def _ring(rear: float, front: float, rear_z: float, front_z: float, width: float) -> F64:
    """A rectangle seen from above, its rear and front edges at their own heights."""
    return np.array(
        [
            [rear, -width, rear_z],
            [front, -width, front_z],
            [front, width, front_z],
            [rear, width, rear_z],
        ]
    )


def closed_vehicle(outline: Outline, *, windows: bool = True) -> Model:
    """A car or van: lower body, cabin with dark windows, wheels, lamps and plates."""
    shape = Sculptor()
    half_length, half_width = outline.length_m / 2, outline.width_m / 2
    belt, top = outline.belt_m, outline.height_m
    front_belt = belt - outline.nose_drop_m

    sill, bumper = 0.22, 0.50
    lower = _ring(-half_length + 0.08, half_length - 0.08, sill, sill, half_width * 0.95)
    middle = _ring(-half_length, half_length, bumper, bumper, half_width)
    upper = _ring(-half_length + 0.06, half_length - 0.10, belt, front_belt, half_width * 0.96)
    shape.loft([lower, middle], SHADED_PAINT, ends=(False, False))
    shape.loft([middle, upper], PAINT, ends=(False, True))
    base = _ring(*outline.cabin_x_m, belt - 0.02, belt - 0.06, half_width * 0.93)
    roof = _ring(*outline.roof_x_m, top, top - 0.02, half_width * outline.roof_width)
    shape.loft([base, roof], PAINT, ends=(False, True))
    _add_windows(shape, base, roof, sides=windows)
    for x in outline.wheel_x_m:
        for side in (-1.0, 1.0):
            _add_wheel(shape, x, side, half_width, outline.wheel_radius_m)
    _add_lamps(shape, half_length, half_width, 0.5 * (bumper + belt), 0.5 * (bumper + front_belt))
    return _finish(shape, outline.length_m, outline.width_m, outline.height_m)


def far_vehicle(outline: Outline) -> Model:
    """The same vehicle in a few triangles."""
    shape = Sculptor()
    half_length, half_width = outline.length_m / 2, outline.width_m / 2
    belt = outline.belt_m - 0.5 * outline.nose_drop_m
    body = (0.0, 0.0, 0.5 * (0.25 + belt))
    shape.box(body, (half_length, half_width, 0.5 * (belt - 0.25)), PAINT)
    cabin = [
        _ring(*outline.cabin_x_m, belt - 0.02, belt - 0.02, half_width * 0.92),
        _ring(*outline.roof_x_m, outline.height_m, outline.height_m, half_width * 0.78),
    ]
    shape.loft(cabin, DIM_GLASS, ends=(False, False))
    roof = cabin[1] + np.array([0.0, 0.0, 0.01])
    shape.polygon(roof, (0, 0, 1), PAINT)
    radius = outline.wheel_radius_m
    for x in outline.wheel_x_m:
        for side in (-1.0, 1.0):
            hub = (x, side * (half_width + 0.01), radius)
            shape.quad(hub, (0.9 * radius, 0, 0), (0, 0, radius), (0, side, 0), TYRE)
    _add_lamps(shape, half_length, half_width, 0.6 * belt + 0.18, 0.6 * belt + 0.14, small=False)
    return _finish(shape, outline.length_m, outline.width_m, outline.height_m)


def _finish(shape: Sculptor, length_m: float, width_m: float, height_m: float) -> Model:
    centre = (0.0, 0.0, height_m / 2)
    return shape.build(centre, (length_m / 2, width_m / 2, height_m / 2))


def _add_windows(shape: Sculptor, base: F64, roof: F64, *, sides: bool) -> None:
    """Panes a centimetre outside the cabin's four faces: left, front, right, rear."""
    middle = 0.5 * (base.mean(axis=0) + roof.mean(axis=0))
    for i in range(4):
        if not sides and i in (0, 2):
            continue
        j = (i + 1) % 4
        quad = np.array([base[i], base[j], roof[j], roof[i]])
        centre = quad.mean(axis=0)
        out = centre - middle
        normal = np.cross(quad[1] - quad[0], quad[3] - quad[0])
        normal *= np.sign(normal @ out) / np.linalg.norm(normal)
        pane = centre + (quad - centre) * 0.86 + 0.012 * normal
        if i in (0, 2):
            front_half = _split(pane, 0.0, 0.49), _split(pane, 0.53, 1.0)
            for part in front_half:
                shape.polygon(part, normal, GLASS)
        else:
            shape.polygon(pane, normal, GLASS)


def _split(quad: F64, start: float, end: float) -> F64:
    """The part of a quad between two shares of its first side."""
    low, high = quad[1] - quad[0], quad[2] - quad[3]
    return np.array(
        [quad[0] + start * low, quad[0] + end * low, quad[3] + end * high, quad[3] + start * high]
    )


def _add_wheel(shape: Sculptor, x: float, side: float, half_width: float, radius: float) -> None:
    outer, inner = side * (half_width + 0.005), side * (half_width - 0.24)
    start, end = (x, inner, radius), (x, outer, radius)
    shape.cylinder(start, end, radius, TYRE, sides=8, ends=(False, True))
    shape.disc((x, outer + side * 0.008, radius), (0.0, side, 0.0), 0.6 * radius, RIM, sides=6)


def _add_lamps(
    shape: Sculptor,
    half_length: float,
    half_width: float,
    rear_z: float,
    front_z: float,
    *,
    small: bool = True,
) -> None:
    """Lamps at both ends; without the `small` ones in the distance."""
    rear, front = -half_length - 0.012, half_length + 0.012
    back, ahead = (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)

    def lamp(x: float, y: float, z: float, half_y: float, half_z: float, finish: Finish) -> None:
        direction = back if x < 0.0 else ahead
        shape.quad((x, y, z), (0.0, half_y, 0.0), (0.0, 0.0, half_z), direction, finish)

    for side, blinker in ((-1.0, LEFT_BLINKER), (1.0, RIGHT_BLINKER)):
        edge = side * half_width
        lamp(rear, 0.70 * edge, rear_z + 0.08, 0.17, 0.075, BRAKE_LAMP)
        lamp(front, 0.70 * edge, front_z + 0.04, 0.20, 0.07, HEAD_LAMP)
        if not small:
            continue
        lamp(rear, 0.92 * edge, rear_z + 0.08, 0.06, 0.06, TAIL_LAMP)
        lamp(rear, 0.86 * edge, rear_z - 0.05, 0.11, 0.045, blinker)
        lamp(rear, 0.62 * edge, rear_z - 0.05, 0.07, 0.045, REVERSE_LAMP)
        lamp(front, 0.92 * edge, front_z + 0.04, 0.06, 0.06, blinker)
    if small:
        lamp(rear, 0.0, rear_z - 0.02, 0.25, 0.06, PLATE)
        lamp(front, 0.0, front_z - 0.10, 0.36, 0.09, TRIM)


def door() -> Model:
    """A car's door in the paint colour, with its pane above the belt line."""
    shape = Sculptor()
    shape.box((0, 0, -0.3), (1, 1, 0.7), PAINT, bottom=True)
    shape.box((0, 0, 0.7), (0.9, 0.4, 0.3), GLASS, top_scale=(0.8, 1.0))
    return shape.build()


def lorry() -> Model:
    """A box lorry: cab in the paint colour, pale box, six wheels."""
    shape = Sculptor()
    half_width, cargo = 1.22, Finish((214, 212, 206))
    shape.box((2.95, 0.0, 1.75), (1.0, half_width, 1.25), PAINT, top_scale=(0.9, 0.95))
    shape.quad((3.93, 0.0, 2.25), (0, 1.02, 0), (-0.06, 0, 0.42), (1, 0, 0), GLASS)
    for side in (-1.0, 1.0):
        normal = (0.0, side, 0.0)
        pane = (3.15, side * (half_width * 0.985 + 0.01), 2.2)
        shape.quad(pane, (0.55, 0, 0), (0, -side * 0.03, 0.36), normal, GLASS)
        for x in (2.7, -1.6, -2.8):
            _add_wheel(shape, x, side, half_width, 0.48)
    shape.box((-1.05, 0.0, 2.25), (2.95, half_width + 0.03, 1.25), cargo, bottom=True)
    shape.box((-0.4, 0.0, 0.8), (3.5, 0.9, 0.2), TRIM)
    shape.quad((-4.012, 0, 2.2), (0, 0.02, 0), (0, 0, 1.15), (-1, 0, 0), TRIM)
    _add_lamps(shape, 4.0, half_width, 0.88, 0.85)
    return _finish(shape, 8.0, 2.5, 3.5)


def coach() -> Model:
    """A city bus: long box with a band of windows."""
    shape = Sculptor()
    half_length, half_width = 5.4, 1.25
    shape.box((0, 0, 1.8), (half_length, half_width, 1.4), PAINT, top_scale=(0.99, 0.96))
    for side in (-1.0, 1.0):
        for x in (-4.2, -2.4, -0.6, 1.2, 3.0):
            pane = (x, side * (half_width * 0.985 + 0.02), 2.15)
            shape.quad(pane, (0.82, 0, 0), (0, -side * 0.02, 0.5), (0, side, 0), GLASS)
        door = (4.5, side * (half_width * 0.99 + 0.02), 1.6)
        shape.quad(door, (0.5, 0, 0), (0, -side * 0.02, 0.95), (0, side, 0), GLASS)
        for x in (-3.3, 3.5):
            _add_wheel(shape, x, side, half_width, 0.5)
    shape.quad((half_length + 0.01, 0, 2.0), (0, 1.1, 0), (-0.02, 0, 0.75), (1, 0, 0), GLASS)
    shape.quad((-half_length - 0.01, 0, 2.2), (0, 0.95, 0), (0.02, 0, 0.45), (-1, 0, 0), GLASS)
    _add_lamps(shape, half_length, half_width, 0.95, 0.8)
    return _finish(shape, 2 * half_length, 2 * half_width, 3.2)


def motorcycle() -> Model:
    """A motorcycle with its rider."""
    shape = Sculptor()
    for x in (-0.72, 0.72):
        shape.cylinder((x, -0.08, 0.32), (x, 0.08, 0.32), 0.32, TYRE, sides=8)
    shape.box((0.0, 0.0, 0.55), (0.55, 0.16, 0.25), TRIM)
    shape.box((0.22, 0.0, 0.85), (0.28, 0.17, 0.13), PAINT, top_scale=(0.7, 0.7))
    shape.box((-0.42, 0.0, 0.82), (0.42, 0.15, 0.07), TRIM)
    shape.cylinder((0.72, 0, 0.32), (0.5, 0, 0.98), 0.06, RIM, sides=4)
    shape.box((0.5, 0.0, 1.02), (0.04, 0.36, 0.03), TRIM, bottom=True)
    shape.quad((-0.86, 0, 0.86), (0, 0.14, 0), (0, 0, 0.07), (-1, 0, 0), BRAKE_LAMP)
    shape.quad((0.66, 0, 0.86), (0, 0.12, 0), (0, 0, 0.1), (1, 0, 0), HEAD_LAMP)
    add_rider(shape, seat_x_m=-0.28, seat_z_m=0.88, hands_x_m=0.46, hands_z_m=1.04, helmet=True)
    return _finish(shape, 2.1, 0.8, 1.75)


def bicycle() -> Model:
    """A bicycle with its rider."""
    shape = Sculptor()
    for x in (-0.52, 0.52):
        shape.cylinder((x, -0.03, 0.34), (x, 0.03, 0.34), 0.34, TYRE, sides=10)
        for side in (-1.0, 1.0):
            spokes = Finish((136, 138, 140))
            shape.disc((x, side * 0.032, 0.34), (0.0, side, 0.0), 0.27, spokes, sides=8)
    bars = [
        ((-0.52, 0, 0.34), (-0.15, 0, 0.85)),
        ((-0.15, 0, 0.85), (0.40, 0, 0.80)),
        ((-0.05, 0, 0.34), (0.40, 0, 0.80)),
        ((0.52, 0, 0.34), (0.38, 0, 0.98)),
    ]
    for start, end in bars:
        shape.cylinder(start, end, 0.03, PAINT, sides=4)
    shape.box((0.38, 0, 1.0), (0.03, 0.28, 0.02), TRIM, bottom=True)
    shape.quad((-0.6, 0, 0.7), (0, 0.05, 0), (0, 0, 0.05), (-1, 0, 0), TAIL_LAMP)
    add_rider(shape, seat_x_m=-0.18, seat_z_m=0.92, hands_x_m=0.36, hands_z_m=1.02, helmet=True)
    return _finish(shape, 1.72, 0.64, 1.75)
