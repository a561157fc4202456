"""What a collection leaves behind besides frames: each drive's conditions and `collect.json`.

collect.json is made from the ledger:
    frames, statuses    of the drives, each as it came out last; the number of them is `drives`
    wall_s              of all sessions together
    frames_per_s        all that was ever written, by that time
    sessions            one entry for each time that something was driven: when it started, what was
                        asked for, the same figures, its drives, and how many were `left` undone
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.closed_loop.failure import MACHINE_FAILED, SIMULATION_CRASHED
from evaluation.collection.settings import CollectError, CollectSettings, changes
from evaluation.routes.route import Route
from evaluation.runs.atomic_file import write_atomically
from evaluation.runs.job import JobResult, Json
from evaluation.runs.ledger import Ledger

CONDITIONS_FILE = "conditions.json"
RIG_FILE = "rig.json"
REPORT_FILE = "collect.json"
RUN_KEY = "run"
MIN_WALL_S = 0.1
"""So that a session of no time has a rate."""
RESULTS_FILE = "results.json.gz"
UNSCORED = ("Unknown", f"Failed - {SIMULATION_CRASHED}", f"Failed - {MACHINE_FAILED}")
"""Statuses of drives that say nothing about the driver, and are driven again."""


@dataclass(frozen=True)
class CompletedSet:
    """What there is already. left: routes to be driven; unlabelled: how many of the others were
    recorded before all conditions were kept, and are taken as they are."""

    left: tuple[Route, ...]
    unlabelled: int


def is_finished(folder: Path) -> bool:
    """Whether the drive was scored, well or badly, rather than broken off."""
    try:
        results = json.loads(gzip.decompress((folder / RESULTS_FILE).read_bytes()))
    except (OSError, EOFError, ValueError, RecursionError):
        return False
    return bool(results.get("status", UNSCORED[0]) not in UNSCORED)


def completed_set(settings: CollectSettings, routes: Sequence[Route]) -> CompletedSet:
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
        changed = changes(then, now)
        if changed:
            others.append(f"{settings.drive_name(route)}: {'; '.join(changed)}")
    if others:
        raise CollectError(
            f"{settings.out} holds {len(others)} of these {len(routes)} drives already, recorded "
            f"with other settings, such as {others[0]}. Nothing was driven or replaced: choose "
            "another --out or --group, or the settings of then"
        )
    return CompletedSet(tuple(left), unlabelled)


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
    write_atomically(path, json.dumps(content, indent=2, default=str) + "\n")


class CollectionReport:
    """`collect.json`: written anew after every drive, so that it tells of broken-off sessions too.

    to_drive: how many routes the session that begins has to drive. Raises CollectError when there
    is a report already that cannot be gone on with.
    """

    def __init__(self, out: Path, ledger: Ledger, to_drive: int) -> None:
        self.path = out / REPORT_FILE
        # Sessions from before there was a ledger; the others are in it.
        self._earlier = [one for one in _read_sessions(self.path) if RUN_KEY not in one]
        self._ledger = ledger
        self._to_drive = to_drive

    @property
    def frames_per_s(self) -> float:
        return float(self._session(len(self._ledger.runs) - 1)["frames_per_s"])

    @property
    def left(self) -> int:
        return self._to_drive - len(self._results(len(self._ledger.runs) - 1))

    @property
    def failures(self) -> int:
        results = self._results(len(self._ledger.runs) - 1)
        return sum(result.failure is not None for result in results)

    def write(self) -> None:
        write_json(self.path, _totals(self._sessions()))

    def lines(self) -> list[str]:
        """This session and all of them, for people."""
        session = self._session(len(self._ledger.runs) - 1)
        totals = _totals(self._sessions())
        words = ", ".join(f"{count} {status}" for status, count in session["statuses"].items())
        return [
            f"{session['frames']} frames in {session['wall_s'] / 60.0:.1f} min "
            f"({session['frames_per_s']}/s): {words}",
            f"All sessions: {totals['frames']} frames of {totals['drives']} drives, {self.path}",
        ]

    def _sessions(self) -> list[Json]:
        numbers = range(len(self._ledger.runs))
        return [*self._earlier, *(self._session(number) for number in numbers)]

    def _results(self, run: int) -> list[JobResult]:
        """Of the routes that a session has driven, as each came out."""
        entries = [entry.result for entry in self._ledger.entries if entry.run == run]
        return [result for result in entries if result.is_last]

    def _session(self, run: int) -> Json:
        results = self._results(run)
        frames = sum(result.extra["frames"] for result in results)
        wall_s = max((result.extra["at_s"] for result in results), default=0.0)
        statuses = Counter(result.status for result in results)
        left = {} if run < len(self._ledger.runs) - 1 else {"left": self.left}
        return {
            RUN_KEY: run,
            "started": self._ledger.runs[run].get("started"),
            "frames": frames,
            "wall_s": wall_s,
            "frames_per_s": round(frames / max(wall_s, MIN_WALL_S), 2),
            "statuses": dict(statuses.most_common()),
            **left,
            "asked": self._ledger.runs[run].get("asked"),
            "drives": [
                {
                    "name": result.name,
                    "status": result.status,
                    "frames": result.extra["frames"],
                    "wall_s": result.wall_s,
                    "problem": "" if result.failure is None else result.failure.what,
                }
                for result in results
            ],
        }


def _read_sessions(path: Path) -> list[Json]:
    """Sessions of an earlier report; one without any is itself the report of a single session."""
    try:
        content = _read_object(path)
        sessions = list(content["sessions"]) if "sessions" in content else [content]
        _totals(sessions)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
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
        "frames_per_s": round(written / max(wall_s, MIN_WALL_S), 2),
        "statuses": dict(statuses.most_common()),
        "sessions": list(sessions),
    }
