"""Single functions of an official leaderboard checkout, run without its dependencies."""

from __future__ import annotations

import ast
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner.records import Command


class RoadOption:
    """The two members that the thinning asks for."""

    CHANGELANELEFT = Command.CHANGE_LANE_LEFT
    CHANGELANERIGHT = Command.CHANGE_LANE_RIGHT


def official_function(name: str) -> Callable[..., Any]:
    """A function of the checkout's route_manipulation.py; skips the test where there is none."""
    root = os.environ.get("LEADERBOARD_ROOT")
    if not root:
        pytest.skip("needs LEADERBOARD_ROOT=FOLDER, a checkout of carla-simulator/leaderboard")
    path = Path(root) / "leaderboard" / "utils" / "route_manipulation.py"
    tree = ast.parse(path.read_text())
    wanted: list[ast.stmt] = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    namespace: dict[str, Any] = {"math": math, "RoadOption": RoadOption}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), namespace)
    function: Callable[..., Any] = namespace[name]
    return function
