#!/usr/bin/env bash
# carla.Map.get_topology() leaves out lanes: on a road that is linked to nothing, every lane that
# runs along s is missing, while the lanes against s are listed.
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
<road name="track" length="200" id="1" junction="-1"><link/>
<planView><geometry s="0" x="0" y="0" hdg="0" length="200"><line/></geometry></planView>
<lanes><laneSection s="0"><left>{LANE.format(2)}{LANE.format(1)}</left>
<center><lane id="0" type="none" level="false"/></center>
<right>{LANE.format(-1)}{LANE.format(-2)}</right></laneSection></lanes></road></OpenDRIVE>"""

world_map = carla.Map("track", ROAD)
driven = sorted({w.lane_id for w in world_map.generate_waypoints(10.0)})
listed = sorted({start.lane_id for start, _ in world_map.get_topology()})
last = world_map.get_waypoint_xodr(1, -1, 200.0)
print("carla", version("carla"))
print("lanes with waypoints:    ", driven)
print("lanes in get_topology(): ", listed)
print("waypoint of lane -1 at s = 200, the road's end:", last)
print("expected: the same four lanes in both. A planner that builds its graph from the topology,")
print("as agents.navigation.GlobalRoutePlanner does, finds half of a plain test track only.")
assert driven == [-2, -1, 1, 2], driven
assert listed == [1, 2], listed
assert last is None, last
PY
venv/bin/python show.py
