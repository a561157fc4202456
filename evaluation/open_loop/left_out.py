"""What a judgement in open loop leaves out: counted, and named in part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# So many of each kind of what is left out are named in open_loop.json.
MOST_NAMED = 20
BROKEN_DRIVES = "broken drives"
OTHER_CAMERAS = "drives with other cameras"
UNREADABLE_FRAMES = "frames with unreadable images"
# Kinds of what an index reports, by the form of its lines; any other line is a broken drive's.
LEFT_OUT_OF_INDEX = {
    "drives without results": re.compile(r": no results\.json\.gz$"),
    "drives not driven well": re.compile(r": not a good drive$"),
    "broken frames": re.compile(r": frame \d+: |: \S+/\d+\.jpg: "),
}


def without_drives(drives: tuple[str, ...], problems: Sequence[str]) -> list[str]:
    """The lines that are not about one of these drives, by which lines begin."""
    return [line for line in problems if not line.partition(": ")[0].endswith(drives)]


def by_kind(problems: Sequence[str]) -> dict[str, list[str]]:
    """The lines of an index about what it leaves out, sorted into drives and frames."""
    found: dict[str, list[str]] = {kind: [] for kind in (*LEFT_OUT_OF_INDEX, BROKEN_DRIVES)}
    for line in problems:
        kinds = (kind for kind, form in LEFT_OUT_OF_INDEX.items() if form.search(line))
        found[next(kinds, BROKEN_DRIVES)].append(line)
    return found


def summary_of(left_out: Mapping[str, Sequence[str]]) -> str:
    """What is left out in one line, by number."""
    numbers = [f"{len(lines)} {kind}" for kind, lines in left_out.items() if lines]
    if not numbers:
        return "Left out: nothing"
    return f"Left out: {', '.join(numbers)}; see open_loop.json"


def to_plain(left_out: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """For open_loop.json: of each kind the number, and the first lines."""
    return {
        kind: {"number": len(lines), "named": list(lines[:MOST_NAMED])}
        for kind, lines in left_out.items()
    }
