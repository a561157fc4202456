#!/usr/bin/env bash
# carla.Map loads an OpenDRIVE road with superelevation, which banks it about its reference line,
# and gives waypoints as if there were none: no roll, and lanes far from the reference line tens of
# centimetres above or below the road that the same file describes. The elevation along the road is
# honoured.
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

BANK = 0.1  # rad, falls to the right
WIDTH_M = 3.5
LANE = (
    '<lane id="{}" type="driving" level="false"><link/>'
    f'<width sOffset="0" a="{WIDTH_M}" b="0" c="0" d="0"/></lane>'
)
lanes = "".join(LANE.format(number) for number in (-1, -2, -3))
world_map = carla.Map("bend", f"""<OpenDRIVE><header revMajor="1" revMinor="4">
<geoReference>+proj=tmerc +lat_0=0 +lon_0=0</geoReference></header>
<road name="bend" length="100" id="1" junction="-1"><link/>
<planView><geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry></planView>
<elevationProfile><elevation s="0" a="5" b="0" c="0" d="0"/></elevationProfile>
<lateralProfile><superelevation s="0" a="{BANK}" b="0" c="0" d="0"/></lateralProfile>
<lanes><laneSection s="0"><center><lane id="0" type="none" level="false"/></center>
<right>{lanes}</right></laneSection></lanes></road></OpenDRIVE>""")


def found(lane: int) -> tuple[float, float]:
    """z in metres and roll in degrees of the waypoint half way."""
    transform = world_map.get_waypoint_xodr(1, lane, 50.0).transform
    return round(transform.location.z, 2), round(transform.rotation.roll, 2)


print("carla", version("carla"))
for lane in (-1, -2, -3):
    across = (abs(lane) - 0.5) * WIDTH_M
    print(
        f"lane {lane}: z and roll {found(lane)}; expected z {5 - across * math.sin(BANK):.2f} m"
        f" and a roll of {math.degrees(BANK):.1f} degrees"
    )
    assert found(lane) == (5.0, 0.0), found(lane)
PY
venv/bin/python show.py
