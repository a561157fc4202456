"""`python -m evaluation.official.launch CHECKOUT EVALUATOR.py ARGUMENTS...`: runs the evaluator as
`python EVALUATOR.py ARGUMENTS...` would, with what it misses on this Python.

CHECKOUT is where it looks for its own files; see `evaluation.official.compatibility`. If whoever
started it is killed, it ends too. Some scenarios draw from the generators that a whole process
shares and nobody seeds (ControlLoss its noise from numpy's): they get the seed of the traffic
manager, so that the same call gives the same drive.
"""

from __future__ import annotations

import argparse
import os
import random
import runpy
import sys
import threading
import time
from pathlib import Path

import numpy as np

from evaluation.official.compatibility import install

PARENT_CHECK_S = 1.0
ORPHANED = 1


def main(arguments: list[str]) -> None:
    checkout, evaluator, *passed_on = arguments
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    install(Path(checkout))
    _seed(passed_on)
    sys.argv[:] = [evaluator, *passed_on]
    # A script finds the modules beside it first.
    sys.path[0] = str(Path(evaluator).parent)
    runpy.run_path(evaluator, run_name="__main__")


def _seed(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--traffic-manager-seed", type=int, default=0)
    seed = parser.parse_known_args(arguments)[0].traffic_manager_seed
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - this one is what the scenarios draw from


def _end_with(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(PARENT_CHECK_S)
    os._exit(ORPHANED)


if __name__ == "__main__":
    main(sys.argv[1:])
