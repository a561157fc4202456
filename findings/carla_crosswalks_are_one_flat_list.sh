#!/usr/bin/env bash
# carla.Map.get_crosswalks() is one flat list of corners. A crosswalk whose outline does not repeat
# its first corner (OpenDRIVE has the attribute closed for that) cannot be told from the next one, one
# without an outline gets the outline of the crosswalk before it, and those with corners along the
# road, or in the <outlines> of OpenDRIVE 1.5 and later, are not there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check carla==0.9.16
cat > show.py <<'PY'
from importlib.metadata import version

import carla

LOCAL = "".join(
    f'<cornerLocal u="{u}" v="{v}" z="0"/>' for u, v in ((-2, -4), (-2, 4), (2, 4), (2, -4))
)
ALONG = "".join(
    f'<cornerRoad s="{s}" t="{t}" dz="0" height="0"/>' for s, t in ((58, -4), (58, 4), (62, 4))
)


def corners(*outlines: str) -> list[float]:
    """x of all corners of crosswalks at s = 60, 120, ... of a straight road."""
    crossings = "".join(
        f'<object id="{number}" type="crosswalk" s="{60 * number}" t="0" hdg="0" zOffset="0" '
        f'length="4" width="8" orientation="none">{outline}</object>'
        for number, outline in enumerate(outlines, start=1)
    )
    text = f"""<OpenDRIVE><header revMajor="1" revMinor="4">
<geoReference>+proj=tmerc +lat_0=0 +lon_0=0</geoReference></header>
<road name="road" length="200" id="1" junction="-1"><link/>
<planView><geometry s="0" x="0" y="0" hdg="0" length="200"><line/></geometry></planView>
<lanes><laneSection s="0"><center><lane id="0" type="none" level="false"/></center>
<right><lane id="-1" type="driving" level="false"><link/>
<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></right></laneSection></lanes>
<objects>{crossings}</objects></road></OpenDRIVE>"""
    return [round(place.x, 1) for place in carla.Map("road", text).get_crosswalks()]


plain = f"<outline>{LOCAL}</outline>"
print("carla", version("carla"))
print("two outlines of four corners:         ", corners(plain, plain))
print("the second without outline:          ", corners(plain, ""))
print("corners along the road:               ", corners(f"<outline>{ALONG}</outline>"))
print("outline within <outlines>:            ", corners(f"<outlines>{plain}</outlines>"))
print("expected: a list per crosswalk; none for one without an outline; three and four corners.")
assert len(corners(plain, plain)) == 8
assert corners(plain, "") == corners(plain, plain)
assert corners(f"<outline>{ALONG}</outline>") == corners(f"<outlines>{plain}</outlines>") == []
PY
venv/bin/python show.py
