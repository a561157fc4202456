"""Agents for the integration tests; written to files, because agents are loaded by file."""

from __future__ import annotations

from pathlib import Path

TEMPLATE = """
import carla


class Probe:
    def __init__(self, carla_host, carla_port, debug=False):
        self.track = "SENSORS"

    def set_global_plan(self, gps_plan, world_plan):
        assert len(gps_plan) == len(world_plan)

    def setup(self, config):
        {setup}

    def sensors(self):
        camera = dict(type="sensor.camera.rgb", id="rgb", x=-1.0, y=0.0, z=2.2,
                      roll=0.0, pitch=0.0, yaw=0.0, width=64, height=32, fov=65)
        return [camera,
                dict(type="sensor.other.gnss", id="gnss", x=0.0, y=0.0, z=0.0),
                dict(type="sensor.speedometer", id="speed")]

    def run_step(self, data, timestamp):
        {step}
        return carla.VehicleControl(throttle=0.5)

    def destroy(self):
        {destroy}


def get_entry_point():
    return "Probe"
"""


def write_agent(
    folder: Path, name: str, setup: str = "pass", step: str = "pass", destroy: str = "pass"
) -> Path:
    """An agent that does what the statements say, and otherwise drives straight on."""
    path = folder / f"{name}.py"
    path.write_text(TEMPLATE.format(setup=setup, step=step, destroy=destroy))
    return path
