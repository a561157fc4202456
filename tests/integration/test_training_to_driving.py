"""From made-up data through a training run into the agent."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir

from agent.simlingo_agent import SimLingoAgent
from model.training import run
from model.training.settings import from_hydra
from tests.agent.sample_inputs import sensor_data, straight_plan

CONFIG = Path(run.__file__).parent / "config"


def test_an_exported_training_drives(tmp_path: Path) -> None:
    overrides = ["experiment=debug", f"output={tmp_path}", "threads=1"]
    with initialize_config_dir(str(CONFIG), version_base="1.3"):
        settings = from_hydra(compose("train", overrides))
    exported = run.train(settings)
    agent = SimLingoAgent("localhost", 2000)
    agent.set_global_plan(*straight_plan())
    agent.setup(f"checkpoint={exported},device=cpu,start_brake_ticks=0")
    for k in range(4):
        agent.run_step(sensor_data(agent.cameras, k, x_m=0.25 * k), 0.05 * k)
    assert agent.last_step is not None
    assert agent.last_step.plan is not None
    agent.destroy()
