#!/usr/bin/env bash
# carla.Map turns the y axis of an OpenDRIVE file round: what lies north has a negative y. The
# geolocations of 0.9.16 do not turn it back, as those of older versions do: a road 1 km north of
# the map's origin is told to lie 1 km south of it, and an agent that was made for 0.9.15 drives
# away from its route's geographic targets.
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

ROAD = """<OpenDRIVE><header revMajor="1" revMinor="4">
<geoReference>+proj=tmerc +lat_0=49 +lon_0=8</geoReference></header>
<road name="road" length="100" id="1" junction="-1"><link/>
<planView><geometry s="0" x="{}" y="{}" hdg="0" length="100"><line/></geometry></planView>
<lanes><laneSection s="0"><center><lane id="0" type="none" level="false"/></center>
<right><lane id="-1" type="driving" level="false"><link/>
<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></right></laneSection></lanes>
</road></OpenDRIVE>"""
RADIUS_M = 6_371_000  # of the Earth; its flattening changes the answers by less than 1 %


def offsets_m(east: int, north: int) -> tuple[int, int]:
    """How far east and north of the origin CARLA says that a road there lies."""
    world_map = carla.Map("road", ROAD.format(east, north))
    place = world_map.transform_to_geolocation(
        world_map.get_waypoint_xodr(1, -1, 0.0).transform.location
    )
    along = math.radians(place.longitude - 8) * RADIUS_M * math.cos(math.radians(49))
    across = math.radians(place.latitude - 49) * RADIUS_M
    return 100 * round(along / 100), 100 * round(across / 100)


print("carla", version("carla"))
for place in ((1000, 0), (0, 1000), (0, -1000)):
    print(f"a road at (east, north) = {place} m has the geolocation of {offsets_m(*place)} m")
print("expected: the same pairs twice.")
assert offsets_m(1000, 0) == (1000, 0), offsets_m(1000, 0)
assert offsets_m(0, 1000) == (0, -1000), offsets_m(0, 1000)
assert offsets_m(0, -1000) == (0, 1000), offsets_m(0, -1000)
PY
venv/bin/python show.py
