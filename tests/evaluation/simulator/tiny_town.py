"""OpenDRIVE texts of the smallest towns that a simulator can serve."""

from __future__ import annotations

_ROAD = """<?xml version="1.0" encoding="UTF-8"?>
<OpenDRIVE>
  <header revMajor="1" revMinor="4" name="{name}">
    <geoReference><![CDATA[+proj=tmerc +lat_0={latitude} +lon_0={longitude}]]></geoReference>
  </header>
  <road name="street" length="{length_m}" id="1" junction="-1">
    <link/>
    <type s="0.0" type="town"><speed max="{limit_kmh}" unit="km/h"/></type>
    <planView>
      <geometry s="0.0" x="0.0" y="0.0" hdg="0.0" length="{length_m}"><line/></geometry>
    </planView>
    <elevationProfile><elevation s="0.0" a="0.0" b="0.0" c="0.0" d="0.0"/></elevationProfile>
    <lanes>
      <laneSection s="0.0">
        <left>
          <lane id="1" type="driving" level="false">
            <width sOffset="0.0" a="3.5" b="0.0" c="0.0" d="0.0"/>
            <roadMark sOffset="0.0" type="solid" color="white" width="0.12" laneChange="none"/>
          </lane>
        </left>
        <center>
          <lane id="0" type="none" level="false">
            <roadMark sOffset="0.0" type="broken" color="white" width="0.12" laneChange="none"/>
          </lane>
        </center>
        <right>
          <lane id="-1" type="driving" level="false">
            <width sOffset="0.0" a="3.5" b="0.0" c="0.0" d="0.0"/>
            <roadMark sOffset="0.0" type="solid" color="white" width="0.12" laneChange="none"/>
          </lane>
        </right>
      </laneSection>
    </lanes>
  </road>
</OpenDRIVE>
"""


def straight_road(
    name: str = "tiny",
    length_m: float = 600.0,
    limit_kmh: float = 40.0,
    latitude: float = 49.0,
    longitude: float = 8.4,
) -> str:
    """Return a straight road along +x with one lane a direction: y = 1.75 m leads forward."""
    return _ROAD.format(
        name=name,
        length_m=length_m,
        limit_kmh=limit_kmh,
        latitude=latitude,
        longitude=longitude,
    )
