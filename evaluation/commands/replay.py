"""`python -m evaluation replay`: a recorded session once more, without a simulator."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.commands.arguments import add_agent_argument

HELP = "run a recorded session again, through the same or another checkpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Gives an agent the inputs of a session that drive --record-inputs has written, and "
        "compares its plans and controls with the recorded ones, tick by tick. The exit code is 0 "
        "when all are equal (within --tolerance), 1 when one is not, 2 when the session cannot be "
        "replayed. The same checkpoint on the same kind of machine answers bit by bit the same."
    )
    parser.add_argument("session", type=Path, metavar="SESSION", help="folder of the session")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="DIR", help="instead of the recorded one"
    )
    parser.add_argument(
        "--agent-config", metavar="TEXT", help="for the agent's setup, instead of the recorded one"
    )
    add_agent_argument(parser, "instead of the recorded one")
    parser.add_argument(
        "--tolerance", type=float, default=0.0, metavar="X", help="metres, and shares of a pedal"
    )
    parser.add_argument(
        "--record", type=Path, metavar="FILE.rrd", help="both plans on Rerun's timeline"
    )


def run(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from evaluation.runs.replay_session import ReplaySettings, replay_session

    settings = ReplaySettings(
        session=parsed.session,
        checkpoint=parsed.checkpoint,
        agent_config=parsed.agent_config,
        agent=parsed.agent,
        tolerance=parsed.tolerance,
        recording=parsed.record,
    )
    return replay_session(settings, Console())
