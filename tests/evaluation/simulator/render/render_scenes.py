"""Small sceneries, bodies and cameras for the renderer's tests."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.simulator.render.context import RendererUnavailable, open_context
from evaluation.simulator.render.frame import Bodies, BodyKind, CameraView
from evaluation.simulator.render.projection import pose_matrix
from evaluation.simulator.town.scenery import (
    Buildings,
    LampHeads,
    Material,
    Mesh,
    Poles,
    Scenery,
    SignFaces,
    SignKind,
    Trees,
)


def _has_opengl() -> bool:
    try:
        open_context().release()
    except RendererUnavailable:
        return False
    return True


needs_opengl = pytest.mark.skipif(
    not _has_opengl(), reason="needs OpenGL over EGL: apt-get install libegl1 libgl1"
)


def ground(material: Material, x: tuple[float, float], y: tuple[float, float], z: float) -> Mesh:
    """A level rectangle."""
    corners = [[x[0], y[0], z], [x[1], y[0], z], [x[1], y[1], z], [x[0], y[1], z]]
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.uint32)
    return Mesh(material, np.array(corners, np.float32), triangles)


def street() -> Scenery:
    """A road along x with a traffic light 20 m ahead, a house, a tree, a pole and signs."""
    vector = np.float32
    return Scenery(
        meshes=(
            ground(Material.GRASS, (-300.0, 300.0), (-300.0, 300.0), -0.05),
            ground(Material.ROAD, (-300.0, 300.0), (-7.0, 7.0), 0.0),
            ground(Material.SIDEWALK, (-300.0, 300.0), (7.0, 10.0), 0.12),
            ground(Material.MARKING_WHITE, (-300.0, 300.0), (-0.1, 0.1), 0.0),
            ground(Material.CROSSWALK, (14.0, 17.0), (-6.0, -5.0), 0.0),
        ),
        buildings=Buildings(
            np.array([[30.0, 22.0, 6.0]], vector),
            np.array([[8.0, 6.0, 6.0]], vector),
            np.array([0.1], vector),
            np.array([5], np.uint32),
        ),
        trees=Trees(
            np.array([[25.0, -9.0, 0.0]], vector),
            np.array([6.0], vector),
            np.array([1.6], vector),
            np.array([0.15], vector),
            np.array([4], np.uint32),
        ),
        poles=Poles(
            np.array([[20.3, 3.0, 0.0]], vector),
            np.array([[20.3, 3.0, 4.0]], vector),
            np.array([0.08], vector),
        ),
        lamp_heads=LampHeads(
            np.array([0], np.int32), np.array([[20.0, 3.0, 4.0]], vector), np.array([np.pi], vector)
        ),
        sign_faces=SignFaces(
            np.array([SignKind.STOP, SignKind.SPEED_LIMIT, SignKind.YIELD], np.uint8),
            np.array([0, 50, 0], np.int32),
            np.array([[12.0, 6.0, 2.2], [12.0, -6.0, 2.2], [16.0, -7.0, 2.2]], vector),
            np.full(3, np.pi, vector),
            np.full(3, 0.4, vector),
        ),
    )


def body(
    kind: BodyKind,
    position: tuple[float, float, float],
    half: tuple[float, float, float],
    *,
    colour: tuple[int, int, int] = (255, 255, 255),
    yaw: float = 0.0,
    flags: int = 0,
) -> Bodies:
    """One body whose box is centred on `position`."""
    return Bodies(
        np.array([kind], np.uint8),
        np.array([position], np.float64),
        np.array([[0.0, 0.0, yaw]]),
        np.array([half], np.float64),
        np.zeros((1, 3)),
        np.array([colour], np.uint8),
        np.array([flags], np.uint32),
    )


def camera(
    position: tuple[float, float, float] = (0.0, 0.0, 2.0),
    angles_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    size: tuple[int, int] = (192, 96),
    fov_deg: float = 65.0,
) -> CameraView:
    """A camera; angles are roll, pitch, yaw."""
    pose = pose_matrix(np.array(position), np.radians(angles_deg))
    return CameraView(pose, size[0], size[1], fov_deg)
