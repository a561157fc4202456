"""Roads, sidewalks, kerbs and open ground of a surveyed map, as meshes, areas and heights."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, minimum_filter, uniform_filter

from evaluation.simulator.town.ground import Areas, Ground
from evaluation.simulator.town.meshing import MeshBuilder, polygons_of
from evaluation.simulator.town.scenery import Material
from evaluation.simulator.town.survey import LaneStrip, Survey

F64 = NDArray[np.float64]

KERB_HEIGHT_M = 0.12
_GRASS_BELOW_M = 0.08
_SKIRT_M = 1.5
_FLAT_RANGE_M = 0.4
_MARGIN_M = 400.0
_CELL_M = 10.0
_SAMPLE_M = 2.0
_BIGGEST_HOLE_M2 = 300.0
_HAIR_M = 0.1
_SPECK_M2 = 0.02
_RAISED = {"sidewalk": Material.SIDEWALK, "median": Material.CONCRETE, "curb": Material.KERB}


def is_raised(strip: LaneStrip) -> bool:
    """Whether a lane lies on a kerb."""
    return strip.kind in _RAISED


def build_surfaces(survey: Survey, builder: MeshBuilder) -> tuple[Areas, Ground]:
    """Add all paved and open surfaces to `builder`; return ground plan and heights."""
    outlines = {id(strip): strip.outline() for strip in survey.strips}
    road = [strip for strip in survey.strips if not is_raised(strip)]
    raised = [strip for strip in survey.strips if is_raised(strip)]
    for strip in road:
        builder.add_ribbon(Material.ROAD, strip.left, strip.right)
    _add_raised(raised, builder)
    road_area = shapely.union_all([outlines[id(strip)] for strip in road])
    walk_area = shapely.union_all([outlines[id(strip)] for strip in raised])
    fills, corners = _junction_gaps(survey, outlines, road_area, walk_area)
    points, slopes = _samples(road)
    extra = [_add_gaps(fills, corners, Ground(points, slopes), builder)]
    extra_slopes = [np.zeros((len(extra[0]), 2))]
    if raised:
        raised_points, raised_slopes = _samples(raised)
        extra.append(raised_points)
        extra_slopes.append(raised_slopes)
    ground = Ground(np.concatenate([points, *extra]), np.concatenate([slopes, *extra_slopes]))
    areas = Areas(shapely.union_all([road_area, *fills]), shapely.union_all([walk_area, *corners]))
    shapely.prepare(areas.road)
    _add_open_ground(road, builder)
    return areas, ground


def _lift(line: F64, height_m: float) -> F64:
    return np.asarray(line + np.array([0.0, 0.0, height_m]))


def _add_raised(strips: list[LaneStrip], builder: MeshBuilder) -> None:
    """Sidewalks and medians on their kerbs, closed by faces on both sides and at both ends."""
    for strip in strips:
        left, right = _lift(strip.left, KERB_HEIGHT_M), _lift(strip.right, KERB_HEIGHT_M)
        builder.add_ribbon(_RAISED[strip.kind], left, right)
        for line in (left, right, np.stack([left[0], right[0]]), np.stack([left[-1], right[-1]])):
            builder.add_face(Material.KERB, line, KERB_HEIGHT_M + 0.1)


def _samples(strips: Iterable[LaneStrip]) -> tuple[F64, F64]:
    """Points (n, 3) and slopes (n, 2) at most `_SAMPLE_M` apart along every lane."""
    points, slopes = [], []
    for strip in strips:
        centre = strip.centre
        steps = np.linalg.norm(np.diff(centre[:, :2], axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        if along[-1] <= 0.0:
            continue
        at = np.linspace(0.0, along[-1], int(np.ceil(along[-1] / _SAMPLE_M)) + 1)
        left = _interpolate(at, along, strip.left)
        right = _interpolate(at, along, strip.right)
        lift = KERB_HEIGHT_M if is_raised(strip) else 0.0
        middle = 0.5 * (left + right)
        direction = np.gradient(middle[:, :2], axis=0)
        length = np.maximum(np.linalg.norm(direction, axis=1), 1e-6)
        grade = np.gradient(middle[:, 2]) / length
        slope = (grade / length)[:, None] * direction
        for share in (0.15, 0.5, 0.85):
            points.append(_lift(left + share * (right - left), lift))
            slopes.append(slope)
    return np.concatenate(points), np.concatenate(slopes)


def _interpolate(at: F64, along: F64, line: F64) -> F64:
    return np.column_stack([np.interp(at, along, line[:, i]) for i in range(3)])


def _junction_gaps(
    survey: Survey,
    outlines: dict[int, shapely.Polygon],
    road_area: shapely.Geometry,
    walk_area: shapely.Geometry,
) -> tuple[list[shapely.Geometry], list[shapely.Geometry]]:
    """What lies between the lanes of each junction, and sidewalk corners where it has none."""
    members: dict[int, list[LaneStrip]] = {}
    for strip in survey.strips:
        if strip.is_junction:
            members.setdefault(strip.junction_id, []).append(strip)
    fills, corners = [], []
    for strips in members.values():
        own = shapely.union_all([outlines[id(strip)] for strip in strips])
        walked = any(strip.kind == "sidewalk" for strip in strips)
        closed, gap = _closed(own)
        fills += [part for part in polygons_of(gap.difference(walk_area)) if part.area > _SPECK_M2]
        if not walked:
            width = _sidewalk_width_m(closed, survey)
            if width > 0.0:
                ring = closed.buffer(width, join_style="mitre", mitre_limit=2.0)
                ring = ring.difference(shapely.union_all([road_area, closed, walk_area]))
                corners += polygons_of(ring.buffer(-0.1).buffer(0.1, join_style="mitre"))
    return fills, corners


def _closed(lanes: shapely.Geometry) -> tuple[shapely.Geometry, shapely.Geometry]:
    """A junction's lanes with what lies between them, and the latter alone."""
    with np.errstate(divide="ignore", invalid="ignore"):  # GEOS, at corners that are straight
        closed = _without_holes(
            lanes.buffer(1.5, join_style="mitre").buffer(-1.5, join_style="mitre")
        )
        # Rounding leaves hairs of gap along the junction's outer edge: only those inside count.
        gap = closed.difference(lanes).intersection(closed.buffer(-_HAIR_M, join_style="mitre"))
        return closed, gap.buffer(1.5 * _HAIR_M, join_style="mitre").intersection(closed)


