#!/usr/bin/env bash
# rliable.library.get_interval_estimates() documents random_state as that which makes the estimates
# reproducible. It has no effect: the resamples come from numpy's global generator, so that the
# same state gives another interval each time, and different states the same one after
# numpy.random.seed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  rliable==1.2.0 arch==7.2.0 pandas==2.3.3 numpy==2.4.6
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
from rliable import library

# arch tells of a keyword that rliable passes on to it.
warnings.filterwarnings("ignore", category=FutureWarning, module="arch")
# Three runs of 220 routes, in points.
SCORES = {"driver": np.random.default_rng(0).uniform(0.0, 100.0, size=(3, 220))}


def interval(seed: int) -> list[float]:
    """The 95 % interval of the mean score with a fresh state of this seed."""
    _, intervals = library.get_interval_estimates(
        SCORES,
        lambda scores: np.array([scores.mean()]),
        reps=1000,
        random_state=np.random.RandomState(seed),
    )
    return intervals["driver"].ravel().round(4).tolist()


np.random.seed(7)
first, again = interval(1), interval(1)
np.random.seed(7)
other = interval(2)
print("rliable", version("rliable"), "arch", version("arch"), "numpy", version("numpy"))
print("random_state=RandomState(1):                          ", first)
print("random_state=RandomState(1), called again:            ", again)
print("random_state=RandomState(2), global seed as the first:", other)
print("expected: the first two are equal, the third differs.")
assert first != again, (first, again)
assert first == other, (first, other)
PY
venv/bin/python show.py
