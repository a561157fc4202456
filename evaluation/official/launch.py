"""`python -m evaluation.official.launch CHECKOUT EVALUATOR.py ARGUMENTS...`: runs the evaluator as
`python EVALUATOR.py ARGUMENTS...` would, with what it misses on this Python.

CHECKOUT is where it looks for its own files; see `evaluation.official.compatibility`. If whoever
started it is killed, it ends too.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
from pathlib import Path

from evaluation.official.compatibility import install

PARENT_CHECK_S = 1.0
ORPHANED = 1


def main(arguments: list[str]) -> None:
    checkout, evaluator, *passed_on = arguments
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    install(Path(checkout))
    sys.argv[:] = [evaluator, *passed_on]
    # A script finds the modules beside it first.
    sys.path[0] = str(Path(evaluator).parent)
    runpy.run_path(evaluator, run_name="__main__")


def _end_with(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(PARENT_CHECK_S)
    os._exit(ORPHANED)


if __name__ == "__main__":
    main(sys.argv[1:])
