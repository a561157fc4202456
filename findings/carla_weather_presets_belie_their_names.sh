#!/usr/bin/env bash
# The weather presets of carla.WeatherParameters whose names end in Noon or Sunset have a wetness
# of 0, WetNoon and HardRainNoon as much as ClearNoon, while the same weather at night has 60 to
# 100. ClearNight has thirty times the fog density of ClearNoon. Whoever picks presets to see
# whether a driver minds wet roads or fog compares something else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check carla==0.9.16
cat > show.py <<'PY'
from importlib.metadata import version

import carla

PRESETS = {
    name: getattr(carla.WeatherParameters, name)
    for name in dir(carla.WeatherParameters)
    if name.endswith(("Noon", "Sunset", "Night"))
}
print("carla", version("carla"))
print("preset          rain  wetness  fog density")
for name, weather in sorted(PRESETS.items()):
    print(
        f"{name:15} {weather.precipitation:4.0f} {weather.wetness:8.0f} {weather.fog_density:12.0f}"
    )
print("expected: wet roads wherever the name says wet or rain, and a clear night that is clear.")
wet = {
    name: weather.wetness for name, weather in PRESETS.items() if "Wet" in name or "Rain" in name
}
assert len(wet) == 15, wet
assert {value for name, value in wet.items() if not name.endswith("Night")} == {0.0}, wet
assert min(value for name, value in wet.items() if name.endswith("Night")) == 60.0, wet
assert PRESETS["ClearNight"].fog_density == 30 * PRESETS["ClearNoon"].fog_density == 60.0
PY
venv/bin/python show.py
