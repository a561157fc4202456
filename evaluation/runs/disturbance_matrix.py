"""The same routes under several disturbances, and what each costs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluation.closed_loop.debug_session import DebugSession
from evaluation.closed_loop.disturbances import Disturbances, relative_drop
from evaluation.runs.atomic_file import write_atomically
from evaluation.runs.drive import RESULTS_FILE, drive
from evaluation.runs.settings import DriveError, DriveSettings

MATRIX_FILE = "disturbances.json"


def drive_disturbed(
    settings: DriveSettings, cells: Sequence[Disturbances], console: Console
) -> int:
    """Drives under each of the disturbances; several have a folder each in `settings.out`, and a
    file that compares them. The exit code is the largest of the drives'."""
    if len(cells) == 1:
        return drive(replace(settings, disturbances=cells[0]), console)
    if settings.debug != DebugSession() or settings.from_state is not None:
        raise DriveError(
            "--disturb with several values drives several times: watch, record, save or drive by "
            "hand under one of them"
        )
    code = 0
    scores: dict[str, float] = {}
    for cell in cells:
        console.print(f"Disturbances: {cell.name}", highlight=False)
        out = settings.out / cell.name
        code = max(code, drive(replace(settings, out=out, disturbances=cell), console))
        scores[cell.name] = _mean_score(out / RESULTS_FILE)
        drops = relative_drops(scores)
        table = {
            name: {"driving_score": score, "relative_drop": drops[name]}
            for name, score in scores.items()
        }
        write_atomically(settings.out / MATRIX_FILE, json.dumps(table, indent=2) + "\n")
    _print(console, scores)
    return code


def relative_drops(scores: Mapping[str, float]) -> dict[str, float | None]:
    """RD of each cell by its name; None for all where no cell was undisturbed."""
    clean = scores.get(Disturbances().name, 0.0)
    return {name: relative_drop(score, clean) for name, score in scores.items()}


def _mean_score(path: Path) -> float:
    content = json.loads(path.read_text(encoding="utf-8"))
    records = content["_checkpoint"]["records"]
    total = max(int(content["_checkpoint"]["progress"][1]), 1)
    return float(sum(record["scores"]["score_composed"] for record in records) / total)


def _print(console: Console, scores: Mapping[str, float]) -> None:
    table = Table(title="Driving score under disturbances; RD = 1 - disturbed / clean")
    table.add_column("Disturbances")
    for heading in ("Score", "RD"):
        table.add_column(heading, justify="right")
    for name, drop in relative_drops(scores).items():
        table.add_row(name, f"{scores[name]:.2f}", "-" if drop is None else f"{drop:.3f}")
    console.print(table)
