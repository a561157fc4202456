"""What a check is asked and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from evaluation.official.checkouts import Roots

Level = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor. level: `wrong` must be mended, `warning` may be meant; text: what is
    there; fix: what to do, "" where nothing is."""

    name: str
    level: Level
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Plan:
    """What shall be run.

    Attributes:
        simulator: `carla://host:port` of a running one; None: the embedded one.
        roots: checkouts of an official evaluator, as far as they were given.
        evaluator: which of them, where the roots leave a choice.
        agent_config: of the learned agent.
        routes: a route file whose maps are looked for.
        towns_folder: where TOWN.xodr may lie.
        port, traffic_manager_port: that were asked for; None: CARLA's usual ones are looked at.
        out: where results will be written.
        environment: variables that name checkouts.
    """

    simulator: str | None = None
    roots: Roots = field(default_factory=Roots)
    evaluator: str | None = None
    agent_config: str = ""
    routes: Path | None = None
    towns_folder: Path | None = None
    port: int | None = None
    traffic_manager_port: int | None = None
    out: Path = Path("out")
    environment: Mapping[str, str] = field(default_factory=dict)


Check = Callable[[Plan], Finding]


def ok(name: str, text: str) -> Finding:
    return Finding(name, "ok", text)
