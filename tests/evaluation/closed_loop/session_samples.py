"""Short sessions of made-up inputs, and an agent that answers them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import carla
import numpy as np

from agent.observation import AgentStep
from evaluation.closed_loop.session_files import Header, SessionWriter, TracedTick
from evaluation.scoring.tick import CollisionEvent, Tick
from planner.records import Control, EgoState, Plan
from tests.agent.sample_inputs import FRONT, sensor_data

SPECS: tuple[dict[str, Any], ...] = (
    {"type": "sensor.camera.rgb", "id": "rgb", "width": 64, "height": 32, "fov": 90.0},
    {"type": "sensor.other.gnss", "id": "gnss"},
    {"type": "sensor.other.imu", "id": "imu"},
    {"type": "sensor.speedometer", "id": "speed"},
)


class Echo:
    """Plans by what it sees, steers by how often it was asked. `last_step` as of a real agent."""

    gain = 1.0

    def __init__(self, carla_host: str, carla_port: int, debug: bool = False) -> None:
        self.track = "SENSORS"
        self.last_step: AgentStep | None = None
        self.count = 0
        self.plan_points = 0
        self.config = ""

    def set_global_plan(self, gps_plan: Any, world_plan: Any) -> None:
        self.plan_points = len(world_plan)

    def setup(self, config: str) -> None:
        self.config = config

    def sensors(self) -> list[dict[str, Any]]:
        return [dict(spec) for spec in SPECS]

    def run_step(self, input_data: Any, timestamp: float) -> carla.VehicleControl:
        self.count += 1
        seen = float(input_data["rgb"][1].mean())
        late = float(self.config or 1e9)
        plan = Plan(np.full((3, 2), seen), np.full((2, 2), seen + (timestamp > late)))
        control = Control(0.001 * self.count, 0.5, 0.0)
        ego = EgoState(np.zeros(2), 0.0, 0.0)
        images = np.empty((0, 0, 0, 3), dtype=np.uint8)
        self.last_step = AgentStep(1, timestamp, images, ego, (), plan, control)
        return carla.VehicleControl(control.throttle, control.steer, control.brake)

    def destroy(self) -> None:
        self.last_step = None


def header(**changes: Any) -> Header:
    rows = tuple((float(x), 2.0, 0.0, 0.0, 4.0) for x in range(5))
    content = {
        "agent": "echo.py",
        "agent_config": "",
        "specs": SPECS,
        "gps_plan": tuple((1e-5 * row[0], 0.0, 0.0, 4.0) for row in rows),
        "world_plan": rows,
        "town": "Demo",
        "route": "RouteScenario_0_rep0",
        "conditions": {},
    }
    return Header(**{**content, **changes})


def traced(number: int) -> TracedTick:
    inputs = sensor_data((FRONT,), frame=number)
    inputs["rgb"][1][..., 3] = 255
    tick = Tick(
        frame=number,
        time_s=0.05 * number,
        location_world_m=np.array([0.1 * number, 2.0, 0.0]),
        yaw_rad=0.5,
        velocity_world_mps=np.array([1.0, 0.0, 0.0]),
        half_extent_m=np.ones(3),
        speed_limit_mps=8.0,
        red_light_ids=frozenset({7, 9}),
        collisions=(CollisionEvent(number, 3, "static.pole"),) if number == 2 else (),
    )
    return TracedTick(tick, inputs, None, (0.0, 0.0, 0.0))


def write_session(folder: Path, count: int = 6) -> None:
    """A session as the agent above would have made it."""
    agent = Echo("", 0)
    writer = SessionWriter(folder, header())
    for number in range(1, count + 1):
        tick = traced(number)
        control = agent.run_step(tick.inputs, tick.tick.time_s)
        assert agent.last_step is not None
        answer = (control.throttle, control.steer, control.brake)
        writer.write(TracedTick(tick.tick, tick.inputs, agent.last_step.plan, answer, number == 3))
    writer.close()
