#!/usr/bin/env bash
# carla.Map.get_waypoint(location, project_to_road=False) is documented to give the waypoint
# exactly in the location, or None where that is not on a road. It moves the location to the middle
# of the lane as with project_to_road=True, and a place 10 km above the road is on it. Whoever asks
# it whether a car has left the road, fallen through it or is on another storey is told that all is
# well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check carla==0.9.16
cat > show.py <<'PY'
from importlib.metadata import version

import carla

ROAD = """<OpenDRIVE><header revMajor="1" revMinor="4">
<geoReference>+proj=tmerc +lat_0=0 +lon_0=0</geoReference></header>
<road name="road" length="100" id="1" junction="-1"><link/>
<planView><geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry></planView>
<lanes><laneSection s="0"><center><lane id="0" type="none" level="false"/></center>
<right><lane id="-1" type="driving" level="false"><link/>
<width sOffset="0" a="4" b="0" c="0" d="0"/></lane></right></laneSection></lanes>
</road></OpenDRIVE>"""
world_map = carla.Map("road", ROAD)


def place(x: float, y: float, z: float) -> tuple[int, int, int] | None:
    """Where the waypoint of this location lies."""
    found = world_map.get_waypoint(carla.Location(x, y, z), project_to_road=False)
    if found is None:
        return None
    location = found.transform.location
    return round(location.x), round(location.y), round(location.z)


PLACES = ((50, 2, 0), (50, 3, 0), (50, 5, 0), (50, 2, 8), (50, 2, 10_000), (50, 2, -10_000))
print("carla", version("carla"))
print("The only lane lies between y = 0 and y = 4, at z = 0.")
for each in PLACES:
    print(f"get_waypoint({each}, project_to_road=False) lies at {place(*each)}")
print("expected: the second where it was asked for, and None for the last three.")
assert place(50, 5, 0) is None
assert {place(*each) for each in PLACES if each[1] != 5} == {(50, 2, 0)}
PY
venv/bin/python show.py
