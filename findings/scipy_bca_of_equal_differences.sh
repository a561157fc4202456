#!/usr/bin/env bash
# scipy.stats.bootstrap, method BCa (the default), of differences that are all the same: whether
# the interval is (nan, nan) or a point depends on how the value rounds in binary. Two drivers that
# differ by 0 or by 5 points on every route have no interval, two that differ by 0.1 or by 0.2 have
# one. The manual says that a degenerate sample may give NaN; a check for NaN does not find them
# all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
from scipy import stats


def interval(difference: float, method: str) -> tuple[float, float]:
    """The 95 % interval of the mean of 220 equal differences."""
    with warnings.catch_warnings():
        # Scipy warns of the degenerate sample, where it notices it.
        warnings.simplefilter("ignore")
        result = stats.bootstrap(
            (np.full(220, difference),), np.mean, method=method, n_resamples=999, rng=1
        )
    low, high = result.confidence_interval
    return round(float(low), 6), round(float(high), 6)


DIFFERENCES = (0.0, 5.0, 0.1, 0.2)
found = {each: interval(each, "BCa") for each in DIFFERENCES}
print("scipy", version("scipy"), "numpy", version("numpy"))
for each in DIFFERENCES:
    percentile = interval(each, "percentile")
    print(f"220 differences of {each}: BCa {found[each]}, percentile {percentile}")
    assert percentile == (each, each), percentile
print("expected: the same kind of answer for all four, as the percentile method gives.")
assert np.isnan(found[0.0]).all() and np.isnan(found[5.0]).all(), found
assert found[0.1] == (0.1, 0.1) and found[0.2] == (0.2, 0.2), found
PY
venv/bin/python show.py
