"""The street network of a generated town as a graph: junctions, and chains of points between them.

A grid of uneven blocks is bent, turned and thinned out. Nodes left with two streets become bends;
no street ends blind, and no single street's loss would cut the town in two.
Frame: OpenDRIVE's plane (x east, y north).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import cos, sin

import networkx
import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Point = tuple[float, float]


class PlanRejectedError(Exception):
    """A drawn plan is not fit to be built (streets too short or too close); draw another."""


@dataclass(frozen=True)
class Traits:
    """The character of one town."""

    columns: int
    rows: int
    size_m: tuple[float, float]
    rotation_rad: float
    jitter: float
    warp_m: float
    thinning: float
    arterial_columns: frozenset[int]
    arterial_rows: frozenset[int]
    bendiness: float
    lane_width_m: float
    sidewalk_m: float
    kerb_radius_m: float
    signal_share: float
    all_way_share: float
    crosswalk_share: float
    edge_line_share: float
    yellow_centre: bool
    quiet_limit_kmh: int


@dataclass(frozen=True)
class Chain:
    """A street between two junctions: bend points in between, lanes per direction."""

    start: int
    end: int
    bends: tuple[Point, ...]
    lanes: int


@dataclass(frozen=True)
class Layout:
    """Junction positions by id, and the streets that join them."""

    junctions: dict[int, Point]
    chains: tuple[Chain, ...]


def draw_traits(rng: np.random.Generator) -> Traits:
    """A town's character: about 0.5 km2, from near-regular to winding."""
    columns, rows = int(rng.integers(4, 7)), int(rng.integers(4, 7))
    arterial_columns = rng.choice(columns, size=int(rng.integers(0, 2)) + 1, replace=False)
    arterial_rows = rng.choice(rows, size=int(rng.integers(0, 2)), replace=False)
    return Traits(
        columns=columns,
        rows=rows,
        size_m=(float(rng.uniform(640.0, 780.0)), float(rng.uniform(640.0, 780.0))),
        rotation_rad=float(rng.uniform(-np.pi, np.pi)),
        jitter=float(rng.uniform(0.04, 0.15)),
        warp_m=float(rng.uniform(0.0, 38.0)),
        thinning=float(rng.uniform(0.12, 0.38)),
        arterial_columns=frozenset(int(i) for i in arterial_columns),
        arterial_rows=frozenset(int(i) for i in arterial_rows),
        bendiness=float(rng.uniform(0.0, 1.0)),
        lane_width_m=float(rng.uniform(3.25, 3.7)),
        sidewalk_m=float(rng.uniform(2.0, 3.2)),
        kerb_radius_m=float(rng.uniform(5.5, 9.0)),
        signal_share=float(rng.uniform(0.15, 0.65)),
        all_way_share=float(rng.uniform(0.0, 0.6)),
        crosswalk_share=float(rng.uniform(0.2, 0.9)),
        edge_line_share=float(rng.uniform(0.5, 1.0)),
        yellow_centre=bool(rng.random() < 0.5),
        quiet_limit_kmh=int(rng.choice([30, 40])),
    )


def draw_layout(traits: Traits, rng: np.random.Generator) -> Layout:
    """Draw the network.

    Raises:
        PlanRejectedError: the thinned graph has too few junctions or a street that starts and ends
            at the same one.
    """
    graph = _street_graph(traits, rng)
    positions = _node_positions(traits, rng)
    junctions = sorted(node for node in graph if graph.degree(node) > 2)
    if len(junctions) < 5:
        raise PlanRejectedError("too few junctions")
    number = {node: index for index, node in enumerate(junctions)}
    chains = []
    seen: set[frozenset[tuple[int, int]]] = set()
    for junction in junctions:
        for first in sorted(graph[junction]):
            if frozenset((junction, first)) in seen:
                continue
            nodes = _follow(graph, junction, first)
            steps = list(itertools.pairwise(nodes))
            seen.update(frozenset(step) for step in steps)
            if nodes[0] == nodes[-1]:
                raise PlanRejectedError("a street returns to its own junction")
            lanes = max(graph.edges[step]["lanes"] for step in steps)
            bends = tuple(positions[node] for node in nodes[1:-1])
            chains.append(Chain(number[nodes[0]], number[nodes[-1]], bends, lanes))
    return Layout({number[node]: positions[node] for node in junctions}, tuple(chains))


def _street_graph(traits: Traits, rng: np.random.Generator) -> networkx.Graph:
    """Grid of streets, thinned at random while it stays connected without a bridge."""
    graph = networkx.grid_2d_graph(traits.columns, traits.rows)
    for (column, row), (other_column, other_row) in graph.edges:
        vertical = column == other_column and column in traits.arterial_columns
        level = row == other_row and row in traits.arterial_rows
        graph.edges[(column, row), (other_column, other_row)]["lanes"] = 1 + (vertical or level)
    edges = sorted(graph.edges)
    for index in rng.permutation(len(edges)):
        edge = edges[index]
        wide = graph.edges[edge]["lanes"] > 1
        if rng.random() > traits.thinning * (0.4 if wide else 1.0):
            continue
        lanes = graph.edges[edge]["lanes"]
        graph.remove_edge(*edge)
        if not networkx.is_connected(graph) or networkx.has_bridges(graph):
            graph.add_edge(*edge, lanes=lanes)
    return graph


def _node_positions(traits: Traits, rng: np.random.Generator) -> dict[tuple[int, int], Point]:
    """Uneven block sizes, jitter, a smooth warp and a rotation."""
    lines = []
    for count, size in zip((traits.columns, traits.rows), traits.size_m, strict=True):
        gaps = rng.uniform(0.72, 1.28, count - 1)
        edges = np.concatenate([[0.0], np.cumsum(gaps / gaps.sum() * size)])
        lines.append(edges - 0.5 * size)
    phase = rng.uniform(0.0, 2.0 * np.pi, 4)
    wave = rng.uniform(0.7, 1.4, 4) * np.pi / max(traits.size_m)
    c, s = cos(traits.rotation_rad), sin(traits.rotation_rad)
    positions = {}
    for i, grid_x in enumerate(lines[0]):
        for j, grid_y in enumerate(lines[1]):
            block = (traits.size_m[0] / (traits.columns - 1), traits.size_m[1] / (traits.rows - 1))
            jitter = rng.uniform(-traits.jitter, traits.jitter, 2) * block
            x = grid_x + jitter[0] + traits.warp_m * np.sin(wave[0] * grid_y * 2.0 + phase[0])
            y = grid_y + jitter[1] + traits.warp_m * np.sin(wave[1] * grid_x * 2.0 + phase[1])
            positions[i, j] = (float(c * x - s * y), float(s * x + c * y))
    return positions


def _follow(
    graph: networkx.Graph, start: tuple[int, int], second: tuple[int, int]
) -> list[tuple[int, int]]:
    """Nodes from a junction over nodes with two streets to the next junction."""
    nodes = [start, second]
    while graph.degree(nodes[-1]) == 2:
        nodes.append(next(node for node in graph[nodes[-1]] if node != nodes[-2]))
    return nodes
