"""What stands beside the roads: buildings with their fronts to the street, trees, lamp posts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import atan2, cos, pi, sin

import numpy as np
import shapely
from numpy.typing import NDArray

from evaluation.simulator.town.ground import Areas
from evaluation.simulator.town.scenery import Buildings, StreetLamps, Trees
from evaluation.simulator.town.signals import Bars
from evaluation.simulator.town.surfaces import KERB_HEIGHT_M
from evaluation.simulator.town.survey import LaneStrip, Survey

F64 = NDArray[np.float64]
_Row = tuple[F64, tuple[float, float, float], float]
"""Centre, half extent and yaw of one building."""

_FRONT_M = (9.0, 26.0)
_DEPTH_M = (9.0, 17.0)
_STOREY_M = 3.2
_WALL_GAP_M = 0.8
_POST_SPACING_M = 34.0
_POST_HEIGHT_M = 7.5
_ARM_M = 1.8
_CLEAR_OF_POLES_M = 3.0
_BASE_M = 0.3


def build_surroundings(
    survey: Survey, areas: Areas, bars: Bars, rng: np.random.Generator
) -> tuple[Buildings, Trees, StreetLamps]:
    """Fill the land along the streets; lamp posts are added to `bars`.

    Buildings stand along streets with sidewalks, trees along all roads; nothing stands on a
    road or sidewalk except trees and posts at a sidewalk's outer edge.
    """
    edges = list(_street_edges(survey))
    paved = areas.paved
    buildings, footprints = _place_buildings(edges, paved, rng)
    lamps = _place_posts(edges, areas, footprints, bars)
    poles_xy = np.array([start[:2] for start in bars.start]).reshape(-1, 2)
    trees = _place_trees(edges, areas, paved, footprints, poles_xy, rng)
    return buildings, trees, lamps


class _Edge:
    """Outer edge of a road outside junctions, with the land to the right of its direction."""

    def __init__(self, strip: LaneStrip) -> None:
        keeps_right = strip.centre_line_on_left
        line = strip.outer if keeps_right else strip.outer[::-1]
        self.line = line
        self.walked = strip.kind == "sidewalk"
        self.yaw = np.unwrap(strip.yaw_rad if keeps_right else strip.yaw_rad[::-1] + pi)
        self.along = np.concatenate(
            [[0.0], np.cumsum(np.linalg.norm(np.diff(line[:, :2], axis=0), axis=1))]
        )

    def at(self, along_m: float, out_m: float) -> tuple[F64, float]:
        """Point (3,) `out_m` beyond the edge, and the direction of the edge there."""
        point = np.array([np.interp(along_m, self.along, self.line[:, i]) for i in range(3)])
        yaw = float(np.interp(along_m, self.along, self.yaw))
        return point + out_m * np.array([-sin(yaw), cos(yaw), 0.0]), yaw


def _street_edges(survey: Survey) -> Iterator[_Edge]:
    outermost: dict[tuple[int, int, bool], LaneStrip] = {}
    for strip in survey.strips:
        if strip.is_junction:
            continue
        key = (strip.road_id, strip.section, strip.lane_id > 0)
        if key not in outermost or abs(strip.lane_id) > abs(outermost[key].lane_id):
            outermost[key] = strip
    for strip in outermost.values():
        yield _Edge(strip)


def _box(x: float, y: float, half_front: float, half_depth: float, yaw: float) -> shapely.Polygon:
    c, s = cos(yaw), sin(yaw)
    corners = [
        (x + c * a * half_front - s * b * half_depth, y + s * a * half_front + c * b * half_depth)
        for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]
    return shapely.Polygon(corners)


class _Plan:
    """Footprints placed so far, in a coarse grid for fast refusal of overlaps."""

    CELL_M = 40.0

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], list[shapely.Polygon]] = {}

    def is_free(self, footprint: shapely.Polygon) -> bool:
        return not any(
            other.intersects(footprint)
            for cell in self._covered(footprint)
            for other in self._cells.get(cell, ())
        )

    def add(self, footprint: shapely.Polygon) -> None:
        for cell in self._covered(footprint):
            self._cells.setdefault(cell, []).append(footprint)

    def _covered(self, footprint: shapely.Polygon) -> Iterator[tuple[int, int]]:
        x0, y0, x1, y1 = (int(v // self.CELL_M) for v in footprint.bounds)
        for i in range(x0, x1 + 1):
            for j in range(y0, y1 + 1):
                yield i, j


@dataclass(frozen=True)
class _Taste:
    """How a row of buildings is drawn."""

    density: float
    tall_share: float
    setback_m: tuple[float, float]
    steps_back_m: tuple[float, ...]
    gaps_m: tuple[float, ...]


def _place_buildings(
    edges: list[_Edge], paved: shapely.Geometry, rng: np.random.Generator
) -> tuple[Buildings, _Plan]:
    """Houses side by side along every street with a sidewalk, and a loose row behind them."""
    shapely.prepare(paved)
    plan = _Plan()
    tall = float(rng.uniform(0.1, 0.5))
    street = _Taste(
        float(rng.uniform(0.7, 0.98)), tall, (1.2, 6.0), (0.0, 0.0, 1.5, 3.0), (0.0, 0.0, 2.0, 5.0)
    )
    behind = _Taste(
        float(rng.uniform(0.2, 0.6)), 0.5 + 0.5 * tall, (24.0, 40.0), (0.0, 6.0), (6.0, 14.0, 25.0)
    )
    rows: list[_Row] = []
    for taste in (street, behind):
        for edge in edges:
            if edge.walked:
                rows += _row_of_buildings(edge, taste, paved, plan, rng)
    if not rows:
        return Buildings(), plan
    yaws = np.array([atan2(sin(row[2]), cos(row[2])) for row in rows], np.float32)
    return Buildings(
        np.array([row[0] for row in rows], np.float32),
        np.array([row[1] for row in rows], np.float32),
        yaws,
        rng.integers(0, 2**32, len(rows), dtype=np.uint32),
    ), plan


def _row_of_buildings(
    edge: _Edge, taste: _Taste, paved: shapely.Geometry, plan: _Plan, rng: np.random.Generator
) -> list[_Row]:
    rows: list[_Row] = []
    along = float(rng.uniform(0.0, 6.0))
    setback = float(rng.uniform(*taste.setback_m))
    while along < edge.along[-1]:
        front, depth = float(rng.uniform(*_FRONT_M)), float(rng.uniform(*_DEPTH_M))
        tall = rng.random() < taste.tall_share
        storeys = int(rng.integers(5, 13)) if tall else int(rng.integers(1, 5))
        out = setback + float(rng.choice(taste.steps_back_m)) + 0.5 * depth
        keep = rng.random() < taste.density
        middle = along + 0.5 * front
        along += front + float(rng.choice(taste.gaps_m)) + _WALL_GAP_M
        if not keep or middle + 0.5 * front > edge.along[-1] + 8.0:
            continue
        foot, yaw = edge.at(middle, out)
        shape = _box(foot[0], foot[1], 0.5 * front, 0.5 * depth, yaw)
        if shapely.dwithin(paved, shape, 1.0) or not plan.is_free(shape):
            continue
        plan.add(shape.buffer(0.4 * _WALL_GAP_M))
        height = storeys * _STOREY_M + 0.8
        foot[2] += 0.5 * height - _BASE_M
        rows.append((foot, (0.5 * front, 0.5 * depth, 0.5 * height), yaw))
    return rows


def _place_posts(edges: list[_Edge], areas: Areas, plan: _Plan, bars: Bars) -> StreetLamps:
    """Lamp posts at the outer edge of sidewalks, with an arm towards the road and a lamp there."""
    lamps: list[F64] = []
    standing = np.array([start[:2] for start in bars.start]).reshape(-1, 2)
    for number, edge in enumerate(edges):
        if not edge.walked or edge.along[-1] < 20.0:
            continue
        first = 12.0 + 0.5 * _POST_SPACING_M * (number % 2)
        for along in np.arange(first, edge.along[-1] - 10.0, _POST_SPACING_M):
            foot, yaw = edge.at(float(along), -0.3)
            if len(standing) and np.linalg.norm(standing - foot[:2], axis=1).min() < 2.0:
                continue
            spot = shapely.Point(foot[:2]).buffer(0.4)
            if shapely.dwithin(areas.road, spot, 0.3) or not plan.is_free(spot):
                continue
            foot[2] += KERB_HEIGHT_M
            top = foot + np.array([0.0, 0.0, _POST_HEIGHT_M])
            bars.add(foot, top, 0.09)
            lamp = top + _ARM_M * np.array([sin(yaw), -cos(yaw), 0.08])
            bars.add(top, lamp, 0.05)
            lamps.append(lamp)
    location = np.array(lamps, np.float32).reshape(-1, 3)
    height_m = _POST_HEIGHT_M + 0.08 * _ARM_M
    return StreetLamps(location, np.full(len(location), height_m, np.float32))


def _place_trees(
    edges: list[_Edge],
    areas: Areas,
    paved: shapely.Geometry,
    plan: _Plan,
    poles_xy: F64,
    rng: np.random.Generator,
) -> Trees:
    """Rows of trees behind the sidewalk, and loose ones further out."""
    poles = shapely.multipoints(poles_xy) if len(poles_xy) else shapely.MultiPoint()
    rows: list[tuple[F64, float, float]] = []
    for edge in edges:
        leafy = float(rng.uniform(0.1, 1.0))
        spacing = float(rng.uniform(5.0, 14.0))
        for along in np.arange(14.0, edge.along[-1] - 14.0, spacing):
            out = float(rng.uniform(1.2, 3.0)) if rng.random() < 0.6 else float(rng.uniform(4, 28))
            radius, height = float(rng.uniform(1.2, 2.6)), float(rng.uniform(4.0, 9.0))
            keep = rng.random() < leafy
            foot, _ = edge.at(float(along + rng.uniform(-2.0, 2.0)), out)
            if not keep:
                continue
            spot = shapely.Point(foot[:2])
            if shapely.dwithin(areas.road, spot, 0.7 * radius + 0.6) or shapely.dwithin(
                paved, spot, 0.5
            ):
                continue
            if poles.distance(spot) < _CLEAR_OF_POLES_M or not plan.is_free(
                spot.buffer(0.6 * radius)
            ):
                continue
            plan.add(spot.buffer(0.6 * radius))
            foot[2] -= 0.1
            rows.append((foot, height, radius))
    if not rows:
        return Trees()
    heights = np.array([row[1] for row in rows], np.float32)
    return Trees(
        np.array([row[0] for row in rows], np.float32),
        heights,
        np.array([row[2] for row in rows], np.float32),
        (0.02 * heights + 0.05).astype(np.float32),
        rng.integers(0, 2**32, len(rows), dtype=np.uint32),
    )
