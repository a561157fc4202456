#!/usr/bin/env bash
# carla.Vector3D.get_vector_angle() takes the arc cosine of a quotient that rounding can lift above
# 1: for about four in ten headings the angle of a forward vector with itself is NaN. "angle <
# limit" is False then, and so is "angle > limit": the car that drives in our direction is in
# neither list.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check carla==0.9.16
cat > show.py <<'PY'
import math
from importlib.metadata import version

import carla

headings = range(-180, 180)
ahead = [carla.Rotation(pitch=1.0, yaw=yaw).get_forward_vector() for yaw in headings]
same = [one.get_vector_angle(one) for one in ahead]
right = [carla.Rotation(pitch=1.0, yaw=yaw).get_right_vector() for yaw in headings]
across = [one.get_vector_angle(other) for one, other in zip(ahead, right)]
undefined = sum(math.isnan(angle) for angle in same)
print("carla", version("carla"))
print(f"angle with itself, {len(headings)} headings: NaN for {undefined}")
print("the other angles:", sorted({angle for angle in same if not math.isnan(angle)}))
print("angle with the vector to the right:", sorted({round(angle, 3) for angle in across}))
print("expected: 0.0 for all 360 of the first, as pi / 2 for all of the last.")
assert 72 < undefined < 288, undefined
assert {round(angle, 3) for angle in across} == {1.571}, across
PY
venv/bin/python show.py
