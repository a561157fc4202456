"""The golden session: a few seconds of inputs, and what the shipped checkpoint made of them.

    python -m tests.evaluation.closed_loop.renew_golden            what it answers now
    python -m tests.evaluation.closed_loop.renew_golden SESSION    inputs of another session

Its images were compressed with loss before the agent was given them, so that the files stay small.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgpack

from agent.simlingo_agent import SimLingoAgent
from evaluation.closed_loop.agent_loader import last_step_of, runs_on
from evaluation.closed_loop.replay import start
from evaluation.closed_loop.session_files import (
    TICKS_FILE,
    SessionWriter,
    plain_plan,
    read_header,
    read_records,
    read_ticks,
    write_header,
)
from model.conditions import digests

GOLDEN = Path(__file__).with_name("golden")
CHECKPOINT = Path(__file__).parents[3] / "model" / "checkpoints" / "nano"
CONFIG = "start_brake_ticks=20,device=cpu"
TICKS = 80
SMALL = {"preset": "slow", "crf": "30", "bf": "0"}
COMMAND = "python -m tests.evaluation.closed_loop.renew_golden"


def take_inputs(source: Path) -> None:
    """The first ticks of a session, its images made small."""
    header = read_header(source)
    golden = replace(
        header, agent="agent/simlingo_agent.py", agent_config=CONFIG, conditions=weights()
    )
    writer = SessionWriter(GOLDEN, golden, SMALL)
    for traced in islice(read_ticks(source, header), TICKS):
        writer.write(traced)
    writer.close()


def weights() -> dict[str, Any]:
    """By which a golden session of another checkpoint is told."""
    return {"weights": dict(digests(CHECKPOINT))}


def answer() -> None:
    """Replaces the recorded plans and controls by what the agent answers now."""
    header = replace(read_header(GOLDEN), conditions=weights())
    records = list(read_records(GOLDEN / TICKS_FILE))
    agent = start(SimLingoAgent, header, CONFIG)
    for record, traced in zip(records, read_ticks(GOLDEN, header), strict=True):
        control = agent.run_step(traced.inputs, traced.tick.time_s)
        step = last_step_of(agent)
        record["plan"] = None if step is None else plain_plan(step.plan)
        record["answer"] = (control.throttle, control.steer, control.brake)
    agent.destroy()
    write_header(GOLDEN, replace(header, runs_on=runs_on(agent)))
    (GOLDEN / TICKS_FILE).write_bytes(b"".join(msgpack.packb(one) for one in records))


def main() -> None:
    if len(sys.argv) > 1:
        take_inputs(Path(sys.argv[1]))
    answer()
    size = sum(path.stat().st_size for path in GOLDEN.iterdir())
    print(f"{GOLDEN}: {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
