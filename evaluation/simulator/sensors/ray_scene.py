"""Rays through the scenery that the cameras see, for the sensors that measure distances.

The search tree is Intel's Embree, through `embreex`: one tree of the town, built at the first ray,
and one of the bodies, built anew for every tick in which a ray is cast.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from evaluation.simulator.physics.pose import Floats
from evaluation.simulator.render.posed import PosedBodies
from evaluation.simulator.render.solids import Solids, body_solids, static_solids
from evaluation.simulator.sensors.body_survey import BodySurvey
from evaluation.simulator.town.shown import Shown
from evaluation.simulator.town.town import Town
from evaluation.simulator.world.world import World

_BEHIND_A_HIT_M = 0.02
"""Where a ray that goes through what it meets begins anew."""


class Hits(NamedTuple):
    """What n rays met first: distance (n,) m, infinite where nothing; semantic tag (n,); actor
    (n,), 0 for the town; cosine (n,) of the angle between the ray and the surface's normal."""

    distance_m: Floats
    tag: NDArray[np.uint8]
    actor_id: NDArray[np.uint32]
    cosine: Floats


class RayScene:
    """One town and what moves in it, for rays."""

    def __init__(self, town: Town) -> None:
        self._scenery = town.scenery
        self._static = _Tree(static_solids(town.scenery))
        self._shown: Shown | None = None
        self._survey = BodySurvey()
        self._bodies = Solids.join([])
        self._tree = _Tree(self._bodies)
        self._posed_at: tuple[World | None, int, int] = (None, 0, 0)

    def cast(
        self,
        world: World,
        origin_m: Floats,
        directions: Floats,
        range_m: float,
        without: int | None = None,
    ) -> Hits:
        """Cast rays along unit `directions` (n, 3) from origins (3,) or (n, 3), world axes.

        `without` is an actor through which the rays go.
        """
        self._pose(world)
        tree = self._tree
        if without is not None:
            kept = self._bodies.object_id != without
            bodies = self._bodies
            tree = _Tree(Solids(bodies.corners[kept], bodies.tag[kept], bodies.object_id[kept]))
        count = len(directions)
        origins = np.broadcast_to(origin_m, (count, 3)).astype(np.float32)
        ways = np.ascontiguousarray(directions, np.float32)
        static = self._static.cast(origins, ways, np.full(count, range_m, np.float32))
        moving = tree.cast(origins, ways, np.full(count, range_m, np.float32))
        nearer = moving.distance_m < static.distance_m
        return Hits(
            np.where(nearer, moving.distance_m, static.distance_m),
            np.where(nearer, moving.tag, static.tag),
            # The town's parts are no actors.
            np.where(nearer, moving.actor_id, np.uint32(0)),
            np.where(nearer, moving.cosine, static.cosine),
        )

    def met_between(self, world: World, starts: Floats, ends: Floats) -> list[set[int]]:
        """Return what is between places (n, 3) and others (n, 3), world axes: the ids of all
        actors, and 0 for the town."""
        self._pose(world)
        way = ends - starts
        length_m = np.linalg.norm(way, axis=1)
        ways = (way / np.maximum(length_m, 1e-9)[:, None]).astype(np.float32)
        reach = length_m.astype(np.float32)
        town = np.isfinite(self._static.cast(starts.astype(np.float32), ways, reach).distance_m)
        met: list[set[int]] = [{0} if hit else set() for hit in town]
        passed_m = np.zeros(len(way))
        under_way = np.flatnonzero(length_m > 0.0)
        while len(under_way):
            origins = starts[under_way] + passed_m[under_way, None] * ways[under_way]
            left_m = (length_m - passed_m)[under_way].astype(np.float32)
            hits = self._tree.cast(origins.astype(np.float32), ways[under_way], left_m)
            hit = np.isfinite(hits.distance_m)
            for index, actor_id in zip(under_way[hit], hits.actor_id[hit].tolist(), strict=True):
                met[index].add(actor_id)
            passed_m[under_way[hit]] += hits.distance_m[hit] + _BEHIND_A_HIT_M
            under_way = under_way[hit]
            under_way = under_way[passed_m[under_way] < length_m[under_way]]
        return met

    def _pose(self, world: World) -> None:
        """Put the bodies where they are in this tick, among what of the town is there."""
        if world.presence.shown is not self._shown:
            self._shown = world.presence.shown
            self._static = _Tree(static_solids(self._scenery, self._shown))
        seen, *moment = self._posed_at
        if seen is not world or moment != [world.frame, world.membership]:
            self._posed_at = world, world.frame, world.membership
            self._bodies = body_solids(PosedBodies.of(self._survey.bodies(world)))
            self._tree = _Tree(self._bodies)


class _Tree:
    """Triangles in a search tree."""

    def __init__(self, solids: Solids) -> None:
        self._solids = solids
        self._scene = EmbreeScene()
        if len(solids.corners):
            TriangleMesh(self._scene, np.ascontiguousarray(solids.corners))

    def cast(
        self, origins: NDArray[np.float32], ways: NDArray[np.float32], reach: NDArray[np.float32]
    ) -> Hits:
        count = len(ways)
        if not count or not len(self._solids.corners):
            nothing = np.zeros(count, np.uint32)
            return Hits(np.full(count, np.inf), nothing.astype(np.uint8), nothing, np.zeros(count))
        found = self._scene.run(origins, ways, dists=reach, output=True)
        triangle = found["primID"]
        hit = triangle >= 0
        normal = found["Ng"].astype(np.float64)
        length = np.maximum(np.linalg.norm(normal, axis=1), 1e-30)
        cosine = np.abs((normal * ways).sum(axis=1)) / length
        row = np.where(hit, triangle, 0)
        return Hits(
            np.where(hit, found["tfar"].astype(np.float64), np.inf),
            np.where(hit, self._solids.tag[row], 0).astype(np.uint8),
            np.where(hit, self._solids.object_id[row], 0).astype(np.uint32),
            np.where(hit, cosine, 0.0),
        )
