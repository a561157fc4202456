"""How long an image takes: `python -m tests.benchmarks.render [--town demo] [--cars 40]`.

Prints, for each camera rig, the milliseconds of one call over places all around the town: processor
time of this process (what a busy machine cannot distort much) and wall time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.frame import Bodies, BodyKind, CameraView, RenderFrame
from evaluation.simulator.render.projection import pose_matrix
from evaluation.simulator.render.renderer import Renderer
from evaluation.simulator.town.town import Town, load_town
from evaluation.simulator.wire.codec import Transform

_CAR_HALF_M = (2.35, 0.95, 0.74)
RIGS: dict[str, tuple[int, int, float, tuple[float, float, float], tuple[float, ...]]] = {
    "nano": (192, 96, 65.0, (-1.0, 0.0, 2.2), (0.0, -58.0, 58.0)),
    "base": (1024, 512, 110.0, (-1.5, 0.0, 2.0), (0.0, -55.0, 55.0)),
}


def _pose(transform: Transform) -> NDArray[np.float64]:
    location, rotation = transform.location, transform.rotation
    angles = np.radians([rotation.roll, rotation.pitch, rotation.yaw])
    return pose_matrix(np.array([location.x, location.y, location.z]), angles)


def rig_views(name: str, world_from_ego: NDArray[np.float64]) -> list[CameraView]:
    """The cameras of a rig on a vehicle."""
    width, height, fov_deg, position, yaws_deg = RIGS[name]
    return [
        CameraView(
            world_from_ego @ pose_matrix(np.array(position), np.radians([0.0, 0.0, yaw])),
            width,
            height,
            fov_deg,
        )
        for yaw in yaws_deg
    ]


def parked_cars(town: Town, count: int, generator: np.random.Generator) -> Bodies:
    """Cars on `count` of the town's spawn points."""
    chosen = generator.permutation(len(town.spawn_points))[:count]
    poses = [_pose(town.spawn_points[index]) for index in chosen]
    yaw = [np.arctan2(pose[1, 0], pose[0, 0]) for pose in poses]
    rotation = np.zeros((len(poses), 3))
    rotation[:, 2] = yaw
    return Bodies(
        kind=np.full(len(poses), BodyKind.CAR, np.uint8),
        position_world_m=np.array([pose[:3, 3] for pose in poses]).reshape(-1, 3),
        rotation_rad=rotation,
        half_extent_m=np.tile(_CAR_HALF_M, (len(poses), 1)),
        box_centre_m=np.tile([0.0, 0.0, _CAR_HALF_M[2]], (len(poses), 1)),
        colour_rgb=generator.integers(0, 256, (len(poses), 3)).astype(np.uint8),
        light_flags=np.full(len(poses), 8, np.uint32),
    )


def measure_calls(
    renderer: Renderer, frame: RenderFrame, places: Sequence[list[CameraView]], repeats: int
) -> NDArray[np.float64]:
    """Processor and wall milliseconds (n, 2) of every call."""
    rows = []
    for views in places:
        renderer.render(frame, views)
        for _ in range(repeats):
            start = time.process_time(), time.perf_counter()
            renderer.render(frame, views)
            rows.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    return 1e3 * np.array(rows)


def views_of_places(
    town: Town, rig: str, generator: np.random.Generator, count: int
) -> list[list[CameraView]]:
    """The rig's cameras on `count` of the town's spawn points."""
    chosen = generator.permutation(len(town.spawn_points))[:count]
    return [rig_views(rig, _pose(town.spawn_points[index])) for index in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--town", default="demo")
    parser.add_argument("--cars", type=int, default=40)
    parser.add_argument("--places", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--samples", type=int, default=4, choices=(1, 4, 16))
    arguments = parser.parse_args()
    town = load_town(arguments.town, 0)
    generator = np.random.default_rng(0)
    lamps = np.arange(len(town.scenery.lamp_heads.yaw_rad), dtype=np.uint8) % 3
    frame = RenderFrame(parked_cars(town, arguments.cars, generator), lamps)
    with Renderer(town.scenery, arguments.samples) as renderer:
        print(f"{town.name}, {arguments.cars} cars, {renderer.describe()}")
        print("rig    images          CPU ms: median   p95    wall ms: median   p95")
        for name, (width, height, _, _, yaws) in RIGS.items():
            places = views_of_places(town, name, np.random.default_rng(1), arguments.places)
            cost = measure_calls(renderer, frame, places, arguments.repeats)
            (cpu, wall), (cpu_95, wall_95) = (
                np.median(cost, axis=0),
                np.percentile(cost, 95, axis=0),
            )
            size = f"{len(yaws)} x {width} x {height}"
            print(f"{name:6} {size:18} {cpu:13.1f} {cpu_95:5.1f} {wall:17.1f} {wall_95:5.1f}")


if __name__ == "__main__":
    main()
