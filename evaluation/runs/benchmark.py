"""By whose rules records were scored, and where they contradict themselves."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum

from evaluation.errors import UserError
from evaluation.official.results import OfficialRecord
from evaluation.runs.leaderboard_file import STARTED
from evaluation.scoring.criteria.outside_lanes import metres_in
from evaluation.scoring.penalty import Rules, penalty
from evaluation.scoring.status import PERFECT
from evaluation.scoring.tick import Infraction, Kind

PENALTY_TOLERANCE = 1e-4
"""The sentences name the share outside the lanes to two decimals of a percent."""
SCORE_TOLERANCE = 1e-3
"""Points by which a product of numbers of six decimals is off, and to spare."""
PERCENT_IN_SENTENCE = re.compile(r"(-?\d+(?:\.\d+)?)%")
AMOUNTS = (Kind.OUTSIDE_LANES, Kind.MIN_SPEED)


class ResultFileError(UserError, ValueError):
    """Results that cannot be scored; the message names file or route and says what to do."""


class Benchmark(Enum):
    """By whose rules a file was written, as `--protocol` names them."""

    LEADERBOARD_2_0 = "leaderboard-2.0"
    LEADERBOARD_2_1 = "leaderboard-2.1"
    BENCH2DRIVE_0_0_3 = "bench2drive-0.0.3"
    BENCH2DRIVE_0_0_4 = "bench2drive-0.0.4"

    @property
    def is_bench2drive(self) -> bool:
        return self in (Benchmark.BENCH2DRIVE_0_0_3, Benchmark.BENCH2DRIVE_0_0_4)

    @property
    def rules(self) -> Rules:
        if self.is_bench2drive:
            return Rules.BENCH2DRIVE
        return Rules.V2_1 if self is Benchmark.LEADERBOARD_2_1 else Rules.V2_0


def check_benchmark(records: Sequence[OfficialRecord], benchmark: Benchmark) -> None:
    """Raises ResultFileError for a record that other rules than the benchmark's gave."""
    for record in records:
        theirs = "scenario_name" in record.as_written
        if theirs != benchmark.is_bench2drive:
            writer = "Bench2Drive" if theirs else "the leaderboard"
            raise ResultFileError(
                f"{record.source}: {record.route_id} was written by {writer}, which is not "
                f"{benchmark.value}: choose another --protocol, never mix them"
            )
        if not theirs and not _fits(record, benchmark):
            for other in (Benchmark.LEADERBOARD_2_0, Benchmark.LEADERBOARD_2_1):
                if _fits(record, other):
                    raise ResultFileError(
                        f"{record.source}: the penalty of {record.route_id} is {other.value}'s, "
                        f"not {benchmark.value}'s: choose another --protocol, never mix them"
                    )


def benchmark_of(records: Sequence[OfficialRecord]) -> Benchmark:
    """The one that the records are of, as far as they tell: leaderboard 2.0 before 2.1, and of
    Bench2Drive the latest. Raises ResultFileError if they are of none."""
    if any("scenario_name" in record.as_written for record in records):
        check_benchmark(records, Benchmark.BENCH2DRIVE_0_0_4)
        return Benchmark.BENCH2DRIVE_0_0_4
    for benchmark in (Benchmark.LEADERBOARD_2_0, Benchmark.LEADERBOARD_2_1):
        if all(_fits(record, benchmark) for record in records):
            return benchmark
    raise ResultFileError(
        "the penalties are neither leaderboard 2.0's nor 2.1's throughout: choose a --protocol"
    )


def _fits(record: OfficialRecord, benchmark: Benchmark) -> bool:
    """Whether the penalty is what the rules make of the infractions."""
    rebuilt = penalty(_infractions(record, benchmark), benchmark.rules)
    return abs(rebuilt - record.penalty) <= PENALTY_TOLERANCE


def _infractions(record: OfficialRecord, benchmark: Benchmark) -> list[Infraction]:
    """From the sentences; the percent is NaN where a sentence that needs one names none."""
    known = {kind.value: kind for kind in Kind}
    found: list[Infraction] = []
    for name, sentences in record.infractions.items():
        kind = known.get(name)
        if kind is None or (kind is Kind.MIN_SPEED and benchmark.is_bench2drive):
            continue  # Bench2Drive penalises no speed.
        for sentence in sentences:
            amount = percent_in(sentence) if kind in AMOUNTS else None
            found.append(Infraction(kind, 0, sentence, amount))
    return found


def percent_in(sentence: str) -> float:
    """The percentage that a sentence names; NaN if none."""
    found = PERCENT_IN_SENTENCE.search(sentence)
    return float(found[1]) if found else math.nan


def contradictions(record: OfficialRecord, benchmark: Benchmark) -> list[str]:
    """In what a record contradicts itself; such a record is counted as it stands."""
    found: list[str] = []
    entries = sum(map(len, record.infractions.values()))
    told = record.as_written.get("num_infractions", entries)
    if told != entries:
        found.append(f"num_infractions is {told}, but {entries} are listed")
    complete, failed = record.completion_percent >= 100.0, record.status.startswith("Failed")
    if record.status != STARTED and complete == failed:
        found.append(f"{record.status!r} at {record.completion_percent} % of the route")
    if record.status == PERFECT and entries:
        found.append(f"{PERFECT!r} with {entries} infractions")
    product = max(record.completion_percent * record.penalty, 0.0)
    if abs(product - record.score) > SCORE_TOLERANCE:
        found.append(f"score {record.score} is not completion times penalty ({product:.6f})")
    if not _fits(record, benchmark):
        rebuilt = penalty(_infractions(record, benchmark), benchmark.rules)
        found.append(f"penalty {record.penalty}, but its infractions make {rebuilt:.6f}")
    return found


def outside_m(record: OfficialRecord) -> float:
    """Metres driven outside the lanes; a sentence that names none counts 0."""
    total_m = 0.0
    for sentence in record.infractions.get(Kind.OUTSIDE_LANES.value, ()):
        with suppress(ValueError):
            total_m += metres_in(sentence)
    return total_m
