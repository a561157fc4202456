#!/usr/bin/env bash
# A signal without <validity> is for the traffic that its orientation names: by OpenDRIVE "+" is the
# direction in which s grows, which on a right-hand road is that of the negative lane ids. carla.Map
# gives such a signal the positive lanes: traffic lights of standard files stop the other direction.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check carla==0.9.16
cat > show.py <<'PY'
from importlib.metadata import version

import carla

LANE = (
    '<lane id="{}" type="driving" level="false"><link/>'
    '<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane>'
)
ROAD = f"""<OpenDRIVE><header revMajor="1" revMinor="4">
<geoReference>+proj=tmerc +lat_0=0 +lon_0=0</geoReference></header>
<road name="road" length="100" id="1" junction="-1" rule="RHT"><link/>
<planView><geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry></planView>
<lanes><laneSection s="0"><left>{LANE.format(1)}</left>
<center><lane id="0" type="none" level="false"/></center>
<right>{LANE.format(-1)}</right></laneSection></lanes>
<signals><signal s="90" t="-5" id="7" name="light" dynamic="yes" orientation="+" zOffset="0"
country="OpenDRIVE" type="1000001" subtype="-1"/></signals></road></OpenDRIVE>"""

world_map = carla.Map("road", ROAD)
(light,) = world_map.get_all_landmarks()
seen = {
    lane: [mark.id for mark in world_map.get_waypoint_xodr(1, lane, start).get_landmarks(60.0)]
    for lane, start in ((-1, 50.0), (1, 99.0))
}
yaw = world_map.get_waypoint_xodr(1, -1, 50.0).transform.rotation.yaw
print("carla", version("carla"))
print("light at s = 90 with orientation '+', lanes given to it:", light.get_lane_validities())
print(f"lane -1 runs along s (yaw {yaw:.0f}) and is told of the lights", seen[-1])
print("lane +1 runs against s and is told of the lights", seen[1])
print("expected: lane -1, which '+' means on a right-hand road, and not lane +1.")
assert light.get_lane_validities() == [(1, 1)], light.get_lane_validities()
assert seen == {-1: [], 1: ["7"]}, seen
PY
venv/bin/python show.py
