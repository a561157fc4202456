"""`python -m evaluation.official.import_check`: imports an evaluator and all its scenarios, as it
would itself; ends with 1 and one line that says what is missing where.

To be run with the evaluator's environment, see `evaluation.official.leaderboard`.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import warnings
from pathlib import Path

from evaluation.official.compatibility import install


def main() -> int:
    install()
    # Old code is full of what newer Pythons warn of.
    warnings.simplefilter("ignore")
    scenarios = Path(os.environ["SCENARIO_RUNNER_ROOT"]) / "srunner" / "scenarios"
    names = [f"srunner.scenarios.{path.stem}" for path in sorted(scenarios.glob("[!_]*.py"))]
    for name in ("leaderboard.leaderboard_evaluator", *names):
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is reported
            last = traceback.extract_tb(error.__traceback__)[-1]
            reason = str(error).partition("\n")[0]
            print(f"{type(error).__name__}: {reason} ({last.filename}, line {last.lineno})")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
