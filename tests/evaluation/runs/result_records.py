"""Result files as the leaderboard and Bench2Drive write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.scoring.tick import Kind

Record = dict[str, Any]


def record(
    route: int,
    found: Mapping[Kind, Sequence[str]] | None = None,
    penalty: float = 1.0,
    *,
    completion: float = 100.0,
    status: str = "",
    scenario: str = "",
    repetition: int = 0,
) -> Record:
    """A route of 1000 m; with a scenario it is one of Bench2Drive's."""
    infractions = {kind.value: list((found or {}).get(kind, [])) for kind in Kind}
    count = sum(map(len, infractions.values()))
    theirs = {"scenario_name": scenario, "town_name": "Town12", "save_name": f"route_{route}"}
    return {
        "index": route,
        "route_id": f"RouteScenario_{route}_rep{repetition}",
        "status": status or ("Completed" if count else "Perfect"),
        "num_infractions": count,
        "infractions": infractions,
        "scores": {
            "score_route": completion,
            "score_penalty": penalty,
            "score_composed": round(completion * penalty, 6),
        },
        "meta": {"route_length": 1000.0, "duration_game": 100.0, "duration_system": 200.0},
    } | (theirs if scenario else {})


def leaderboard(path: Path, records: Sequence[Record], planned: int | None = None) -> Path:
    """planned: how many routes the file is to have in the end."""
    progress = [len(records), len(records) if planned is None else planned]
    checkpoint = {"progress": progress, "records": list(records)}
    path.write_text(
        json.dumps({"entry_status": "Finished", "_checkpoint": checkpoint}), encoding="utf-8"
    )
    return path


def bench2drive(folder: Path, records: Sequence[Record]) -> Path:
    """A file a route, as its runs leave them."""
    folder.mkdir()
    for number, one in enumerate(records):
        leaderboard(folder / f"{number}.json", [one])
    return folder


def merged(path: Path, records: Sequence[Record]) -> Path:
    """As Bench2Drive's merge tool writes it."""
    bare = [{key: value for key, value in one.items() if key != "index"} for one in records]
    score = sum(one["scores"]["score_composed"] for one in records) / 220
    contents = {"_checkpoint": {"records": bare}, "driving score": score, "eval num": len(records)}
    path.write_text(json.dumps(contents), encoding="utf-8")
    return path
