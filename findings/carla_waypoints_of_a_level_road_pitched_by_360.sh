#!/usr/bin/env bash
# A waypoint in a lane that runs against its road's s has a pitch of 360 degrees where the road is
# level, and of 360 degrees more or less than it should on a slope; its twin in the lane along s has 0.
# The direction is the same, but whoever interpolates, limits or compares such angles takes the car
# for one that stands on its head once around.
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


def pitches(slope: float) -> tuple[float, float]:
    """Pitch of a waypoint in the lane along s and in the one against s, in degrees."""
    road_map = carla.Map("slope", f"""<OpenDRIVE><header revMajor="1" revMinor="4">
<geoReference>+proj=tmerc +lat_0=0 +lon_0=0</geoReference></header>
<road name="" length="200" id="1" junction="-1"><link/>
<planView><geometry s="0" x="0" y="0" hdg="0" length="200"><line/></geometry></planView>
<elevationProfile><elevation s="0" a="0" b="{slope}" c="0" d="0"/></elevationProfile>
<lanes><laneSection s="0"><left>{LANE.format(1)}</left>
<center><lane id="0" type="none" level="false"/></center>
<right>{LANE.format(-1)}</right></laneSection></lanes></road></OpenDRIVE>""")
    along, against = (
        road_map.get_waypoint_xodr(1, lane, 50.0).transform.rotation.pitch for lane in (-1, 1)
    )
    return round(along, 1), round(against, 1)


print("carla", version("carla"))
print("(along s, against s) on a level road:    ", pitches(0.0))
print("the same on a road that rises by 10 %:   ", pitches(0.1))
print("the same on a road that falls by 10 %:   ", pitches(-0.1))
print("expected: (0, 0), (5.7, -5.7) and (-5.7, 5.7).")
assert pitches(0.0) == (0.0, 360.0), pitches(0.0)
assert pitches(0.1) == (5.7, 354.3), pitches(0.1)
assert pitches(-0.1) == (-5.7, 365.7), pitches(-0.1)
PY
venv/bin/python show.py
