#!/usr/bin/env bash
# The ids of OpenDRIVE are strings. carla.Map reads the number at their beginning and takes 0 where
# there is none: roads called "north" and "south" become one road 0, "7a" and "7b" one road 7. All
# but one of them are gone from the map, that one is listed once for each, and nothing is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check carla==0.9.16
cat > show.py <<'PY'
from importlib.metadata import version

import carla


def roads(*names: str) -> list[tuple[int, int]]:
    """(id, y) of the first waypoint of each road, the roads 100 m apart to the right."""
    text = "".join(
        f'<road name="" length="50" id="{name}" junction="-1"><link/><planView>'
        f'<geometry s="0" x="0" y="{-100 * place}" hdg="0" length="50"><line/></geometry>'
        '</planView><lanes><laneSection s="0">'
        '<center><lane id="0" type="none" level="false"/></center>'
        '<right><lane id="-1" type="driving" level="false"><link/>'
        '<width sOffset="0" a="4" b="0" c="0" d="0"/></lane></right></laneSection></lanes></road>'
        for place, name in enumerate(names)
    )
    world_map = carla.Map("net", f"""<OpenDRIVE><header revMajor="1" revMinor="4">
<geoReference>+proj=tmerc +lat_0=0 +lon_0=0</geoReference></header>{text}</OpenDRIVE>""")
    points = world_map.generate_waypoints(100.0)
    return sorted((point.road_id, round(point.transform.location.y)) for point in points)


print("carla", version("carla"))
for names in (("1", "2", "3"), ("north", "south", "ring"), ("7a", "7b")):
    print(f"roads {', '.join(names)}: waypoints (road, y)", roads(*names))
print("expected: a waypoint at y = 2, 102 and 202 each time, or an error at load.")
assert roads("1", "2", "3") == [(1, 2), (2, 102), (3, 202)], roads("1", "2", "3")
assert roads("north", "south", "ring") == [(0, 202)] * 3, roads("north", "south", "ring")
assert roads("7a", "7b") == [(7, 102)] * 2, roads("7a", "7b")
PY
venv/bin/python show.py
