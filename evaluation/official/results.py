"""What an official evaluator wrote: read, checked and shown as one table."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from evaluation.errors import UserError
from evaluation.scoring.bench2drive import is_success

ENTRY_STATUSES = ("Started", "Finished", "Rejected", "Crashed", "Invalid")
STATUSES = ("Started", "Perfect", "Completed", "Failed")
"""Of a route; "Failed" may be followed by " - " and a reason."""
SCORES = ("score_route", "score_penalty", "score_composed")
ROUTE_PREFIX = "RouteScenario_"
LOG_WIDTH = 130


class OfficialResultsError(UserError, ValueError):
    """A results file that is missing or damaged; the message names file and place."""


@dataclass(frozen=True)
class OfficialRecord:
    """One route, as the evaluator judged it.

    Attributes:
        source: file that the record stands in.
        route_id: `RouteScenario_<id>_rep<n>`.
        completion_percent, penalty, score: the evaluator's route score, penalty and composed one.
        infractions: texts by the evaluator's names of the kinds, those without any left out.
        scenario, town: known to Bench2Drive and to this program, else empty.
        as_written: the record as it stands in the file.
        extra: what this program knows beside the record, of routes that it drove itself.
    """

    source: Path
    index: int
    route_id: str
    status: str
    completion_percent: float
    penalty: float
    score: float
    infractions: Mapping[str, Sequence[str]]
    length_m: float
    game_s: float
    as_written: Mapping[str, Any]
    scenario: str = ""
    town: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """As Bench2Drive counts: completed, and nothing but slow driving held against it."""
        return is_success(self.status, self.infractions)


@dataclass(frozen=True)
class OfficialResults:
    """One results file. planned: number of routes that it is to have in the end; run: what this
    program knows of a run of its own, with the conditions of all its routes."""

    path: Path
    entry_status: str
    planned: int
    records: Sequence[OfficialRecord] = field(default_factory=tuple)
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mean_score(self) -> float:
        """Over the planned routes, as the leaderboard has it."""
        return sum(record.score for record in self.records) / max(self.planned, 1)


def official_results(path: Path) -> list[OfficialResults]:
    """A results file, or those of a folder: the ones in it, or else the ones in its subfolders.

    Raises OfficialResultsError for a file that is damaged and for a route that occurs twice.
    """
    files = [path]
    if path.is_dir():
        files = _results_in(path.glob("*.json")) or _results_in(path.rglob("*.json"))
        if not files:
            raise OfficialResultsError(f"{path} holds no results: there is no .json file in it")
    results = [read_results(file) for file in files]
    records = [record for found in results for record in found.records]
    for route_id, count in Counter(record.route_id for record in records).items():
        if count > 1:
            where = ", ".join(str(one.source) for one in records if one.route_id == route_id)
            raise OfficialResultsError(f"{route_id} stands {count} times in the results: {where}")
    return results


def _results_in(files: Iterable[Path]) -> list[Path]:
    """Without what Bench2Drive's tools and its agents write beside results."""
    return sorted(
        file for file in files if "merged" not in file.name and file.name != "metric_info.json"
    )


def read_results(path: Path) -> OfficialResults:
    """One results file, or what Bench2Drive's tool merged of many; OfficialResultsError if it is
    missing or neither."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OfficialResultsError(f"{path}: no such results file") from None
    except OSError as error:
        raise OfficialResultsError(f"{path} cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise OfficialResultsError(f"{path} is truncated or not JSON: {error}") from None
    except RecursionError:
        raise OfficialResultsError(f"{path} is nested too deeply to be read") from None
    try:
        if "eval num" in data:
            found = data["_checkpoint"]["records"]
            bare = tuple(_record(path, n, {"index": n, **one}, {}) for n, one in enumerate(found))
            return OfficialResults(path, "Finished", len(bare), bare)
        entry_status = _one_of(data["entry_status"], ENTRY_STATUSES, "entry_status")
        checkpoint = data["_checkpoint"]
        done, planned = map(int, checkpoint["progress"] or (0, 0))
        beside = data.get("extra", {})
        ours, run = beside.get("routes", {}), dict(beside.get("run", {}))
        found = enumerate(checkpoint["records"])
        records = [_record(path, number, one, ours) for number, one in found]
        if not len(records) <= max(done, planned):
            raise ValueError(f"{len(records)} records of {planned} planned routes")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise OfficialResultsError(f"{path} is damaged or no results file: {reason}") from None
    return OfficialResults(path, entry_status, planned, tuple(records), run)


def _record(
    path: Path, number: int, data: Mapping[str, Any], ours: Mapping[str, Any]
) -> OfficialRecord:
    """ours: what this program knows beside the records of the routes that it drove itself."""
    try:
        extra = ours.get(data["route_id"], {})
        status = str(data["status"])
        _one_of(status.partition(" - ")[0], STATUSES, "status")
        completion, penalty, score = (_number(data["scores"][name], name) for name in SCORES)
        meta = data["meta"]
        return OfficialRecord(
            source=path,
            index=int(data["index"]),
            route_id=str(data["route_id"]),
            status=status,
            completion_percent=completion,
            penalty=penalty,
            score=score,
            infractions={
                kind: tuple(map(str, found)) for kind, found in data["infractions"].items() if found
            },
            length_m=_number(meta["route_length"], "route_length"),
            game_s=_number(meta["duration_game"], "duration_game"),
            as_written=data,
            scenario=str(data.get("scenario_name") or extra.get("scenario") or ""),
            town=str(data.get("town_name") or extra.get("town") or ""),
            extra=extra,
        )
    except KeyError as error:
        raise ValueError(f"record {number}: {error} is missing") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"record {number}: {error}") from None


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, not a number")
    return float(value)


def _one_of(value: Any, known: Sequence[str], name: str) -> str:
    if value not in known:
        raise ValueError(f"{name} is {value!r}, none of {', '.join(known)}")
    return str(value)


def show(results: OfficialResults, console: Console | None = None) -> None:
    """Prints the table of a run."""
    console = console or Console()
    if not console.is_terminal:
        # A log has room enough; its width is not known and taken to be small.
        console.width = max(console.width, LOG_WIDTH)
    table = Table(title=str(results.path), title_justify="left")
    table.add_column("route", overflow="fold")
    table.add_column("status")
    for heading in ("completion %", "penalty", "score"):
        table.add_column(heading, justify="right")
    table.add_column("infractions", overflow="fold")
    for record in results.records:
        table.add_row(
            f"{record.route_id.removeprefix(ROUTE_PREFIX)} {record.scenario}".strip(),
            record.status,
            f"{record.completion_percent:.1f}",
            f"{record.penalty:.3f}",
            f"{record.score:.2f}",
            ", ".join(f"{len(found)} {kind}" for kind, found in record.infractions.items()),
        )
    console.print(table)
    console.print(
        f"{len(results.records)} of {results.planned} routes, {results.entry_status}; mean score "
        f"{results.mean_score:.2f} over the planned routes",
        highlight=False,
    )
