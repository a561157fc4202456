#!/usr/bin/env bash
# carla.Transform.transform(), inverse_transform() and transform_vector() return the result and
# write it into the argument too; for a list of locations they return None and only do the latter.
# A second sensor that is placed from the same location, or a next step with the same offset,
# starts from the result of the first. No carla object can be copied with copy.copy(), which
# raises.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check carla==0.9.16
cat > show.py <<'PY'
import copy
from importlib.metadata import version

import carla

ego = carla.Transform(carla.Location(10, 0, 0), carla.Rotation(yaw=90))


def plain(vector: carla.Vector3D) -> tuple[int, int, int]:
    return round(vector.x), round(vector.y), round(vector.z)


def thrice(method: str, kind: type) -> list[tuple[int, int, int]]:
    """What the method makes of one and the same object in three calls."""
    offset = kind(2, 0, 0)
    return [plain(getattr(ego, method)(offset)) for _ in range(3)]


def refuses_copy(value: object) -> bool:
    try:
        copy.copy(value)
    except RuntimeError:
        return True
    return False


seen = {
    "transform": thrice("transform", carla.Location),
    "inverse_transform": thrice("inverse_transform", carla.Location),
    "transform_vector": thrice("transform_vector", carla.Vector3D),
}
corners = [carla.Location(2, 0, 0), carla.Location(0, 2, 0)]
answer = ego.transform(corners)
print("carla", version("carla"))
for method, results in seen.items():
    print(f"three calls of {method} with one (2, 0, 0):", results)
print("transform of a list returns", answer, "and leaves", [plain(one) for one in corners])
print("expected: three times the first result, an unchanged argument, and a list for a list.")
assert seen["transform"] == [(10, 2, 0), (8, 10, 0), (0, 8, 0)], seen
assert seen["inverse_transform"] == [(0, 8, 0), (8, 10, 0), (10, 2, 0)], seen
assert seen["transform_vector"] == [(0, 2, 0), (-2, 0, 0), (0, -2, 0)], seen
assert answer is None and [plain(one) for one in corners] == [(10, 2, 0), (8, 0, 0)]
assert refuses_copy(ego) and refuses_copy(corners[0])
PY
venv/bin/python show.py
