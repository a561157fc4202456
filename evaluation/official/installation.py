"""Whether the packages are installed that the evaluators import."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evaluation.errors import UserError
from evaluation.official.checkouts import LEADERBOARD_MASTER

PACKAGES = (
    "py_trees",
    "dictor",
    "tabulate",
    "simple_watchdog_timer",
    "xmlschema",
    "ephem",
    "psutil",
    "setuptools",
)
"""Some of what the official code imports beyond our own packages, by module name."""
PARSER = "antlr4-python3-runtime"
PARSER_VERSION = "4.10"
"""That scenario_runner's parsers were generated for. Hydra pins an older one, and the two cannot
share an environment; the evaluator's process finds its own in PARSER_FOLDER first."""
PARSER_FOLDER = Path(sys.prefix) / "leaderboard"
PARSER_REQUIREMENT = Path(__file__).with_name("beside.txt")


class PackageMissingError(UserError, RuntimeError):
    """A package that the evaluators import is missing; the message says how to install it."""


def require_packages(evaluator: str, folder: Path = PARSER_FOLDER) -> None:
    """Raises PackageMissingError with the command that installs what is missing."""
    missing = missing_packages()
    if missing:
        raise PackageMissingError(
            f"the official code needs {', '.join(missing)}; make leaderboard-environment, or "
            "python -m pip install -c constraints.txt -e '.[leaderboard]'"
        )
    # Only the master branch loads the scenarios that are written in its own language.
    if evaluator == LEADERBOARD_MASTER and not has_parser(folder):
        raise PackageMissingError(
            f"{evaluator} needs {PARSER} {PARSER_VERSION} beside the one of Hydra; "
            f"make leaderboard-environment, or {parser_command(folder)}"
        )


def missing_packages() -> list[str]:
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def has_parser(folder: Path = PARSER_FOLDER) -> bool:
    """Whether the evaluator's process will find the parser's runtime that it needs."""
    try:
        installed = version(PARSER)
    except PackageNotFoundError:
        installed = ""
    return installed.startswith(PARSER_VERSION) or (folder / "antlr4").is_dir()


def parser_command(folder: Path = PARSER_FOLDER) -> str:
    return f"python -m pip install --no-deps --target {folder} -r {PARSER_REQUIREMENT}"
