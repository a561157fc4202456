"""The planner must run where neither torch nor a simulator is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import planner

FORBIDDEN = ("torch", "carla", "transformers", "lightning", "agent", "model", "evaluation")


def test_importing_every_module_pulls_in_neither_torch_nor_carla() -> None:
    folder = Path(planner.__file__).parent
    modules = sorted(f"planner.{path.stem}" for path in folder.glob("[!_]*.py"))
    assert "planner.controller" in modules
    script = (
        f"import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"
