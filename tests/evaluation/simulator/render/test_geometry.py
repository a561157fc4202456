"""Culling, cutting, packing and models: no graphics driver needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.simulator.render.atlas import pack, page_sizes
from evaluation.simulator.render.atmosphere import UNIFORM_FLOATS, Atmosphere
from evaluation.simulator.render.chunks import CELL_M, TriangleSoup, cut
from evaluation.simulator.render.frame import MAX_SIDE_PX, BodyKind, ClearWeather
from evaluation.simulator.render.instances import static_instances
from evaluation.simulator.render.library import Library
from evaluation.simulator.render.palette import LOOKS
from evaluation.simulator.render.projection import (
    FAR_M,
    Viewpoint,
    Viewpoints,
    pose_matrix,
    rotation_matrices,
)
from evaluation.simulator.render.surfaces import SURFACE_VERTEX_DTYPE, shade, surface_chunks
from evaluation.simulator.town.scenery import Material, Scenery
from tests.evaluation.simulator.render.render_scenes import camera, ground, street

angles = st.tuples(st.floats(-60, 60), st.floats(-60, 60), st.floats(-180, 180))
points = st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(-20, 20))


@given(angles, points, st.floats(0.01, 5.0), st.floats(20.0, 140.0))
def test_nothing_in_the_image_is_culled(
    angles_deg: tuple[float, float, float],
    point: tuple[float, float, float],
    radius: float,
    fov_deg: float,
) -> None:
    view = camera((3.0, -2.0, 1.5), angles_deg, (160, 90), fov_deg)
    viewpoint = Viewpoint.of(view)
    clip = viewpoint.clip_from_relative() @ np.append(point - viewpoint.position_world_m, 1.0)
    inside = clip[3] > 0.1 and np.abs(clip[:2]).max() <= clip[3]
    centre, feature = np.array([point], np.float32), np.array([10.0], np.float32)
    views = Viewpoints([viewpoint, viewpoint])
    by_sphere, ahead = views.see_spheres(centre, np.array([radius], np.float32), feature)
    by_box, _ = views.see_boxes(centre, np.full((1, 3), radius, np.float32), feature)
    assert by_sphere.shape == by_box.shape == ahead.shape == (2, 1)
    if inside:
        assert by_sphere.all()
        assert by_box.all()


def test_what_is_behind_beside_or_too_small_is_culled() -> None:
    views = Viewpoints([Viewpoint.of(camera())])
    centre = np.array([[-20, 0, 2], [20, 40, 2], [20, 0, 2], [100, 0, 2], [500, 0, 2]], np.float32)
    radius, feature = np.ones(5, np.float32), np.array([9, 9, 9, 0.1, 900], np.float32)
    seen, ahead = views.see_spheres(centre, radius, feature)
    assert seen.tolist() == [[False, False, True, False, False]]
    assert ahead[0] == pytest.approx(centre[:, 0], abs=1e-4)


@given(angles)
def test_rotations_are_proper_and_follow_carla(angles_deg: tuple[float, float, float]) -> None:
    turn = rotation_matrices(np.radians([angles_deg]))[0]
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)


def test_signs_of_rotations() -> None:
    def axis(column: int, roll: float = 0, pitch: float = 0, yaw: float = 0) -> np.ndarray:
        return pose_matrix(np.zeros(3), np.radians([roll, pitch, yaw]))[:3, column]

    assert axis(0, yaw=90) == pytest.approx([0, 1, 0], abs=1e-12)
    assert axis(0, pitch=90) == pytest.approx([0, 0, 1], abs=1e-12)
    assert axis(1, roll=90) == pytest.approx([0, 0, -1], abs=1e-12)


@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(1, 2000)), min_size=1, max_size=25))
def test_packed_images_do_not_overlap(sizes: list[tuple[int, int]]) -> None:
    places = pack(sizes)
    pages = page_sizes(places)
    assert [(p.width_px, p.height_px) for p in places] == sizes
    for i, a in enumerate(places):
        assert a.x_px + a.width_px <= pages[a.page][0] <= MAX_SIDE_PX
        assert a.y_px + a.height_px <= pages[a.page][1] <= MAX_SIDE_PX
        for b in places[:i]:
            apart_x = a.x_px + a.width_px <= b.x_px or b.x_px + b.width_px <= a.x_px
            apart_y = a.y_px + a.height_px <= b.y_px or b.y_px + b.height_px <= a.y_px
            assert a.page != b.page or apart_x or apart_y


def test_cutting_keeps_every_triangle_and_its_place() -> None:
    rng = np.random.default_rng(1)
    vertices = np.zeros(600, SURFACE_VERTEX_DTYPE)
    vertices["position"] = rng.uniform(-300, 300, (600, 3))
    triangles = rng.integers(0, 600, (500, 3)).astype(np.uint32)
    near = TriangleSoup(vertices, triangles[:200], 0.5)
    chunks = cut([near, TriangleSoup(vertices, triangles[200:], 9.0)], SURFACE_VERTEX_DTYPE)
    assert chunks.index_count.sum() == triangles.size == len(chunks.indices)

    def corners(array: np.ndarray) -> list[list[float]]:
        return sorted(array.reshape(-1, 9).tolist())

    cut_corners = chunks.vertices["position"][chunks.indices]
    assert corners(cut_corners) == corners(vertices["position"][triangles])
    for row in range(len(chunks.first_index)):
        first, count = chunks.first_index[row], chunks.index_count[row]
        inside = cut_corners[first : first + count]
        assert (np.abs(inside - chunks.centre_m[row]) <= chunks.half_m[row] + 1e-3).all()
        middles = inside.reshape(-1, 3, 3).mean(axis=1)[:, :2]
        assert np.ptp(np.floor(middles / CELL_M), axis=0).max() == 0.0


def test_surfaces_are_shaded_upwards_and_upper_layers_come_first() -> None:
    grass = ground(Material.GRASS, (0, 9), (0, 9), 0.0)
    line = ground(Material.MARKING_WHITE, (0, 9), (4, 4.2), 0.0)
    _, _, normals = shade(grass.vertices, grass.triangles[:, ::-1])
    assert normals == pytest.approx(np.tile([0.0, 0.0, 1.0], (4, 1)))
    chunks = surface_chunks([grass, line])
    assert set(LOOKS) == set(Material)
    assert len(chunks.indices) == 12


def test_sharp_bends_get_vertices_of_their_own() -> None:
    step = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 1, 5], [0, 5, 4]], np.uint32)
    positions, triangles, normals = shade(step, faces)
    assert len(positions) == 12
    assert np.abs(normals[triangles[:, 0]][:, 2]) == pytest.approx([1, 1, 0, 0])


def test_models_are_closed_enough_and_fit_their_box() -> None:
    library = Library.build()
    assert Library.build() is library
    for name, row in library.ids.items():
        start, count = library.first_index[row], library.index_count[row]
        index = library.indices[start : start + count] + library.first_vertex[row]
        position = library.vertices["position"][index]
        assert count % 3 == 0
        assert np.isfinite(position).all()
        if name in ("sedan", "hatch", "off_road", "van", "truck", "bus", "crate"):
            assert np.abs(position).max() < 1.05, name
            assert np.abs(position).max(axis=0) == pytest.approx([1, 1, 1], abs=0.05), name
        coarse = library.index_count[library.coarse[row]]
        assert coarse <= count, name


def test_bodies_get_models_by_kind_and_proportions() -> None:
    library = Library.build()
    names = {row: name for name, row in library.ids.items()}

    def model(kind: BodyKind, half: tuple[float, float, float], x: float = 0.0) -> str:
        position = np.array([[x, 0.0, 0.0]])
        return names[int(library.body_models(np.array([kind]), np.array([half]), position)[0])]

    assert model(BodyKind.CAR, (2.4, 0.9, 0.73)) == "sedan"
    assert model(BodyKind.CAR, (1.9, 0.9, 0.77)) == "hatch"
    assert model(BodyKind.CAR, (2.4, 1.0, 0.95)) == "off_road"
    assert model(BodyKind.PROP, (0.2, 0.2, 0.4)) == "cone"
    assert model(BodyKind.PROP, (0.2, 1.0, 0.5)) == "barrier"
    assert model(BodyKind.PROP, (1.0, 1.0, 1.0)) == "crate"
    assert model(BodyKind.PROP, (0.0, 0.0, 0.0)) in library.ids
    steps = {model(BodyKind.WALKER, (0.2, 0.2, 0.9), x) for x in np.arange(0.0, 1.6, 0.1)}
    assert len(steps) == 4


def test_static_instances_start_with_the_lamp_housings() -> None:
    library = Library.build()
    placed, lamps = static_instances(street(), library)
    assert (lamps.start, lamps.stop) == (0, 1)
    assert placed.model[0] == library.ids["lamp_housing"]
    assert library.ids["speed_limit_50"] in placed.model
    assert len(placed.records) == len(placed.centre_m) == 1 + 1 + 1 + 3
    none, rows = static_instances(Scenery(), library)
    assert len(none.records) == rows.stop == 0


@given(
    st.floats(-90, 90),
    st.floats(-400, 400),
    st.floats(-10, 120),
    st.floats(0, 100),
    st.floats(-5, 500),
)
def test_light_stays_finite_in_any_weather(
    altitude: float, azimuth: float, cloudiness: float, fog: float, distance: float
) -> None:
    weather = ClearWeather(
        sun_altitude_angle=altitude,
        sun_azimuth_angle=azimuth,
        cloudiness=cloudiness,
        fog_density=fog,
        fog_distance=distance,
        precipitation=cloudiness,
    )
    air = Atmosphere.of(weather)
    block = air.uniforms(Viewpoint.of(camera()), 1e6)
    assert block.shape == (UNIFORM_FLOATS,)
    assert np.isfinite(block).all()
    assert min(air.sky_light.min(), air.sun_colour.min(), air.horizon.min()) >= 0.0
    assert 0.0 <= air.darkness <= 1.0
    assert block[47] == FAR_M
