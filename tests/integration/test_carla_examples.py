"""CARLA's own examples, unchanged, against the embedded simulator, without a screen.

`CARLA_EXAMPLES` names the folder of a CARLA checkout that holds them (`PythonAPI/examples`), and
`CARLA_MAPS` one with CARLA's .xodr files. Most of them run until somebody ends them: they pass if
they are still at it after a while, or have ended by themselves without an error. Examples that
import packages which are not here are skipped, and say which.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import carla
import pytest

from tests.evaluation.simulator.server_process import RunningSimulator, running_simulator

EXAMPLES = os.environ.get("CARLA_EXAMPLES", "")
MAPS = os.environ.get("CARLA_MAPS", "")
RUN_S = 40.0
END_S = 60.0
LOG = "examples.log"
ARGUMENTS = {
    "start_recording": ["-n", "5", "-t", "5", "-f", LOG],
    "show_recorder_file_info": ["-f", LOG, "-a"],
    "show_recorder_collisions": ["-f", LOG, "-t", "aa"],
    "show_recorder_actors_blocked": ["-f", LOG],
    "start_replaying": ["-f", LOG],
    "generate_traffic": ["-n", "10", "-w", "5"],
    "lidar_to_camera": ["-f", "20"],
    "bounding_boxes": [],
    "client_bounding_boxes": [],
    "automatic_control": [],
    "draw_skeleton": [],
    "dynamic_weather": [],
    "manual_control": [],
    "manual_control_carsim": [],
    "manual_control_chrono": [],
    "manual_control_gbuffer": [],
    "manual_control_steeringwheel": [],
    "no_rendering_mode": [],
    "open3d_lidar": [],
    "sensor_synchronization": [],
    "synchronous_mode": [],
    "tutorial": [],
    "tutorial_gbuffer": [],
    "V2XDemo": [],
    "test_addsecondvx": [],
    "get_component_test": [],
    "vehicle_gallery": [],
    "vehicle_physics": [],
    "visualize_multiple_sensors": [],
    "rss/manual_control_rss": [],
}
"""The examples in an order in which what one records the next ones read."""
FAILING = {
    "get_component_test": "asks for a part of one of CARLA's assets by its name",
    "manual_control_carsim": "CarSim's physics are not simulated",
    "manual_control_steeringwheel": "needs a steering wheel",
}
"""Examples that do not run here, and why."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not EXAMPLES, reason="CARLA_EXAMPLES names no PythonAPI/examples of CARLA"),
    pytest.mark.skipif(not MAPS, reason="CARLA_MAPS names no folder with CARLA's .xodr files"),
]

_START = """
import runpy, sys, carla, numpy
# Names that numpy and matplotlib have dropped since.
numpy.int, numpy.float = int, float
try:
    import pygame
    # A machine without fonts still has pygame's own.
    pygame.font.get_fonts = pygame.font.get_fonts() and pygame.font.get_fonts or (lambda: [''])
except ImportError:
    pass
try:
    from matplotlib import cm, colormaps
    cm.get_cmap = getattr(cm, 'get_cmap', colormaps.__getitem__)
except ImportError:
    pass
class Client(carla.Client):
    def __init__(self, host='127.0.0.1', port=2000, *rest):
        super().__init__(host, PORT, *rest)
# Not every example takes a port.
PORT = int(sys.argv[1])
carla.Client = Client
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    folders = ("--towns", MAPS, "--recordings", str(tmp_path_factory.mktemp("recordings")))
    with running_simulator("--town", str(Path(MAPS, "Town01.xodr")), *folders) as running:
        prepare_cameras(running)
        yield running


def prepare_cameras(simulator: RunningSimulator) -> None:
    """Let the renderer prepare the town: some examples wait for two seconds only."""
    client = carla.Client("127.0.0.1", simulator.port)
    client.set_timeout(END_S)
    world = client.get_world()
    blueprint = world.get_blueprint_library().find("sensor.camera.rgb")
    camera = world.spawn_actor(blueprint, carla.Transform())
    images: queue.Queue[carla.Image] = queue.Queue()
    camera.listen(images.put)
    images.get(timeout=END_S)
    camera.stop()
    camera.destroy()


def run(simulator: RunningSimulator, name: str, folder: Path) -> tuple[bool, str]:
    """Run an example for a while; return whether it was well, and what it printed."""
    agents = Path(EXAMPLES, "../carla")
    # Some checkouts import parts of the agents by their last names.
    folders = [EXAMPLES, str(agents), str(agents / "agents/navigation")]
    paths = [*folders, os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-c", _START, str(simulator.port), str(Path(EXAMPLES, f"{name}.py"))]
        + ARGUMENTS[name],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "SDL_VIDEODRIVER": "dummy",
            "SDL_AUDIODRIVER": "dummy",
            "MPLBACKEND": "agg",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        printed, _ = process.communicate(timeout=RUN_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            printed, _ = process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            printed, _ = process.communicate()
        return "Traceback" not in printed or "KeyboardInterrupt" in printed, printed
    return process.returncode == 0 and "Traceback" not in printed, printed


@pytest.mark.parametrize("name", ARGUMENTS)
def test_example(simulator: RunningSimulator, name: str, tmp_path: Path) -> None:
    if not Path(EXAMPLES, f"{name}.py").exists():
        pytest.skip("not in this checkout")
    well, printed = run(simulator, name, tmp_path)
    if not well and "No module named" in printed:
        pytest.skip(printed.strip().splitlines()[-1])
    if not well and name in FAILING:
        pytest.xfail(FAILING[name])
    assert well, printed[-2000:]
