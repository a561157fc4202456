"""Trigonometry and products that give the same bits on every processor.

numpy picks its loops for sines, matrix products and complex products, and the C library its
functions, by what the processor can do (wider vectors, fused multiply and add): their last bits
differ, and a collision later so do the first. Sums, products, quotients and square roots of whole
arrays are rounded alike everywhere: here is nothing else. Errors are below two units in the last
place; angles up to `LARGEST_RAD`.
"""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Plane = NDArray[np.complex128]

LARGEST_RAD = 1e6

_QUARTERS_PER_RAD = 2.0 / np.pi
# A quarter turn in three parts: multiples of the first two by whole numbers up to 2**24 are exact.
_QUARTER = (
    float.fromhex("0x1.921fb54000000p+0"),
    float.fromhex("0x1.10b4610000000p-30"),
    float.fromhex("0x1.a62633145c06ep-58"),
)
# Taylor's series of sine (over its argument) and cosine in the square of up to an eighth of a turn:
# the first term left out is below 1e-16.
_TERMS = 9
_SERIES = np.array(
    [[(-1) ** k / factorial(2 * k + 1), (-1) ** k / factorial(2 * k)] for k in range(_TERMS)]
)[:, :, None]
# The series of the arctangent, whose argument is halved twice before: at most tan(pi / 16).
_ARC_SERIES = tuple((-1) ** k / (2 * k + 1) for k in range(12))


def sin_cos(angle_rad: Floats) -> tuple[Floats, Floats]:
    """Return sines and cosines (n,) of angles (n,)."""
    quarters = np.rint(angle_rad * _QUARTERS_PER_RAD)
    # Angles of less than an eighth of a turn need no reduction; the sum takes the sign off -0, as
    # the differences do.
    small = not quarters.any()
    rest = angle_rad + 0.0
    if not small:
        for part in _QUARTER:
            rest = rest - quarters * part
    square = rest * rest
    values = _SERIES[_TERMS - 1] * square
    for term in _SERIES[_TERMS - 2 : 0 : -1]:
        values += term
        values *= square
    values += _SERIES[0]
    sine, cosine = values[0] * rest, values[1]
    if small:
        return sine, cosine
    turns = quarters.astype(np.int64)
    crossed = (turns & 1) == 1
    sines = np.where(crossed, cosine, sine)
    cosines = np.where(crossed, sine, cosine)
    sines = np.where(turns & 2, -sines, sines)
    return sines, np.where((turns + 1) & 2, -cosines, cosines)


def arctan(slope: Floats) -> Floats:
    """Return the angles (n,) of slopes (n,), within a quarter turn of zero."""
    if not slope.any():
        return slope.copy()
    x = slope
    for _ in range(2):
        x = x / (1.0 + np.sqrt(1.0 + x * x))
    square = x * x
    value = np.full_like(square, _ARC_SERIES[-1])
    for term in _ARC_SERIES[-2::-1]:
        value *= square
        value += term
    angle: Floats = 4.0 * (value * x)
    return angle


def arctan2(y: Floats, x: Floats) -> Floats:
    """Return the angles (n,) of vectors (n,), from -pi to pi; 0 for those without length."""
    steep = np.abs(y) > np.abs(x)
    over, under = np.where(steep, x, y), np.where(steep, y, x)
    angle = arctan(over / np.where(under == 0.0, 1.0, under))
    angle = np.where(steep, np.copysign(0.5 * np.pi, y) - angle, angle)
    behind = ~steep & (x < 0.0)
    turned: Floats = np.where(behind, angle + np.copysign(np.pi, y), angle)
    return turned


def arcsin(sine: Floats) -> Floats:
    """Return the angles (n,) of sines (n,) in [-1, 1]."""
    return arctan2(sine, np.sqrt((1.0 - sine) * (1.0 + sine)))


def length(x: Floats, y: Floats) -> Floats:
    """Return the lengths (n,) of vectors of the plane."""
    root: Floats = np.sqrt(x * x + y * y)
    return root


def times(a: Plane, b: Plane) -> Plane:
    """Return the products of complex numbers, of one shape after broadcasting."""
    product = np.empty(np.broadcast_shapes(a.shape, b.shape), np.complex128)
    product.real = a.real * b.real - a.imag * b.imag
    product.imag = a.real * b.imag + a.imag * b.real
    return product


def direction(angle_rad: Floats) -> Plane:
    """Return unit vectors (n,) of the plane as complex numbers."""
    sine, cosine = sin_cos(angle_rad)
    return plane(cosine, sine)


def plane(x: Floats, y: Floats) -> Plane:
    """Return vectors of the plane as complex numbers x + iy."""
    vectors = np.empty(np.shape(x), np.complex128)
    vectors.real, vectors.imag = x, y
    return vectors


def transform_each(matrices: Floats, vectors: Floats) -> Floats:
    """Return the products (n, 3) of matrices (n, 3, 3) and vectors (n, 3)."""
    products = matrices * vectors[:, None, :]
    total: Floats = products[:, :, 0] + products[:, :, 1] + products[:, :, 2]
    return total


def multiply_each(first: Floats, second: Floats) -> Floats:
    """Return the products (n, 3, 3) of matrices (n, 3, 3)."""
    total = first[:, :, 0, None] * second[:, None, 0, :]
    for part in (1, 2):
        total = total + first[:, :, part, None] * second[:, None, part, :]
    return total
