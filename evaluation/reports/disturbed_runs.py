"""The same routes under several disturbances: what each costs, and how a delay does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.official.results import read_results
from evaluation.reports.page_data import Json
from evaluation.reports.run_data import Expected
from evaluation.runs.benchmark import benchmark_of
from evaluation.runs.drive import RESULTS_FILE
from evaluation.runs.result_files import planned_of, read_run
from evaluation.runs.run_scores import RunScores, score_run

CLEAN = "clean"
"""What a run without disturbances is called in its conditions."""
CONDITION = "disturbances"
TICK_MS = 50.0


@dataclass(frozen=True)
class DisturbedRun:
    """name: as the run's conditions have it, for instance `delay=2,gnss=5.0`."""

    name: str
    scores: RunScores

    @property
    def parts(self) -> Mapping[str, str]:
        """Value by kind of disturbance, empty for a clean run."""
        pairs = (part.partition("=") for part in self.name.split(",") if "=" in part)
        return {kind: value for kind, _, value in pairs}

    @property
    def delay_ms(self) -> float | None:
        """Of the controls; None where it was measured instead of set."""
        ticks = self.parts.get("delay", "0")
        return TICK_MS * int(ticks) if ticks.isdecimal() else None

    @property
    def others(self) -> str:
        """The disturbances beside the delay."""
        return ", ".join(f"{kind} {value}" for kind, value in self.parts.items() if kind != "delay")


def disturbed_folders(folder: Path) -> dict[str, Path]:
    """The runs of a matrix, by their disturbances, the clean one first; none where the folder holds
    a run itself."""
    if (folder / RESULTS_FILE).exists():
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(f"*/{RESULTS_FILE}")):
        name = read_results(path).run.get("conditions", {}).get(CONDITION)
        if name:
            found[str(name)] = path.parent
    return dict(sorted(found.items(), key=lambda one: one[0] != CLEAN))


def read_disturbed(folders: Mapping[str, Path], expected: Expected) -> list[DisturbedRun]:
    """By what else disturbs, then by the delay. Raises UserError where one cannot be scored."""
    planned = planned_of(expected.routes)
    runs = []
    for name, folder in folders.items():
        records = read_run([folder])
        chosen = expected.benchmark or benchmark_of(records.records)
        runs.append(DisturbedRun(name, score_run(records, chosen, planned)))
    return sorted(runs, key=lambda one: (one.name != CLEAN, one.others, one.delay_ms or 0.0))


def relative_drop(run: DisturbedRun, runs: Sequence[DisturbedRun]) -> float | None:
    """1 - score / score of the clean run (Bench2Drive-Robust's RD); None without a clean one or if
    it scored nothing."""
    for one in runs:
        if one.name == CLEAN and one.scores.over_planned.driving_score > 0.0:
            drop = run.scores.over_planned.driving_score / one.scores.over_planned.driving_score
            return 1.0 - drop
    return None


def delay_curves(runs: Sequence[DisturbedRun]) -> Json:
    """For the plot: by what else disturbs, delays in ms with scores and their intervals; only
    where there are two delays or more."""
    curves: dict[str, list[DisturbedRun]] = defaultdict(list)
    for run in runs:
        if run.delay_ms is not None:
            curves[run.others].append(run)
    return {
        others or "delay alone": [
            {
                "delay": run.delay_ms,
                "score": run.scores.over_planned.driving_score,
                "low": None if interval is None else interval.low,
                "high": None if interval is None else interval.high,
            }
            for run in sorted(found, key=lambda one: one.delay_ms or 0.0)
            for interval in [run.scores.driving_score_interval]
        ]
        for others, found in curves.items()
        if len(found) > 1
    }
