"""What a run's results come to: means with intervals, by town and by scenario type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import fmean, variance

from evaluation.official.results import OfficialRecord
from evaluation.runs.benchmark import (
    Benchmark,
    ResultFileError,
    check_benchmark,
    contradictions,
    outside_m,
    percent_in,
)
from evaluation.runs.leaderboard_file import infractions_per_km
from evaluation.runs.merge_results import as_ours
from evaluation.runs.result_files import (
    NOTHING,
    PlannedRoute,
    RouteOutcome,
    RunRecords,
    is_lost,
    outcomes,
)
from evaluation.runs.sign_passing import Abilities
from evaluation.runs.twins import TwinGap, twin_gap
from evaluation.scoring.bench2drive import (
    PUBLISHED_ROUTES,
    Motion,
    comfort,
    efficiency_percent,
)
from evaluation.scoring.comparison import Interval, mean_interval, share_interval
from evaluation.scoring.tick import Kind
from evaluation.scoring.totals import deviation_over, mean_over


@dataclass(frozen=True)
class Figures:
    """Of some drives, where each repetition of a route is one: driving score 0..100, success rate
    0..1."""

    drives: int
    driving_score: float
    success_rate: float

    @classmethod
    def of(cls, records: Sequence[OfficialRecord], drives: int) -> Figures | None:
        """Over that many drives, of which those without a record count 0; None for none."""
        if not drives:
            return None
        return cls(
            drives,
            mean_over((record.score for record in records), drives),
            mean_over((record.success for record in records), drives),
        )


@dataclass(frozen=True)
class Comfort:
    """Mean over the routes of the share of comfortable pieces, as Bench2Drive's tool has it and
    with its units and derivatives put right."""

    published: float
    corrected: float

    @classmethod
    def of(cls, motions: Sequence[Motion]) -> Comfort:
        return cls(
            fmean(comfort(one, published=True) for one in motions),
            fmean(comfort(one, published=False) for one in motions),
        )


@dataclass(frozen=True)
class RunScores:
    """A run's figures.

    Attributes:
        routes: number of routes that have a record.
        missing: drives that there ought to be and that are not, as `<route>` or `<route>_rep<n>`;
            they count 0 in over_planned and in both intervals.
        unnamed: how many more the files were to have; they count 0 too.
        crashed: routes of which a drive ended by no fault of the driver; they count as they stand.
        over_planned, over_present: with and without the missing drives.
        over_finished: without the crashed drives too, None where none is left.
        published: over 220 drives as Bench2Drive's tool divides, None for other benchmarks, as are
            efficiency_percent, comfort and abilities.
        standard_deviation: of the driving score as the leaderboard has it.
        repetition_deviation: of a route's driving score from repetition to repetition; None where
            no route has two.
        driving_score_interval, success_rate_interval: the route is the unit.
        contradictions: by record, in what it contradicts itself.
        twins: success on routes against their twins, None where there are none.
    """

    benchmark: str
    routes: int
    missing: tuple[str, ...]
    unnamed: int
    crashed: tuple[str, ...]
    over_planned: Figures
    over_present: Figures
    over_finished: Figures | None
    published: Figures | None
    standard_deviation: float
    repetition_deviation: float | None
    driving_score_interval: Interval | None
    success_rate_interval: Interval | None
    failure_rate: float
    efficiency_percent: float | None
    comfort: Comfort | None
    abilities: Abilities | None
    infractions_per_km: Mapping[str, float]
    outside_km: float
    by_town: Mapping[str, Figures]
    by_scenario: Mapping[str, Figures]
    contradictions: Mapping[str, Sequence[str]]
    twins: TwinGap | None = None

    @property
    def is_whole(self) -> bool:
        """Whether no drive is missing or crashed."""
        return not (self.missing or self.unnamed or self.crashed)


def score_run(
    run: RunRecords,
    benchmark: Benchmark,
    planned: Mapping[str, PlannedRoute],
    motions: Sequence[Motion] = (),
    abilities: Abilities | None = None,
) -> RunScores:
    """Figures of one or more records. planned: by route id; empty if that is not known. Raises
    ResultFileError for records of another benchmark or of routes that were not planned."""
    records = run.records
    if not records:
        raise ResultFileError("the results hold no record of a route")
    check_benchmark(records, benchmark)
    found = outcomes(run, planned)
    unknown = sorted(set(found) - set(planned))
    if planned and unknown:
        raise ResultFileError(f"the route file has no route {', '.join(unknown)}: is it another's?")
    missing = run.missing(planned)
    once = not any(number for _, number in missing.named) and len(found) == len(records)
    drives = len(records) + missing.count
    over_planned, over_present = Figures.of(records, drives), Figures.of(records, len(records))
    assert over_planned is not None
    assert over_present is not None
    finished = [record for record in records if not is_lost(record)]
    rates = infractions_per_km([as_ours(record) for record in records])
    del rates[Kind.OUTSIDE_LANES.value]
    everywhere = _with_missing(run, found, planned)
    told = {record.route_id: contradictions(record, benchmark) for record in records}
    return RunScores(
        benchmark=benchmark.value,
        routes=len(found),
        missing=tuple(route if once else f"{route}_rep{number}" for route, number in missing.named),
        unnamed=missing.unnamed,
        crashed=tuple(route for route, one in found.items() if one.lost),
        over_planned=over_planned,
        over_present=over_present,
        over_finished=Figures.of(finished, len(finished)),
        published=Figures.of(records, PUBLISHED_ROUTES) if benchmark.is_bench2drive else None,
        standard_deviation=deviation_over([one.score for one in records], drives),
        repetition_deviation=_repetition_deviation(run),
        driving_score_interval=mean_interval([one.score for one in everywhere]),
        success_rate_interval=share_interval([one.success_share for one in everywhere]),
        failure_rate=fmean(record.status.startswith("Failed") for record in records),
        efficiency_percent=_efficiency_percent(records) if benchmark.is_bench2drive else None,
        comfort=Comfort.of(motions) if motions else None,
        abilities=abilities,
        infractions_per_km=rates,
        outside_km=sum(map(outside_m, records)) / 1000.0,
        by_town=_grouped(run, found, lambda one: one.town),
        by_scenario=_grouped(run, found, lambda one: one.scenario),
        contradictions={route: texts for route, texts in told.items() if texts},
        twins=twin_gap(found),
    )


def _with_missing(
    run: RunRecords, found: Mapping[str, RouteOutcome], planned: Mapping[str, PlannedRoute]
) -> list[RouteOutcome]:
    """All routes that there ought to be; a repetition that is missing counts 0 in its route."""
    missing = run.missing(planned)
    lacking: dict[str, int] = defaultdict(int)
    for route, _ in missing.named:
        lacking[route] += 1
    there: list[RouteOutcome] = []
    for route, one in found.items():
        driven = len(run.repetitions[route])
        share = driven / (driven + lacking.pop(route, 0))
        there.append(
            RouteOutcome(
                one.score * share, one.success_share * share, one.failed_share, one.lost, "", ""
            )
        )
    return there + [NOTHING] * (len(lacking) + missing.unnamed)


def _repetition_deviation(run: RunRecords) -> float | None:
    """Within the routes, pooled over them by their degrees of freedom."""
    groups = [[one.score for one in found] for found in run.repetitions.values() if len(found) > 1]
    if not groups:
        return None
    squares = fsum(variance(scores) * (len(scores) - 1) for scores in groups)
    return sqrt(squares / sum(len(scores) - 1 for scores in groups))


def _efficiency_percent(records: Sequence[OfficialRecord]) -> float | None:
    slow = [record.infractions.get(Kind.MIN_SPEED.value, ()) for record in records]
    return efficiency_percent([[percent_in(text) for text in texts] for texts in slow])


def _grouped(
    run: RunRecords,
    found: Mapping[str, RouteOutcome],
    group_of: Callable[[RouteOutcome], str],
) -> dict[str, Figures]:
    groups: dict[str, list[OfficialRecord]] = defaultdict(list)
    for route, records in run.repetitions.items():
        if group_of(found[route]):
            groups[group_of(found[route])] += records
    figures = {name: Figures.of(groups[name], len(groups[name])) for name in sorted(groups)}
    return {name: one for name, one in figures.items() if one is not None}
