"""What a collection leaves behind besides frames: each drive's conditions and `collect.json`.

collect.json:
    frames, statuses    of the drives, each as it came out last; the number of them is `drives`
    wall_s              of all sessions together
    frames_per_s        all that was ever written, by that time
    sessions            one entry for each time that something was driven: when it started, what was
                        asked for, the same figures, its drives, and how many were `left` undone
"""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from evaluation.collection.settings import CollectError, CollectSettings
from evaluation.routes.route import Route
from evaluation.runs.conditions import Json, differences

CONDITIONS_FILE = "conditions.json"
RIG_FILE = "rig.json"
REPORT_FILE = "collect.json"
LOG_NAME = re.compile(r"(?:simulator|failure)_(\d+)\.(?:log|txt)")
UNSCORED = "Unknown"
NOT_RUN = "Failed - Simulation crashed"
WORKER_DIED = "Failed - Process died"
BAD_ROUTE = "Failed - Route leaves the map"


@dataclass(frozen=True)
class Drive:
    """A route that has been driven, or should have been. frames: how many were written; wall_s: the
    time it took; problem: what broke it off, "" when it was scored, well or badly."""

    name: str
    status: str
    frames: int
    wall_s: float
    problem: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.problem)


@dataclass(frozen=True)
class Stock:
    """What there is already. left: routes to be driven; unlabelled: how many of the others were
    recorded before all conditions were kept, and are taken as they are."""

    left: tuple[Route, ...]
    unlabelled: int


def is_finished(folder: Path) -> bool:
    """Whether the drive was scored, well or badly, rather than broken off."""
    try:
        results = json.loads(gzip.decompress((folder / "results.json.gz").read_bytes()))
    except (OSError, EOFError, ValueError, RecursionError):
        return False
    return bool(results.get("status", UNSCORED) not in (UNSCORED, NOT_RUN))


def take_stock(settings: CollectSettings, routes: Sequence[Route]) -> Stock:
    """Which of the routes are still to be driven.

    Raises CollectError when two of them would share a folder, or when a finished drive was made
    under other conditions: neither to take it for this one nor to replace it would be right.
    """
    repeated = [
        name for name, times in Counter(map(settings.drive_name, routes)).items() if times > 1
    ]
    if repeated:
        raise CollectError(f"two routes would be recorded as {repeated[0]}: name each town once")
    left, unlabelled, others = [], 0, []
    for route in routes:
        folder, now = settings.drive_folder(route), settings.conditions(route)
        if not is_finished(folder):
            left.append(route)
            continue
        then = read_conditions(folder)
        unlabelled += "options" not in then
        changed = differences(then, now)
        if changed:
            others.append(f"{settings.drive_name(route)}: {'; '.join(changed)}")
    if others:
        raise CollectError(
            f"{settings.out} holds {len(others)} of these {len(routes)} drives already, recorded "
            f"with other settings, such as {others[0]}. Nothing was driven or replaced: choose "
            "another --out or --group, or the settings of then"
        )
    return Stock(tuple(left), unlabelled)


def read_conditions(folder: Path) -> Json:
    """What is known of the conditions under which the folder's drive was made: all of them, or for
    older drives no more than the cameras."""
    try:
        return _read_object(folder / CONDITIONS_FILE)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, RecursionError) as error:
        raise CollectError(f"{folder / CONDITIONS_FILE} cannot be read: {error}") from error
    try:
        return {"cameras": json.loads((folder / RIG_FILE).read_text(encoding="utf-8"))}
    except (OSError, ValueError, RecursionError):
        return {}


def _read_object(path: Path) -> Json:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("expected a JSON object")
    return content


def write_json(path: Path, content: Any) -> None:
    """Writes the whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
    os.replace(partial, path)


def next_log_number(logs: Path) -> int:
    """The first number that no log of an earlier session has."""
    found = [LOG_NAME.fullmatch(path.name) for path in logs.glob("*")]
    return max((int(match[1]) + 1 for match in found if match), default=0)


class Report:
    """`collect.json`: written anew after every drive, so that it tells of broken-off sessions too.

    Raises CollectError when there is one already that cannot be gone on with.
    """

    def __init__(self, settings: CollectSettings, to_drive: int) -> None:
        self.path = settings.out / REPORT_FILE
        self._earlier = _read_sessions(self.path)
        self._asked = asdict(settings)
        self._to_drive = to_drive
        self._began = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._began_s = time.monotonic()
        self._drives: list[Drive] = []

    @property
    def frames_per_s(self) -> float:
        return float(self._session()["frames_per_s"])

    @property
    def left(self) -> int:
        return self._to_drive - len(self._drives)

    @property
    def failures(self) -> int:
        return sum(drive.failed for drive in self._drives)

    def add(self, drive: Drive) -> None:
        self._drives.append(drive)
        write_json(self.path, _totals([*self._earlier, self._session()]))

    def lines(self) -> list[str]:
        """This session and all of them, for people."""
        session = self._session()
        totals = _totals([*self._earlier, session])
        words = ", ".join(f"{count} {status}" for status, count in session["statuses"].items())
        return [
            f"{session['frames']} frames in {session['wall_s'] / 60.0:.1f} min "
            f"({session['frames_per_s']}/s): {words}",
            f"All sessions: {totals['frames']} frames of {totals['drives']} drives, {self.path}",
        ]

    def _session(self) -> Json:
        statuses = Counter(drive.status for drive in self._drives)
        frames, wall_s = sum(drive.frames for drive in self._drives), self._wall_s()
        return {
            "started": self._began,
            "frames": frames,
            "wall_s": round(wall_s, 1),
            "frames_per_s": round(frames / wall_s, 2),
            "statuses": dict(statuses.most_common()),
            "left": self.left,
            "asked": self._asked,
            "drives": [asdict(drive) for drive in self._drives],
        }

    def _wall_s(self) -> float:
        return max(time.monotonic() - self._began_s, 1e-9)


def _read_sessions(path: Path) -> list[Json]:
    """Sessions of an earlier report; one without any is itself the report of a single session."""
    try:
        content = _read_object(path)
        sessions = list(content["sessions"]) if "sessions" in content else [content]
        _totals(sessions)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CollectError(
            f"{path} is no report of a collection ({type(error).__name__}: {error}); move it away"
        ) from error
    return sessions


def _totals(sessions: Sequence[Json]) -> Json:
    last: dict[str, Json] = {}
    for session in sessions:
        for drive in session["drives"]:
            # A name without folders does not tell the town: drives of that name are all kept.
            last[drive["name"] if "/" in drive["name"] else f"{len(last)}"] = drive
    written = sum(session["frames"] for session in sessions)
    wall_s = sum(session["wall_s"] for session in sessions)
    statuses = Counter(drive["status"] for drive in last.values())
    return {
        "frames": sum(drive["frames"] for drive in last.values()),
        "drives": len(last),
        "wall_s": round(wall_s, 1),
        "frames_per_s": round(written / max(wall_s, 0.1), 2),
        "statuses": dict(statuses.most_common()),
        "sessions": list(sessions),
    }