def _without_holes(area: shapely.Geometry) -> shapely.Geometry:
    filled = []
    for part in polygons_of(area):
        holes = [ring for ring in part.interiors if shapely.Polygon(ring).area > _BIGGEST_HOLE_M2]
        filled.append(shapely.Polygon(part.exterior, holes))
    return shapely.union_all(filled)


def _sidewalk_width_m(junction: shapely.Geometry, survey: Survey) -> float:
    """Typical width of the sidewalks that end at a junction, 0 for none."""
    near = junction.buffer(6.0)
    box = near.bounds
    widths = []
    for strip in survey.strips:
        if strip.kind != "sidewalk" or strip.is_junction:
            continue
        for end in (0, -1):
            x, y = strip.centre[end, :2]
            if box[0] < x < box[2] and box[1] < y < box[3] and near.contains(shapely.Point(x, y)):
                widths.append(float(np.linalg.norm(strip.left[end] - strip.right[end])))
    return float(np.median(widths)) if widths else 0.0


def _add_gaps(
    fills: list[shapely.Geometry],
    corners: list[shapely.Geometry],
    road_ground: Ground,
    builder: MeshBuilder,
) -> F64:
    """Add junction gaps and raised corners; returns height samples (n, 3) on the corners."""

    def road_height(xy: F64) -> F64:
        return road_ground.plan_height_m(xy)

    def walk_height(xy: F64) -> F64:
        return road_ground.plan_height_m(xy) + KERB_HEIGHT_M

    for area in fills:
        builder.add_polygon(Material.ROAD, area, road_height)
    samples = [np.zeros((0, 3))]
    for area in corners:
        builder.add_polygon(Material.SIDEWALK, area, walk_height)
        for ring in (area.exterior, *area.interiors):
            line = np.asarray(ring.coords)[:, :2]
            builder.add_face(
                Material.KERB, np.column_stack([line, walk_height(line)]), KERB_HEIGHT_M + 0.1
            )
        x0, y0, x1, y1 = area.bounds
        grid = np.stack(np.meshgrid(np.arange(x0, x1, 1.0), np.arange(y0, y1, 1.0)), -1)
        inside = grid.reshape(-1, 2)
        inside = inside[shapely.contains_xy(area, inside[:, 0], inside[:, 1])]
        samples.append(np.column_stack([inside, walk_height(inside)]))
    return np.concatenate(samples)


