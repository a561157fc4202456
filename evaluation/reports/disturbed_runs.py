"""The same routes under several disturbances: what each costs, and how a delay does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.errors import UserError
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


class MatrixError(UserError, ValueError):
    """A folder whose runs cannot be held against each other; the message says why."""


@dataclass(frozen=True)
class DisturbedFolder:
    """A run of a matrix. disturbances: as its conditions have them; knows_delay: whether its agent
    was told that its controls are late, or measures it."""

    disturbances: str
    knows_delay: bool
    path: Path

    @property
    def name(self) -> str:
        return f"{self.disturbances}, known" if self.knows_delay else self.disturbances


@dataclass(frozen=True)
class DisturbedRun:
    """name, disturbances, knows_delay: see `DisturbedFolder`; disturbances for instance
    `delay=2,gnss=5.0`."""

    name: str
    disturbances: str
    knows_delay: bool
    scores: RunScores

    @property
    def parts(self) -> Mapping[str, str]:
        """Value by kind of disturbance, empty for a clean run."""
        pairs = (part.partition("=") for part in self.disturbances.split(",") if "=" in part)
        return {kind: value for kind, _, value in pairs}

    @property
    def delay_ms(self) -> float | None:
        """Of the controls; None where it was measured instead of set."""
        ticks = self.parts.get("delay", "0")
        return TICK_MS * int(ticks) if ticks.isdecimal() else None

    @property
    def curve(self) -> str:
        """The disturbances beside the delay, and whether that is known to the agent."""
        known = ["known to the agent"] if self.knows_delay else []
        others = [f"{kind} {value}" for kind, value in self.parts.items() if kind != "delay"]
        return ", ".join(others + known)


def disturbed_folders(folder: Path) -> list[DisturbedFolder]:
    """The runs of a matrix, the clean one first; none where the folder holds a run itself.

    Raises MatrixError where two are of the same disturbances: one of them would be lost.
    """
    if (folder / RESULTS_FILE).exists():
        return []
    found: dict[str, DisturbedFolder] = {}
    for path in sorted(folder.glob(f"*/{RESULTS_FILE}")):
        conditions = read_results(path).run.get("conditions", {})
        if disturbances := conditions.get(CONDITION):
            knows = _knows_delay(str(conditions.get("agent config", "")))
            one = DisturbedFolder(str(disturbances), knows, path.parent)
            if one.name in found:
                raise MatrixError(
                    f"{found[one.name].path} and {path.parent} are runs under the same "
                    f"disturbances ({one.name}): put one of them elsewhere"
                )
            found[one.name] = one
    return sorted(found.values(), key=lambda one: one.name != CLEAN)


def _knows_delay(config: str) -> bool:
    pairs = (pair.partition("=") for pair in config.split(","))
    values = {key.strip(): value.strip().lower() for key, _, value in pairs}
    measured = values.get("delay_measured", "false") in ("1", "true", "yes", "on")
    return measured or values.get("delay_ticks", "0") != "0"


def read_disturbed(folders: Sequence[DisturbedFolder], expected: Expected) -> list[DisturbedRun]:
    """The clean run, then by curve and delay. Raises UserError where one cannot be scored."""
    planned = planned_of(expected.routes)
    runs = []
    for one in folders:
        records = read_run([one.path], expected.beside)
        chosen = expected.benchmark or benchmark_of(records.records)
        scores = score_run(records, chosen, planned)
        runs.append(DisturbedRun(one.name, one.disturbances, one.knows_delay, scores))
    return sorted(runs, key=lambda one: (one.name != CLEAN, one.curve, one.delay_ms or 0.0))


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
            curves[run.curve].append(run)
    return {
        name or "delay alone": [
            {
                "delay": run.delay_ms,
                "score": run.scores.over_planned.driving_score,
                "low": None if interval is None else interval.low,
                "high": None if interval is None else interval.high,
            }
            for run in sorted(found, key=lambda one: one.delay_ms or 0.0)
            for interval in [run.scores.driving_score_interval]
        ]
        for name, found in curves.items()
        if len(found) > 1
    }
