#!/usr/bin/env bash
# OpenDRIVE arcs of curvature 0 and clothoids whose two curvatures are equal are valid and common
# (several editors write them for straight and round middle parts). carla.Map loads them without a
# word and gives NaN for every position on them; where the two differ in the last digits only, it
# gives finite positions that are tens of metres off.
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
<geoReference>+proj=tmerc +lat_0=0 +lon_0=0</geoReference></header>
<road name="road" length="100" id="1" junction="-1"><link/>
<planView><geometry s="0" x="0" y="0" hdg="0" length="100">{}</geometry></planView>
<lanes><laneSection s="0"><center><lane id="0" type="none" level="false"/></center>
<right><lane id="-1" type="driving" level="false"><link/>
<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></right></laneSection></lanes>
</road></OpenDRIVE>"""


def place(shape: str) -> tuple[float, float]:
    """Position of the lane half way, in CARLA's frame (y to the right)."""
    location = carla.Map("road", ROAD.format(shape)).get_waypoint_xodr(1, -1, 50.0)
    location = location.transform.location
    return round(location.x, 2), round(location.y, 2)


arc = '<arc curvature="{}"/>'
spiral = '<spiral curvStart="0.02" curvEnd="{}"/>'
cases = [arc.format("0.02"), arc.format("0"), spiral.format("0.02001"), spiral.format("0.02"),
         spiral.format("0.020000000000001")]
places = [place(case) for case in cases]
print("carla", version("carla"))
for case, found in zip(cases, places):
    print(f"{case:52} s = 50: {found}")
print("expected: the third to fifth within centimetres of the first, the second at (50, 1.75);")
print("an exception at load at the least.")
assert math.isnan(places[1][0]) and math.isnan(places[3][0]), places
assert math.dist(places[0], places[2]) < 0.1, places
assert math.dist(places[0], places[4]) > 10.0, places
PY
venv/bin/python show.py
