#!/usr/bin/env bash
# carla.Location, Vector3D, Rotation and Transform compare by value but hash by object, which
# Python forbids: equal ones must have one hash. A set keeps each of them, a dictionary never finds
# one again, and nothing says so; "in" answers yes for a list and no for the set of the same
# places.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check carla==0.9.16
cat > show.py <<'PY'
from importlib.metadata import version

import carla


def twice() -> dict[str, tuple[object, object]]:
    """Two equal objects of each kind."""
    return {
        "Location": (carla.Location(1, 2, 3), carla.Location(1, 2, 3)),
        "Vector3D": (carla.Vector3D(1, 2, 3), carla.Vector3D(1, 2, 3)),
        "Rotation": (carla.Rotation(yaw=90), carla.Rotation(yaw=90)),
        "Transform": (carla.Transform(), carla.Transform()),
    }


seen = {
    kind: (one == other, other in [one], other in {one}, len({one, other}))
    for kind, (one, other) in twice().items()
}
print("carla", version("carla"))
for kind, (equal, in_list, in_set, size) in seen.items():
    print(f"{kind:9} equal: {equal}, in list: {in_list}, in set: {in_set}, set of both: {size}")
print("expected: True, True, True and 1, or TypeError: unhashable type.")
assert set(seen.values()) == {(True, True, False, 2)}, seen
PY
venv/bin/python show.py
