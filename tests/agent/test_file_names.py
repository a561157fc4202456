"""The leaderboard puts agent/ first on sys.path: no file there may hide another module."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import agent

FOLDER = Path(agent.__file__).parent


def top_level_names() -> set[str]:
    names = {path.stem for path in FOLDER.glob("*.py")}
    names |= {path.name for path in FOLDER.iterdir() if path.is_dir()}
    return names - {"__init__", "__pycache__"}


def test_no_file_hides_the_standard_library() -> None:
    assert not top_level_names() & set(sys.stdlib_module_names)


def test_no_file_hides_an_installed_package() -> None:
    assert not top_level_names() & set(importlib.metadata.packages_distributions())


def test_no_file_hides_our_own_packages_or_carlas() -> None:
    taken = {"agent", "agents", "model", "planner", "evaluation", "leaderboard", "srunner", "tests"}
    assert not top_level_names() & taken
