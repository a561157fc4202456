"""`python -m evaluation.official.launch CHECKOUT EVALUATOR.py ARGUMENTS...`: runs the evaluator as
`python EVALUATOR.py ARGUMENTS...` would, with what it misses on this Python.

CHECKOUT is where it looks for its own files; see `evaluation.official.compatibility`.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from evaluation.official.compatibility import install


def main(arguments: list[str]) -> None:
    checkout, evaluator, *passed_on = arguments
    install(Path(checkout))
    sys.argv[:] = [evaluator, *passed_on]
    # A script finds the modules beside it first.
    sys.path[0] = str(Path(evaluator).parent)
    runpy.run_path(evaluator, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
