"""`python -m evaluation doctor`: what would spoil a long run, before it starts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.commands.arguments import port

if TYPE_CHECKING:
    from rich.console import Console

    from evaluation.doctor.finding import Finding, Level

HELP = "what would spoil a long run, before it starts"
COLOURS: dict[Level, str] = {"ok": "green", "warning": "yellow", "wrong": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from evaluation.official.checkouts import FITTING

    parser.description = (
        "Looks at versions, checkouts, maps, ports, graphics, GPU, checkpoint, sensors and disk; "
        "each line says ok or what to do. The exit code is 1 when something must be mended."
    )
    parser.add_argument("--simulator", metavar="carla://HOST:PORT", help="one that runs already")
    for name in ("leaderboard", "scenario-runner", "bench2drive"):
        variable = f"{name.replace('-', '_').upper()}_ROOT"
        parser.add_argument(
            f"--{name}-root", type=Path, metavar="DIR", help=f"instead of {variable}"
        )
    parser.add_argument(
        "--carla-agents", type=Path, metavar="DIR", help="instead of CARLA_AGENTS_ROOT"
    )
    parser.add_argument(
        "--evaluator", choices=sorted(FITTING), help="where the roots leave a choice"
    )
    parser.add_argument("--agent-config", default="", metavar="TEXT", help="of the learned agent")
    parser.add_argument("--routes", type=Path, metavar="FILE", help="whose maps are looked for")
    parser.add_argument("--towns", type=Path, metavar="DIR", help="folder where TOWN.xodr may lie")
    parser.add_argument("--port", type=port, help="of the simulator to start; 0: any")
    parser.add_argument("--traffic-manager-port", type=port, help="0: any")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR")
    parser.add_argument("--json", action="store_true", help="the findings as JSON")


def run(parsed: argparse.Namespace) -> int:
    import dataclasses
    import json
    import os

    from rich.console import Console

    from evaluation.doctor.examine import examine
    from evaluation.doctor.finding import Plan
    from evaluation.official.checkouts import Roots

    roots = Roots(
        leaderboard=parsed.leaderboard_root,
        scenario_runner=parsed.scenario_runner_root,
        bench2drive=parsed.bench2drive_root,
        agents=parsed.carla_agents,
    )
    plan = Plan(
        simulator=parsed.simulator,
        roots=roots,
        evaluator=parsed.evaluator,
        agent_config=parsed.agent_config,
        routes=parsed.routes,
        towns_folder=parsed.towns,
        port=parsed.port,
        traffic_manager_port=parsed.traffic_manager_port,
        out=parsed.out,
        environment=os.environ,
    )
    console = Console()
    findings = []
    for finding in examine(plan):
        findings.append(finding)
        if not parsed.json:
            _show(finding, console)
    if parsed.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    return int(any(finding.level == "wrong" for finding in findings))


def _show(finding: Finding, console: Console) -> None:
    """Level, name and text in columns; what to do stands below the text."""
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 1))
    line.add_column(width=7)
    line.add_column(width=11)
    line.add_column(overflow="fold")
    text = Text(finding.text)
    if finding.fix:
        text.append(f"\n-> {finding.fix}", style="bold")
    line.add_row(Text(finding.level, COLOURS[finding.level]), finding.name, text)
    console.print(line)
