#!/usr/bin/env bash
# OpenDRIVE ids are unique among the elements of one kind: a road and a junction may both be 2.
# carla.Map looks for a road first, so that a link to junction 2 leads to road 2, wherever that lies.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check carla==0.9.16
cat > show.py <<'PY'
from importlib.metadata import version

import carla


def road(number: int, x: float, length: float, junction: int, link: str, lane_link: str) -> str:
    return f"""<road name="" length="{length}" id="{number}" junction="{junction}"><link>{link}</link>
<planView><geometry s="0" x="{x}" y="0" hdg="0" length="{length}"><line/></geometry></planView>
<lanes><laneSection s="0"><center><lane id="0" type="none" level="false"/></center>
<right><lane id="-1" type="driving" level="false"><link>{lane_link}</link>
<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></right></laneSection></lanes></road>"""


def network(junction: int) -> str:
    """Road 1, a junction with the connecting road 5, road 3; road 2 lies 1 km away."""
    to = '<{} elementType="junction" elementId="{}"/>'
    ends = (
        '<predecessor elementType="road" elementId="1" contactPoint="end"/>'
        '<successor elementType="road" elementId="3" contactPoint="start"/>'
    )
    same = '<predecessor id="-1"/><successor id="-1"/>'
    return "".join([
        '<OpenDRIVE><header revMajor="1" revMinor="4"><geoReference>',
        '+proj=tmerc +lat_0=0 +lon_0=0</geoReference></header>',
        road(1, 0.0, 100.0, -1, to.format("successor", junction), '<successor id="-1"/>'),
        road(2, 1000.0, 100.0, -1, "", ""),
        road(3, 120.0, 100.0, -1, to.format("predecessor", junction), '<predecessor id="-1"/>'),
        road(5, 100.0, 20.0, junction, ends, same),
        f'<junction id="{junction}" name=""><connection id="0" incomingRoad="1" connectingRoad="5" '
        'contactPoint="start"><laneLink from="-1" to="-1"/></connection></junction></OpenDRIVE>',
    ])


def ahead(junction: int) -> list[tuple[int, int]]:
    start = carla.Map("net", network(junction)).get_waypoint_xodr(1, -1, 95.0)
    return [(point.road_id, round(point.transform.location.x)) for point in start.next(10.0)]


print("carla", version("carla"))
print("10 m ahead of x = 95 m as (road, x), junction 9:", ahead(9))
print("the same with the junction's id 2:              ", ahead(2))
print("expected: the same place twice.")
assert ahead(9) == [(5, 105)], ahead(9)
assert ahead(2) == [(2, 1005)], ahead(2)
PY
venv/bin/python show.py
