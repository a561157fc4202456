#!/usr/bin/env bash
# Maps of real places are often written in UTM coordinates, with an <offset> in the header of
# OpenDRIVE that moves them to the origin. carla.Map ignores the offset, and its locations are of
# single precision: waypoints 0.1 m apart lie on top of each other or half a metre apart. Move the
# geometry itself to the origin before.
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

ROAD = """<OpenDRIVE><header revMajor="1" revMinor="7">
<geoReference>+proj=tmerc +lat_0=0 +lon_0=0</geoReference>{}</header>
<road name="road" length="100" id="1" junction="-1"><link/>
<planView><geometry s="0" x="{}" y="{}" hdg="1" length="100"><line/></geometry></planView>
<lanes><laneSection s="0"><center><lane id="0" type="none" level="false"/></center>
<right><lane id="-1" type="driving" level="false"><link/>
<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></right></laneSection></lanes>
</road></OpenDRIVE>"""
X, Y = 458_000, 5_430_000
OFFSET = f'<offset x="{-X}" y="{-Y}" z="0" hdg="0"/>'


def steps(offset: str, x: int, y: int) -> tuple[int, int, float]:
    """y of the first waypoint, how many different y 100 of them have, and the largest gap in m."""
    world_map = carla.Map("road", ROAD.format(offset, x, y))
    places = [
        world_map.get_waypoint_xodr(1, -1, step / 10).transform.location for step in range(100)
    ]
    gap = max(
        math.dist((one.x, one.y), (two.x, two.y)) for one, two in zip(places, places[1:])
    )
    return round(places[0].y), len({place.y for place in places}), round(gap, 2)


print("carla", version("carla"))
print("first y, different y of 100 waypoints 0.1 m apart, largest gap")
print("at the origin:            ", steps("", 0, 0))
print("in UTM with the offset:   ", steps(OFFSET, X, Y))
print("in UTM without the offset:", steps("", X, Y))
print("expected: the second as the first.")
assert steps("", 0, 0) == (1, 100, 0.1), steps("", 0, 0)
assert steps(OFFSET, X, Y) == steps("", X, Y), steps(OFFSET, X, Y)
assert steps(OFFSET, X, Y)[0] < -5_000_000 and steps(OFFSET, X, Y)[1] < 20
assert steps(OFFSET, X, Y)[2] >= 0.5
PY
venv/bin/python show.py
