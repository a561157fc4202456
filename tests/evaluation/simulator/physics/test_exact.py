"""Written-out trigonometry against numpy's, and products against its products."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluation.simulator.physics import exact

UNITS = 4.0 * np.finfo(np.float64).eps
numbers = st.floats(-1e3, 1e3)
rows = st.integers(0, 5)


@given(arrays(np.float64, rows, elements=st.floats(-exact.LARGEST_RAD, exact.LARGEST_RAD)))
def test_sine_and_cosine(angle_rad: exact.Floats) -> None:
    sine, cosine = exact.sin_cos(angle_rad)
    np.testing.assert_allclose(sine, np.sin(angle_rad), rtol=0.0, atol=UNITS)
    np.testing.assert_allclose(cosine, np.cos(angle_rad), rtol=0.0, atol=UNITS)


@pytest.mark.parametrize("quarter", range(-5, 6))
def test_quarter_turns(quarter: int) -> None:
    sine, cosine = exact.sin_cos(np.array([quarter * math.pi / 2.0]))
    assert sine[0] == pytest.approx((0.0, 1.0, 0.0, -1.0)[quarter % 4], abs=UNITS)
    assert cosine[0] == pytest.approx((1.0, 0.0, -1.0, 0.0)[quarter % 4], abs=UNITS)


@given(arrays(np.float64, (4, 2), elements=numbers))
def test_angles_of_vectors(vectors: exact.Floats) -> None:
    x, y = vectors.T
    expected = np.where((x == 0.0) & (y == 0.0), 0.0, np.arctan2(y, x))
    turned = exact.arctan2(y, x) - expected
    turned -= 2.0 * np.pi * np.rint(turned / (2.0 * np.pi))
    np.testing.assert_allclose(turned, 0.0, atol=2.0 * UNITS)


@given(arrays(np.float64, 4, elements=st.floats(-1.0, 1.0)))
def test_angles_of_slopes_and_sines(slope: exact.Floats) -> None:
    np.testing.assert_allclose(exact.arctan(1e3 * slope), np.arctan(1e3 * slope), atol=UNITS)
    np.testing.assert_allclose(np.sin(exact.arcsin(slope)), slope, atol=UNITS)


@given(
    arrays(np.float64, (3, 3, 3), elements=numbers), arrays(np.float64, (3, 3), elements=numbers)
)
def test_products(matrices: exact.Floats, vectors: exact.Floats) -> None:
    scale = 1e6 * UNITS
    expected = np.einsum("nij,nj->ni", matrices, vectors)
    np.testing.assert_allclose(exact.transform_each(matrices, vectors), expected, atol=9.0 * scale)
    squares = exact.multiply_each(matrices, matrices)
    np.testing.assert_allclose(squares, matrices @ matrices, atol=9.0 * scale)
    a, b = exact.plane(*vectors[:2]), exact.plane(*vectors[1:])
    np.testing.assert_allclose(exact.times(a, b), a * b, atol=9.0 * scale)
