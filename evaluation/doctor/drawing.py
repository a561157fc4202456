"""`python -m evaluation.doctor.drawing`: which driver draws NANO's cameras, and how fast."""

from __future__ import annotations

import sys
import time

import numpy as np

from evaluation.simulator.render.context import RendererUnavailable, describe_context, open_context
from evaluation.simulator.render.frame import CameraView, RenderFrame
from evaluation.simulator.render.projection import pose_matrix
from evaluation.simulator.render.renderer import Renderer
from evaluation.simulator.town.town import load_town

CAMERAS, WIDTH_PX, HEIGHT_PX, FOV_DEG = 3, 192, 96, 65.0
EYE_M = 2.2
CALLS = 10


def main() -> int:
    try:
        # Before the town is loaded, which takes longer.
        with open_context() as context:
            driver = describe_context(context)
    except RendererUnavailable as error:
        print(str(error).partition(" On Debian")[0], file=sys.stderr)
        return 1
    town = load_town("demo", 0)
    place = town.spawn_points[0]
    position = np.array([place.location.x, place.location.y, place.location.z + EYE_M])
    pose = pose_matrix(position, np.radians([0.0, 0.0, place.rotation.yaw]))
    views = [CameraView(pose, WIDTH_PX, HEIGHT_PX, FOV_DEG)] * CAMERAS
    with Renderer(town.scenery) as renderer:
        renderer.render(RenderFrame(), views)
        start_s = time.perf_counter()
        for _ in range(CALLS):
            renderer.render(RenderFrame(), views)
        tick_s = (time.perf_counter() - start_s) / CALLS
    print(f"{driver}: {1e3 * tick_s:.0f} ms for {CAMERAS} images of {WIDTH_PX}x{HEIGHT_PX}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
