"""Two runs side by side: the routes both drove, the differences, the verdict."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from xml.etree import ElementTree as ET

from evaluation.runs.job import Json
from evaluation.runs.result_files import PlannedRoute, RouteOutcome, RunRecords, outcomes
from evaluation.scoring.comparison import (
    Interval,
    PairedSuccess,
    Verdict,
    mean_interval,
    pairs_needed,
    verdict_of,
    worst_of,
)

Outcomes = Mapping[str, RouteOutcome]


@dataclass
class Balance:
    """Routes on which the second driver scored more than the first, as much, or less."""

    win: int = 0
    tie: int = 0
    loss: int = 0


@dataclass(frozen=True)
class Difference:
    """One figure, in points of 100. difference: second less first, with its interval."""

    first: float
    second: float
    difference: float
    interval: Interval | None
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """expected: number of routes that there ought to be; lost: those that lack an outcome on a
    side, and why; unnamed: how many more a side was to have; failure_rates: of first and second,
    0..1; deviation: of the paired differences of the score, in points."""

    margin: float
    expected: int
    lost: Mapping[str, str]
    unnamed: int
    success: Difference
    score: Difference
    counts: PairedSuccess
    failure_rates: tuple[float, float]
    by_scenario: Mapping[str, Balance]
    deviation: float
    verdict: Verdict

    @property
    def needed(self) -> tuple[int, int]:
        """Paired routes that the margin needs, by success and by score, for drivers that disagree
        as often as these."""
        discordant = (self.counts.only_first + self.counts.only_second) / self.counts.pairs
        share = 100.0 * math.sqrt(discordant)
        return pairs_needed(share, self.margin), pairs_needed(self.deviation, self.margin)

    def to_json(self) -> Json:
        shown = asdict(self)
        for part in (shown, shown["success"], shown["score"]):
            part["verdict"] = part["verdict"].name
        return {**shown, "p_value": self.counts.p_value}


def compare(
    first: Outcomes,
    second: Outcomes,
    margin: float,
    lost_share: float,
    planned: Iterable[str] = (),
    unnamed: int = 0,
) -> Comparison | None:
    """Compares route by route; None if no route has two outcomes.

    margin: points that the second may be worse by; lost_share: share of the routes that may be lost
    before the comparison is INVALID; planned: routes that there ought to be; unnamed: how many more
    a side was to have.
    """
    expected = sorted({*first, *second, *planned})
    lost = {name: why for name in expected if (why := _why_lost(name, first, second))}
    pairs = [name for name in expected if name not in lost]
    if not pairs:
        return None
    ours, theirs = [first[name] for name in pairs], [second[name] for name in pairs]
    counts = PairedSuccess.of([one.success for one in ours], [one.success for one in theirs])
    interval = Interval(100.0 * counts.interval.low, 100.0 * counts.interval.high)
    success = Difference(
        100.0 * (counts.both + counts.only_first) / counts.pairs,
        100.0 * (counts.both + counts.only_second) / counts.pairs,
        100.0 * counts.difference,
        interval,
        verdict_of(interval, margin),
    )
    gains = [other.score - one.score for one, other in zip(ours, theirs, strict=True)]
    gain_interval = mean_interval(gains)
    score = Difference(
        fmean(one.score for one in ours),
        fmean(one.score for one in theirs),
        fmean(gains),
        gain_interval,
        verdict_of(gain_interval, margin),
    )
    by_scenario: dict[str, Balance] = defaultdict(Balance)
    for one, gain in zip(ours, gains, strict=True):
        balance = by_scenario[one.scenario or "no scenario"]
        kind = "tie" if math.isclose(gain, 0.0, abs_tol=1e-6) else "win" if gain > 0 else "loss"
        setattr(balance, kind, getattr(balance, kind) + 1)
    too_many = len(lost) + unnamed > lost_share * (len(expected) + unnamed)
    return Comparison(
        margin=margin,
        expected=len(expected) + unnamed,
        lost=lost,
        unnamed=unnamed,
        success=success,
        score=score,
        counts=counts,
        failure_rates=(
            fmean(one.failed_share for one in ours),
            fmean(one.failed_share for one in theirs),
        ),
        by_scenario=dict(sorted(by_scenario.items())),
        deviation=stdev(gains) if len(gains) > 1 else 0.0,
        verdict=Verdict.INVALID if too_many else worst_of([success.verdict, score.verdict]),
    )


def compare_records(
    first: RunRecords,
    second: RunRecords,
    planned: Mapping[str, PlannedRoute],
    margin: float,
    lost_share: float,
    *,
    missing_count_zero: bool = False,
) -> Comparison | None:
    """As `compare`, of the records of two runs. planned: empty if that is not known;
    missing_count_zero: a route that one of them lacks is a failure of that one, and not lost."""
    known = dict.fromkeys([*planned, *first.repetitions, *second.repetitions])
    ours, theirs = outcomes(first, planned), outcomes(second, planned)
    if missing_count_zero:
        for name in known:
            route = ours.get(name) or theirs.get(name) or planned[name]
            failure = RouteOutcome(0.0, 0.0, 1.0, False, route.scenario, route.town)
            ours.setdefault(name, failure)
            theirs.setdefault(name, failure)
    return compare(
        ours,
        theirs,
        margin,
        lost_share,
        planned,
        max(first.missing(known).unnamed, second.missing(known).unnamed),
    )


def _why_lost(name: str, first: Outcomes, second: Outcomes) -> str:
    """Why a route has no two outcomes; "" if it has."""
    told = {"A": first.get(name), "B": second.get(name)}
    reasons = [f"missing in {side}" for side, found in told.items() if found is None]
    reasons += [f"crashed in {side}" for side, found in told.items() if found and found.lost]
    return ", ".join(reasons)


def to_markdown(comparison: Comparison) -> str:
    """Tables for a comment or a log."""
    lines = [
        f"**{comparison.verdict.name}** with a margin of {comparison.margin:g} points on "
        f"{comparison.counts.pairs} of {comparison.expected} routes",
        "",
        "| | A | B | B - A | 95 % interval | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in (("success rate", comparison.success), ("driving score", comparison.score)):
        interval = "none" if one.interval is None else _range(one.interval)
        lines.append(
            f"| {name} | {one.first:.2f} | {one.second:.2f} | {one.difference:+.2f} | {interval} "
            f"| {one.verdict.name} |"
        )
    failed_first, failed_second = (100.0 * rate for rate in comparison.failure_rates)
    change = failed_second - failed_first
    lines += [
        f"| failed routes, % | {failed_first:.2f} | {failed_second:.2f} | {change:+.2f} | | |",
        "",
        f"Success only in A: {comparison.counts.only_first}, only in B: "
        f"{comparison.counts.only_second} (McNemar p = {comparison.counts.p_value:.4f})",
        "",
        "| scenario | B wins | tie | B loses |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one.win} | {one.tie} | {one.loss} |"
        for name, one in comparison.by_scenario.items()
    ]
    told = [f"{name} {why}" for name, why in comparison.lost.items()]
    told += [f"{comparison.unnamed} more that are missing"] if comparison.unnamed else []
    if told:
        lines += ["", f"Left out: {'; '.join(told)}"]
    return "\n".join(lines)


def _range(interval: Interval) -> str:
    return f"{interval.low:+.2f} to {interval.high:+.2f}"


def to_junit(comparison: Comparison) -> str:
    """One test case for each figure and one for the routes being there: FAIL is a failure,
    INCONCLUSIVE and INVALID are errors."""
    present = Verdict.INVALID if comparison.verdict is Verdict.INVALID else Verdict.PASS
    cases = {
        "success rate": comparison.success.verdict,
        "driving score": comparison.score.verdict,
        "routes": present,
    }
    failures = sum(verdict is Verdict.FAIL for verdict in cases.values())
    errors = sum(verdict.value >= Verdict.INCONCLUSIVE.value for verdict in cases.values())
    suite = ET.Element(
        "testsuite",
        name="compare",
        tests=str(len(cases)),
        failures=str(failures),
        errors=str(errors),
    )
    for name, verdict in cases.items():
        case = ET.SubElement(suite, "testcase", classname="compare", name=name)
        if verdict is not Verdict.PASS:
            tag = "failure" if verdict is Verdict.FAIL else "error"
            ET.SubElement(case, tag, message=verdict.name).text = to_markdown(comparison)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