def _add_open_ground(strips: list[LaneStrip], builder: MeshBuilder) -> None:
    """Grass: one level square, or a terrain that passes under all roads where they climb."""
    points = np.concatenate([np.concatenate([strip.left, strip.right]) for strip in strips])
    low, high = points.min(axis=0), points.max(axis=0)
    if high[2] - low[2] < _FLAT_RANGE_M:
        z = low[2] - _GRASS_BELOW_M
        x0, y0 = low[:2] - _MARGIN_M
        x1, y1 = high[:2] + _MARGIN_M
        corners = np.array([[[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]]])
        builder.add_quads(Material.GRASS, corners)
        return
    _add_skirts(strips, builder)
    points, _ = _samples(strips)
    _add_terrain(points, builder)


def _add_skirts(strips: list[LaneStrip], builder: MeshBuilder) -> None:
    """Close the sides of roads that run above the terrain."""
    widest: dict[tuple[int, int, bool], int] = {}
    for strip in strips:
        key = (strip.road_id, strip.section, strip.lane_id > 0)
        widest[key] = max(widest.get(key, 0), abs(strip.lane_id))
    for strip in strips:
        key = (strip.road_id, strip.section, strip.lane_id > 0)
        if abs(strip.lane_id) == widest[key]:
            builder.add_face(Material.CONCRETE, _lift(strip.outer, -0.01), _SKIRT_M)
        if abs(strip.lane_id) == 1:
            builder.add_face(Material.CONCRETE, _lift(strip.inner, -0.01), _SKIRT_M)


def _add_terrain(points: F64, builder: MeshBuilder) -> None:
    """A grid under `points` (n, 3): the lowest road nearby, smoothed out between roads."""
    origin = points[:, :2].min(axis=0) - _MARGIN_M
    shape = np.ceil((points[:, :2].max(axis=0) + _MARGIN_M - origin) / _CELL_M).astype(int) + 1
    lowest = np.full(shape, np.inf)
    cells = np.round((points[:, :2] - origin) / _CELL_M).astype(int)
    np.minimum.at(lowest, (cells[:, 0], cells[:, 1]), points[:, 2])
    lowest = minimum_filter(lowest, size=3)
    known = np.isfinite(lowest)
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    height = lowest[tuple(nearest)]
    for _ in range(12):
        height = np.where(known, height, uniform_filter(height, size=5))
    height -= _GRASS_BELOW_M
    ii, jj = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    vertices = np.column_stack(
        [origin[0] + _CELL_M * ii.ravel(), origin[1] + _CELL_M * jj.ravel(), height.ravel()]
    )
    corner = (ii[:-1, :-1] * shape[1] + jj[:-1, :-1]).ravel()
    right, up = corner + shape[1], corner + 1
    triangles = np.concatenate(
        [np.column_stack([corner, right, up]), np.column_stack([right, right + 1, up])]
    )
    builder.add(Material.GRASS, vertices, triangles)
