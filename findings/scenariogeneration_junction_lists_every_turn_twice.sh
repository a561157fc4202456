#!/usr/bin/env bash
# scenariogeneration's CommonJunctionCreator makes one connecting road, with a lane each way, for
# two turns, and connects both of its ends with both lanes: half of its lane links start from the
# lane that leaves the junction on that road, where OpenDRIVE wants the incoming one. CARLA then
# offers every turn twice, so that a random choice of the next waypoint, or a search over them,
# does more than it should.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  scenariogeneration==0.16.7 carla==0.9.16
cat > show.py <<'PY'
import math
from importlib.metadata import version
from xml.etree import ElementTree

import carla
from scenariogeneration import xodr

# Four roads of 100 m with a lane each way, which end at a crossing of 20 m radius. Junction and
# connecting roads have ids of their own, since carla.Map takes a road and a junction of one id for
# the same.
roads = [xodr.create_road(xodr.Line(100), id=number) for number in (1, 2, 3, 4)]
crossing = xodr.CommonJunctionCreator(id=50, name="crossing", startnum=200)
for place, road in enumerate(roads):
    crossing.add_incoming_road_circular_geometry(road, 20, place * math.pi / 2, "successor")
for first in (1, 2, 3):
    for second in range(first + 1, 5):
        crossing.add_connection(first, second)
network = xodr.OpenDrive("crossing", geo_reference="+proj=tmerc +lat_0=0 +lon_0=0")
for road in roads:
    network.add_road(road)
network.add_junction_creator(crossing)
network.adjust_roads_and_lanes()
root = network.get_element()

# All four end at the junction: their lanes -1 lead into it, their lanes 1 out of it.
links = [int(link.get("from")) for link in root.iter("laneLink")]
world_map = carla.Map("crossing", ElementTree.tostring(root, encoding="unicode"))
ahead = {
    road: sorted(point.road_id for point in world_map.get_waypoint_xodr(road, -1, 99.0).next(5.0))
    for road in (1, 2, 3, 4)
}
print("scenariogeneration", version("scenariogeneration"), "carla", version("carla"))
print("lane links from incoming lanes:", links.count(-1), "from outgoing lanes:", links.count(1))
for road, found in ahead.items():
    print(f"connecting roads ahead of road {road}:", found)
print("expected: 12 and 0 links, one for each turn, and three roads ahead of each.")
assert links.count(-1) == links.count(1) == 12, links
assert all(len(found) == 6 and len(set(found)) == 3 for found in ahead.values()), ahead
PY
venv/bin/python show.py
