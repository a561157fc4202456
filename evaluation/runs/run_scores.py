"""What a run's results come to: means with intervals, by town and by scenario type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from evaluation.official.results import OfficialRecord
from evaluation.runs.leaderboard_file import RouteRecord, infractions_per_km
from evaluation.runs.result_files import (
    Benchmark,
    PlannedRoute,
    ResultFileError,
    RouteOutcome,
    check_benchmark,
    contradictions,
    outcomes,
    outside_m,
    percent_in,
)
from evaluation.scoring.bench2drive import (
    PUBLISHED_ROUTES,
    Motion,
    comfort,
    efficiency_percent,
    mean_over,
)
from evaluation.scoring.comparison import Interval, mean_interval
from evaluation.scoring.penalty import Scores
from evaluation.scoring.tick import Kind


@dataclass(frozen=True)
class Figures:
    """Of some routes: driving score 0..100 and success rate 0..1."""

    routes: int
    driving_score: float
    success_rate: float

    @classmethod
    def of(cls, found: Sequence[RouteOutcome]) -> Figures:
        score = fmean(one.score for one in found)
        return cls(len(found), score, fmean(one.success_share for one in found))


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
    """A run's figures; repetitions are averaged inside a route.

    planned: number of routes that there ought to be, of which the missing ones count 0 in
    over_planned, standard_deviation and both intervals, and are left out of over_present, by_town
    and by_scenario. published (over 220 routes), efficiency_percent and comfort: Bench2Drive's
    alone, else None. contradictions: by record, in what it contradicts itself.
    """

    benchmark: str
    planned: int
    missing: tuple[str, ...]
    over_planned: Figures
    over_present: Figures
    published: Figures | None
    standard_deviation: float
    driving_score_interval: Interval | None
    success_rate_interval: Interval | None
    efficiency_percent: float | None
    comfort: Comfort | None
    infractions_per_km: Mapping[str, float]
    outside_km: float
    by_town: Mapping[str, Figures]
    by_scenario: Mapping[str, Figures]
    contradictions: Mapping[str, Sequence[str]]


def score_run(
    records: Sequence[OfficialRecord],
    benchmark: Benchmark,
    planned: Mapping[str, PlannedRoute],
    motions: Sequence[Motion] = (),
) -> RunScores:
    """Figures of one or more records. planned: by route id; empty if only those present were.
    Raises ResultFileError for records of another benchmark or of routes that were not planned."""
    if not records:
        raise ResultFileError("the results hold no record of a route")
    check_benchmark(records, benchmark)
    found = outcomes(records, planned)
    unknown = sorted(set(found) - set(planned))
    if planned and unknown:
        raise ResultFileError(f"the route file has no route {', '.join(unknown)}: is it another's?")
    missing = tuple(sorted(set(planned) - set(found)))
    present = list(found.values())
    everywhere = present + [RouteOutcome(0.0, 0.0, 0.0, True, "", "")] * len(missing)
    told = {record.route_id: contradictions(record, benchmark) for record in records}
    rates = infractions_per_km([_as_ours(record) for record in records])
    del rates[Kind.OUTSIDE_LANES.value]
    slow = [record.infractions.get(Kind.MIN_SPEED.value, ()) for record in records]
    speeds = [[percent_in(text) for text in texts] for texts in slow]
    scores = [one.score for one in everywhere]
    return RunScores(
        benchmark=benchmark.value,
        planned=len(everywhere),
        missing=missing,
        over_planned=Figures.of(everywhere),
        over_present=Figures.of(present),
        published=_published(records) if benchmark.is_bench2drive else None,
        standard_deviation=stdev(scores) if len(scores) > 1 else 0.0,
        driving_score_interval=mean_interval(scores),
        success_rate_interval=mean_interval([one.success_share for one in everywhere]),
        efficiency_percent=efficiency_percent(speeds) if benchmark.is_bench2drive else None,
        comfort=Comfort.of(motions) if motions else None,
        infractions_per_km=rates,
        outside_km=sum(map(outside_m, records)) / 1000.0,
        by_town=_grouped(found, lambda one: one.town),
        by_scenario=_grouped(found, lambda one: one.scenario),
        contradictions={route: texts for route, texts in told.items() if texts},
    )


def _published(records: Sequence[OfficialRecord]) -> Figures:
    """As Bench2Drive's tool divides, however many records there are."""
    return Figures(
        PUBLISHED_ROUTES,
        mean_over(record.score for record in records),
        mean_over(record.success for record in records),
    )


def _grouped(
    found: Mapping[str, RouteOutcome], group_of: Callable[[RouteOutcome], str]
) -> dict[str, Figures]:
    groups: dict[str, list[RouteOutcome]] = defaultdict(list)
    for one in found.values():
        if group_of(one):
            groups[group_of(one)].append(one)
    return {name: Figures.of(groups[name]) for name in sorted(groups)}


def _as_ours(record: OfficialRecord) -> RouteRecord:
    """With every kind of infraction; those that we do not know are left out."""
    return RouteRecord(
        index=record.index,
        route_id=record.route_id,
        status=record.status,
        num_infractions=sum(map(len, record.infractions.values())),
        infractions={kind.value: record.infractions.get(kind.value, ()) for kind in Kind},
        scores=Scores(
            score_route=record.completion_percent,
            score_penalty=record.penalty,
            score_composed=record.score,
        ),
        meta={"route_length": record.length_m},
    )


def to_text(scores: RunScores) -> str:
    """What a terminal shows."""
    lines = [f"{scores.benchmark}: {scores.over_present.routes} of {scores.planned} routes"]
    groups = {"over the planned routes": scores.over_planned}
    if scores.over_present.routes != scores.planned:
        groups["over those present"] = scores.over_present
    if scores.published is not None:
        groups[f"as published, over {PUBLISHED_ROUTES}"] = scores.published
    groups |= {f"town {name}": found for name, found in scores.by_town.items()}
    groups |= {f"scenario {name}": found for name, found in scores.by_scenario.items()}
    lines += [
        f"{name}: driving score {found.driving_score:.2f}, success rate "
        f"{100.0 * found.success_rate:.2f} % ({found.routes} routes)"
        for name, found in groups.items()
    ]
    lines.append(f"standard deviation of the driving score: {scores.standard_deviation:.2f}")
    score, success = scores.driving_score_interval, scores.success_rate_interval
    if score is not None and success is not None:
        lines.append(
            f"95 % intervals: driving score {score.low:.2f} to {score.high:.2f}, success rate "
            f"{100.0 * success.low:.2f} to {100.0 * success.high:.2f} %"
        )
    if scores.efficiency_percent is not None:
        lines.append(f"efficiency: {scores.efficiency_percent:.2f} % of the traffic's speed")
    if scores.comfort is not None:
        lines.append(
            f"comfort: {scores.comfort.published:.4f} as published, "
            f"{scores.comfort.corrected:.4f} corrected"
        )
    lines += [f"{name}: {rate:g} per km" for name, rate in scores.infractions_per_km.items()]
    lines.append(f"driven outside the lanes: {scores.outside_km:g} km")
    if scores.missing:
        lines.append(f"missing routes: {', '.join(scores.missing)}")
    lines += [
        f"{route} contradicts itself: {text}"
        for route, texts in scores.contradictions.items()
        for text in texts
    ]
    return "\n".join(lines)
