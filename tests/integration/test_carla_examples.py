"""CARLA's own examples, unchanged, against the embedded simulator, without a screen.

`CARLA_EXAMPLES` names the folder of a CARLA checkout that holds them (`PythonAPI/examples`), and
`CARLA_MAPS` one with CARLA's .xodr files. Most of them run until somebody ends them: they pass if
they are still at it a while after they have connected, or have ended by themselves without an
error. What they wait for may take longer than they allow, as on a busy machine everything does.
Examples that import packages which are not here are skipped, and say which; any environment that
has these beside what the tests need runs this file.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import carla
import pytest

from tests.evaluation.simulator.server_process import RunningSimulator, running_simulator

EXAMPLES = os.environ.get("CARLA_EXAMPLES", "")
MAPS = os.environ.get("CARLA_MAPS", "")
START_S = 300.0
"""Until an example has imported what it needs, and connects."""
RUN_S = 40.0
END_S = 60.0
NEWER = "Boost.Python.ArgumentError"
"""What an example ends with that calls a newer client's functions."""
CONNECTED = "connected"
"""The file that tells of it."""
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
    "manual_control_carsim": "CarSim's physics are not simulated",
    "manual_control_steeringwheel": "needs a steering wheel",
    "open3d_lidar": "needs a screen",
}
"""Examples that do not run here, and why."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not EXAMPLES, reason="CARLA_EXAMPLES names no PythonAPI/examples of CARLA"),
    pytest.mark.skipif(not MAPS, reason="CARLA_MAPS names no folder with CARLA's .xodr files"),
]

_START = """
import pathlib, queue, runpy, sys, carla, numpy
# Names that numpy and matplotlib have dropped since.
numpy.int, numpy.float = int, float
try:
    import pygame
    # A machine without fonts still has pygame's own.
    pygame.font.get_fonts = pygame.font.get_fonts() and pygame.font.get_fonts or (lambda: ['mono'])
except ImportError:
    pass
try:
    from matplotlib import cm, colormaps
    cm.get_cmap = getattr(cm, 'get_cmap', colormaps.__getitem__)
except ImportError:
    pass
LEAST_S = 60.0
get = queue.Queue.get
queue.Queue.get = lambda self, block=True, timeout=None: get(
    self, block, timeout and max(timeout, LEAST_S)
)
class Client(carla.Client):
    def __init__(self, host='127.0.0.1', port=2000, *rest):
        super().__init__(host, PORT, *rest)
        super().set_timeout(LEAST_S)
        pathlib.Path('CONNECTED').touch()
    def set_timeout(self, seconds):
        super().set_timeout(max(seconds, LEAST_S))
# Not every example takes a port.
PORT = int(sys.argv[1])
carla.Client = Client
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name='__main__')
""".replace("CONNECTED", CONNECTED)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    folders = ("--towns", MAPS, "--recordings", str(tmp_path_factory.mktemp("recordings")))
    with running_simulator("--town", str(Path(MAPS, "Town01.xodr")), *folders) as running:
        prepare_cameras(running)
        yield running


def connect(simulator: RunningSimulator) -> carla.World:
    """Return the world."""
    client = carla.Client("127.0.0.1", simulator.port)
    client.set_timeout(START_S)
    return client.get_world()


def prepare_cameras(simulator: RunningSimulator) -> None:
    """Let the renderer prepare the town: some examples wait for two seconds only."""
    world = connect(simulator)
    blueprint = world.get_blueprint_library().find("sensor.camera.rgb")
    camera = world.spawn_actor(blueprint, carla.Transform())
    images: queue.Queue[carla.Image] = queue.Queue()
    camera.listen(images.put)
    images.get(timeout=START_S)
    camera.stop()
    camera.destroy()


@pytest.fixture(autouse=True)
def _empty_world(simulator: RunningSimulator) -> None:
    """Let the world tick by itself and be empty, whatever an example has left behind.

    These tests end by their own limits: pytest's, in `setup.cfg`, ends the whole run.
    """
    faulthandler.cancel_dump_traceback_later()
    world = connect(simulator)
    world.apply_settings(carla.WorldSettings(), START_S)
    for actor in world.get_actors():
        if actor.type_id.split(".")[0] in ("vehicle", "walker", "controller", "sensor"):
            actor.destroy()


def run(simulator: RunningSimulator, name: str, folder: Path) -> tuple[bool, str]:
    """Run an example for a while; return whether it was well, and what it printed."""
    agents = Path(EXAMPLES, "../carla")
    # Some checkouts import parts of the agents by their last names.
    folders = [EXAMPLES, str(agents), str(agents / "agents/navigation")]
    paths = [*folders, os.environ.get("PYTHONPATH", "")]
    output, connected = folder / "printed.txt", folder / CONNECTED
    with output.open("w") as written:
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
            stdout=written,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    latest_s = time.monotonic() + START_S
    while process.poll() is None and not connected.exists() and time.monotonic() < latest_s:
        time.sleep(0.1)
    try:
        process.wait(RUN_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        printed = output.read_text(errors="replace")
        well = "Traceback" not in printed or "KeyboardInterrupt" in printed
        return well and connected.exists(), printed
    printed = output.read_text(errors="replace")
    return process.returncode == 0 and "Traceback" not in printed, printed


@pytest.mark.parametrize("name", ARGUMENTS)
def test_example(simulator: RunningSimulator, name: str, tmp_path: Path) -> None:
    if not Path(EXAMPLES, f"{name}.py").exists():
        pytest.skip("not in this checkout")
    well, printed = run(simulator, name, tmp_path)
    if not well and NEWER in printed:
        pytest.skip("calls what the installed carla does not have")
    if not well and "No module named" in printed:
        pytest.skip(printed.strip().splitlines()[-1])
    if not well and name in FAILING:
        pytest.xfail(FAILING[name])
    assert well, printed[-2000:]
