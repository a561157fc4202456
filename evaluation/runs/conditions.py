"""Whether two drives were asked for under the same conditions."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def differences(then: Json, now: Json) -> list[str]:
    """How the conditions of two drives differ, in the words of the command line; [] if they do not.
    Settings that only one of them knows do not count: the program has learned them since."""
    found = _changed(then, now, "options", "--") + _changed(then, now, "expert", "--expert ")
    if not _same_cameras(then.get("cameras"), now["cameras"]):
        found.append(f"--expert rig was {then.get('rig', 'another')}, is {now['rig']}")
    if _differs(then, now, "weathers"):
        found.append("another weather")
    if _differs(then, now, "waypoints_m"):
        why = ", ".join(_changed(then, now, "drawn_by", ""))
        found.append(f"other waypoints ({why})" if why else "other waypoints")
    return found


def _same_cameras(then: list[Json] | None, now: list[Json]) -> bool:
    if then is None:
        return True
    pairs = list(zip(then, now, strict=False))
    return len(then) == len(now) and not any(
        _differs(*pair, key) for pair in pairs for key in pair[1]
    )


def _differs(then: Json, now: Json, key: str) -> bool:
    return key in then and key in now and bool(then[key] != now[key])


def _changed(then: Json, now: Json, group: str, prefix: str) -> list[str]:
    old, new = then.get(group, {}), now.get(group, {})
    return [
        f"{prefix}{key} was {old[key]}, is {new[key]}" for key in new if _differs(old, new, key)
    ]
