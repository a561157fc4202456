"""Both agents load in a fresh interpreter exactly as the leaderboard loads them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import agent

FOLDER = Path(agent.__file__).resolve().parent

LOAD = """
import sys
from importlib import import_module
sys.path.insert(0, {folder!r})
module = import_module({name!r})
kind = getattr(module, module.get_entry_point())
built = kind("localhost", 2000, False)
print([base.__module__ for base in kind.__mro__], built.track.value)
built.destroy()
built.destroy()
"""


def load(name: str, folder: Path, *search: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["PYTHONPATH"] = os.pathsep.join(str(path) for path in search)
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(folder=str(FOLDER), name=name)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """A stand-in for the leaderboard's checkout, with its module and class names."""
    package = tmp_path / "checkout" / "leaderboard" / "autoagents"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "autonomous_agent.py").write_text(
        "from enum import Enum\n"
        "class Track(Enum):\n    SENSORS = 'SENSORS'\n"
        "class AutonomousAgent:\n"
        "    def __init__(self, carla_host, carla_port, debug=False):\n        pass\n"
    )
    return tmp_path / "checkout"


@pytest.mark.parametrize("name", ["simlingo_agent", "expert_agent", "blind_agent"])
def test_loads_without_the_leaderboard(name: str, tmp_path: Path) -> None:
    printed = load(name, tmp_path)
    assert "agent.agent_contract" in printed
    assert "SENSORS" in printed


def test_derives_from_the_official_class_where_there_is_one(official: Path, tmp_path: Path) -> None:
    printed = load("expert_agent", tmp_path, official)
    assert "leaderboard.autoagents.autonomous_agent" in printed
    assert "agent.agent_contract" not in printed


def test_another_package_called_leaderboard_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "leaderboard").mkdir()
    (tmp_path / "leaderboard" / "__init__.py").write_text("raise RuntimeError('not CARLA')")
    assert "agent.agent_contract" in load("expert_agent", tmp_path, tmp_path)


def test_a_leaderboard_that_does_not_import_is_replaced(official: Path, tmp_path: Path) -> None:
    module = official / "leaderboard" / "autoagents" / "autonomous_agent.py"
    module.write_text("import srunner_that_is_missing\n")
    assert "agent.agent_contract" in load("expert_agent", tmp_path, official)
